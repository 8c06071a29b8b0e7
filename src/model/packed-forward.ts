import { Allocation } from '../gpu/allocation';
import type { Gpu } from '../gpu/device';
import { type BatchSize, type Dispatch, encode, type PipelineCache, Program, submit } from '../gpu/program';
import { embed } from '../kernels/embed';
import { linear, linearBackward } from '../kernels/linear';
import { rmsNorm, rmsNormBackward } from '../kernels/rms-norm';
import { gatherRows } from '../kernels/rows';
import { tokenLogprob } from '../kernels/token-logprob';
import { required } from '../shared/assert';
import { ThumbprintError } from '../shared/errors';
import { activationsSize, createActivations, paddedRows } from './activations';
import { forwardLayer, type ForwardContext, headProduct, type KeyValue } from './layer';
import type { AdapterSlot } from './lora';
import { type PackedBatch, TARGET_WORDS, TOKEN_WORDS } from './packed-batch';
import type { ModelWeights } from './weights';

/** Bytes of logits that may exist at once; the targets of a batch pass the head in chunks of that size. */
const LOGIT_BYTES = 16 * 2 ** 20;

/** Waits until background work may use the device again. */
export type Turn = () => Promise<void>;

interface PackedForwardOptions {
  /** Most tokens of a batch. */
  rows: number;
  /** Whether the head also writes `targetGradients`. */
  gradient: boolean;
  /** Bytes in which layers, from the highest down, may keep their activations for a backward pass. */
  keepBytes?: number;
}

/** Rows for which activations are kept: larger batches are rare, and compute them once more. */
const KEPT_ROWS = 512;

/** Where a layer computes, and what its backward pass finds there. */
export interface LayerSlot {
  context: ForwardContext;
  cache: KeyValue;
}

/**
 * Forward pass over a packed batch, up to the log-probability of every target. Keeps each layer's input, and as many
 * layers' activations as there is room for.
 */
export class PackedForward {
  readonly context: ForwardContext;
  /** Of all layers, one after the other: it holds the activations of the layer computed last. */
  readonly shared: LayerSlot;
  /** Of the layers that keep theirs, by layer. */
  readonly kept: (LayerSlot | undefined)[];
  /** Most rows of a batch for which layers keep their activations. */
  readonly keptRows: number;
  /** Inputs of the layers and, last, the output of the last one: [layers + 1] of [rows, D]. */
  readonly streams: GPUBuffer[];
  readonly targets: GPUBuffer;
  readonly logprobs: GPUBuffer;
  /** d logprob / d hidden of every target, [rows, D]; only with `gradient`. */
  readonly targetGradients: GPUBuffer;
  private readonly gpu: Gpu;
  private readonly gradient: boolean;
  /** Most targets that the head takes at once. */
  readonly chunkRows: number;
  private readonly chunk: GPUBuffer;
  /** What the head computes of a chunk, [chunkRows, D] and [chunkRows, vocab]. */
  private readonly chunkBuffers: Record<'hidden' | 'normed' | 'logits' | 'gradients', GPUBuffer>;
  private readonly memory: Allocation;
  /** What runs a layer, by layer; and what runs it where it keeps its activations. */
  private layers: { shared: Program; kept?: Program }[] = [];
  private head: Program | null = null;

  /** Allocates everything; `compile` comes next. */
  constructor(
    gpu: Gpu,
    weights: ModelWeights,
    adapter: AdapterSlot,
    { rows, gradient, keepBytes = 0 }: PackedForwardOptions,
  ) {
    this.gpu = gpu;
    this.gradient = gradient;
    const { config } = weights;
    const padded = paddedRows(rows);
    const memory = new Allocation(gpu);
    this.memory = memory;
    const matrix = (label: string, height: number, columns: number): GPUBuffer =>
      memory.storage(label, height * columns * 4);
    const shape = { config, rank: adapter.layout.rank, rows, type: 'f32' } as const;
    this.context = {
      forms: gpu.forms,
      weights,
      adapter,
      activations: createActivations(memory, shape),
      tokens: memory.storage('batch tokens', padded * TOKEN_WORDS * 4),
      batch: memory.uniform('batch', 16),
      capacity: padded,
    };
    const kv = config.num_key_value_heads * config.head_dim;
    // The kernels take the capacity for a constant, so that it is the same for all.
    const cache = (): KeyValue => ({
      keys: matrix('batch keys', padded, kv),
      values: matrix('batch values', padded, kv),
    });
    this.shared = { context: this.context, cache: cache() };
    const keptShape = { ...shape, rows: Math.min(rows, KEPT_ROWS) };
    const room = Math.floor(keepBytes / (activationsSize(keptShape) + 2 * padded * kv * 4));
    this.kept = weights.layers.map((_, layer) =>
      weights.layers.length - layer > room
        ? undefined
        : { context: { ...this.context, activations: createActivations(memory, keptShape) }, cache: cache() },
    );
    this.keptRows = room > 0 ? keptShape.rows : 0;
    this.streams = Array.from({ length: config.num_hidden_layers + 1 }, (_, layer) =>
      matrix(`stream ${layer}`, padded, config.hidden_size),
    );
    this.targets = memory.storage('targets', padded * TARGET_WORDS * 4);
    this.logprobs = memory.storage('logprobs', padded * 4);
    this.targetGradients = matrix('target gradients', padded, config.hidden_size);
    this.chunk = memory.uniform('chunk', 16);
    this.chunkRows = Math.min(padded, Math.max(8, Math.floor(LOGIT_BYTES / (config.vocab_size * 32)) * 8));
    const chunk = (label: string, columns: number): GPUBuffer =>
      matrix(`chunk ${label}`, this.chunkRows, columns);
    this.chunkBuffers = {
      hidden: chunk('hidden', config.hidden_size),
      normed: chunk('normed', config.hidden_size),
      logits: chunk('logits', config.vocab_size),
      gradients: chunk('gradients', config.hidden_size),
    };
  }

  static async create(
    gpu: Gpu,
    cache: PipelineCache,
    weights: ModelWeights,
    adapter: AdapterSlot,
    options: PackedForwardOptions,
  ): Promise<PackedForward> {
    const forward = new PackedForward(gpu, weights, adapter, options);
    await forward.compile(cache);
    return forward;
  }

  async compile(cache: PipelineCache): Promise<void> {
    const build = (dispatches: Dispatch[]): Promise<Program> => Program.build(this.gpu, cache, dispatches);
    [this.head, ...this.layers] = await Promise.all([
      build(this.headDispatches()),
      ...this.kept.map(async (slot, layer) => {
        const shared = await build(this.layerDispatches(layer, this.shared));
        return slot ? { shared, kept: await build(this.layerDispatches(layer, slot)) } : { shared };
      }),
    ]);
  }

  /** Most tokens of a batch. */
  get rows(): number {
    return this.context.activations.rows;
  }

  /**
   * Runs the batch; `logprobs` then holds one value a target.
   * @param turn called before each submit, one a layer: other work goes first there.
   */
  async run(batch: PackedBatch, size: BatchSize, turn: Turn): Promise<void> {
    await this.runLayers(batch, size, turn);
    for (const { start, count } of this.chunks(size.targets)) {
      await turn();
      this.runHead(start, count);
    }
  }

  /** `run` without the head: `streams` then holds what every layer made of the batch. */
  async runLayers(batch: PackedBatch, size: BatchSize, turn: Turn): Promise<void> {
    if (batch.rows > this.rows) {
      throw new ThumbprintError('internal', `batch of ${batch.rows} rows, room for ${this.rows}`);
    }
    const { tokens, batch: uniform } = this.context;
    await turn();
    this.gpu.write(tokens, batch.tokens);
    this.gpu.write(this.targets, batch.targets);
    this.gpu.write(uniform, new Uint32Array([size.tokens, size.targets, size.sequences, size.examples]));
    for (const { shared, kept = shared } of this.layers) {
      await turn();
      submit(this.gpu, size, this.keeps(batch) ? kept : shared);
      await this.gpu.device.queue.onSubmittedWorkDone();
    }
  }

  /** Whether layers with a slot of their own keep the activations of this batch. */
  keeps(batch: PackedBatch): boolean {
    return batch.rows <= this.keptRows;
  }

  /** The runs of targets that the head takes at once. */
  chunks(targets: number): { start: number; count: number }[] {
    return Array.from({ length: Math.ceil(targets / this.chunkRows) }, (_, index) => {
      const start = index * this.chunkRows;
      return { start, count: Math.min(this.chunkRows, targets - start) };
    });
  }

  /** Log-probabilities of the first `count` targets of the last run. */
  async readLogprobs(count: number): Promise<Float32Array> {
    return new Float32Array(await this.gpu.read(this.logprobs, count * 4));
  }

  destroy(): void {
    this.memory.destroy();
  }

  private runHead(start: number, count: number): void {
    this.gpu.write(this.chunk, new Uint32Array([count, start, 0, 0]));
    const encoder = this.gpu.device.createCommandEncoder();
    const size = { tokens: count, targets: count, sequences: 0, examples: 0 };
    encode(this.gpu, encoder, size, required(this.head, 'head program'));
    if (this.gradient) {
      const row = this.context.weights.config.hidden_size * 4;
      const { gradients } = this.chunkBuffers;
      encoder.copyBufferToBuffer(gradients, 0, this.targetGradients, start * row, count * row);
    }
    this.gpu.device.queue.submit([encoder.finish()]);
  }

  private layerDispatches(layer: number, { context, cache }: LayerSlot): Dispatch[] {
    const x = required(this.streams[layer], 'stream');
    const y = required(this.streams[layer + 1], 'stream');
    const { weights, tokens, batch } = context;
    const before = layer === 0 ? [embed({ embedding: weights.embedding, tokens, x, batch })] : [];
    return [...before, ...forwardLayer(context, layer, cache, x, y)];
  }

  private headDispatches(): Dispatch[] {
    const { gradient, targets, logprobs, chunk } = this;
    const { weights } = this.context;
    const { hidden_size, vocab_size } = weights.config;
    const { hidden: h, normed, logits, gradients } = this.chunkBuffers;
    const x = required(this.streams.at(-1), 'last stream');
    const head = headProduct(this.context, chunk);
    const forward = [
      gatherRows({ size: hidden_size, x, targets, h, chunk }),
      rmsNorm({ norm: weights.norm, x: h, y: normed }),
      linear({ ...head, x: normed, y: logits }),
      tokenLogprob({ vocab: vocab_size, gradient, targets, logits, logprobs, chunk }),
    ];
    if (!gradient) return forward;
    return [
      ...forward,
      linearBackward({ ...head, dy: logits, dx: normed }),
      rmsNormBackward({ norm: weights.norm, x: h, dy: normed, dx: gradients, accumulate: false }),
    ];
  }
}
