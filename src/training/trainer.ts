import type { AdapterWeights } from '../formats/tensors';
import { Allocation } from '../gpu/allocation';
import type { Gpu } from '../gpu/device';
import { type BatchSize, type Dispatch, encode, Program, submit } from '../gpu/program';
import { adamw, gradNorm, NORM_GROUPS } from '../kernels/adamw';
import { METRICS, preference } from '../kernels/preference';
import { scatterRows } from '../kernels/rows';
import { Comparison, type Divergence } from '../model/divergence';
import { AdapterSlot } from '../model/lora';
import type { Sequence } from '../model/packed-batch';
import { type LayerSlot, PackedForward, type Turn } from '../model/packed-forward';
import type { ModelRuntime } from '../model/runtime';
import { type Score, scoreSequences } from '../model/scorer';
import { required } from '../shared/assert';
import { ThumbprintError } from '../shared/errors';
import { type BackwardBuffers, backwardLayer, createBackwardBuffers } from './backward';
import {
  EXAMPLE_WORDS,
  type ExampleBatch,
  MAX_EXAMPLES,
  microBatches,
  packExamples,
  SEQUENCE_WORDS,
} from './examples';
import {
  type Hyperparameters,
  lowestTrained,
  type StepResult,
  type TrainerState,
  type TrainingExample,
} from './types';

const BETA_1 = 0.9;
const BETA_2 = 0.999;
const EPSILON = 1e-8;

const KEEP_BYTES = 64 * 2 ** 20;
const MEMORY_BYTES = 512 * 2 ** 20;

/** Tokens of the first micro-batch when submits are to be short, and the fewest there are. */
const FIRST_ROWS = 64;
const LEAST_ROWS = 32;

/** Fewer tokens than that are no room to train in. */
const LEAST_ROOM = 128;

export interface TrainerOptions {
  /** Most tokens of one micro-batch, where the device has the room. */
  rows: number;
  /**
   * Milliseconds that a submit should take at most: micro-batches shrink and grow to keep to it, so that other work gets
   * the device in time. Without it they are as large as `rows` allows, and results repeat exactly.
   */
  submitMs?: number;
  /** Memory in which layers may keep their activations instead of computing them twice; 64 MiB when absent. */
  keepBytes?: number;
  /** What training may take of the device's memory; 512 MiB when absent. */
  memoryBytes?: number;
  /** Awaited before every submit, so that chat goes first. */
  turn?: Turn;
}

/** Most tokens of a micro-batch, and memory for kept activations. */
type Room = Required<Pick<TrainerOptions, 'rows' | 'keepBytes'>>;

/** What to try, from what is fastest to what fits anywhere. */
function roomsOf({ rows, keepBytes = KEEP_BYTES }: TrainerOptions): Room[] {
  const rooms = [keepBytes, keepBytes / 4, 0].map((bytes): Room => ({ rows, keepBytes: bytes }));
  for (let fewer = rows >> 1; fewer >= LEAST_ROOM; fewer >>= 1) rooms.push({ rows: fewer, keepBytes: 0 });
  return rooms;
}

/** Trains one adapter on the device, step by step, and scores replies with it. */
export class Trainer {
  readonly slot: AdapterSlot;
  private readonly runtime: ModelRuntime;
  private readonly gpu: Gpu;
  private readonly options: TrainerOptions;
  private readonly turn: Turn;
  private readonly arenas: Record<'gradients' | 'firstMoments' | 'secondMoments' | 'averages', GPUBuffer>;
  private readonly buffers: Record<
    'examples' | 'sequences' | 'coefficients' | 'metrics' | 'partials' | 'loss' | 'adamw',
    GPUBuffer
  >;
  private readonly memory: Allocation;
  private readonly forward: PackedForward;
  private readonly backward: BackwardBuffers;
  private comparison: Comparison | null = null;
  private programs: {
    loss: Program;
    scatter: Program;
    /** As in the forward pass. */
    layers: { shared: Program; kept?: Program }[];
    norm: Program;
    update: Program;
  } | null = null;
  private identity: Omit<AdapterWeights, 'tensors'> | null = null;
  private steps = 0;
  /** Tokens of a micro-batch at present. */
  private packedRows: number;

  private constructor(runtime: ModelRuntime, options: TrainerOptions, room: Room) {
    const { gpu, layout } = runtime;
    this.runtime = runtime;
    this.gpu = gpu;
    this.options = options;
    this.turn = options.turn ?? (() => Promise.resolve());
    this.slot = new AdapterSlot(gpu, layout, 'training');
    const memory = new Allocation(gpu);
    this.memory = memory;
    this.arenas = {
      gradients: memory.storage('gradients', layout.size * 4),
      firstMoments: memory.storage('first moments', layout.size * 4),
      secondMoments: memory.storage('second moments', layout.size * 4),
      averages: memory.storage('averages', layout.size * 4),
    };
    this.buffers = {
      examples: memory.storage('examples', MAX_EXAMPLES * EXAMPLE_WORDS * 4),
      sequences: memory.storage('sequences', 2 * MAX_EXAMPLES * SEQUENCE_WORDS * 4),
      coefficients: memory.storage('coefficients', 2 * MAX_EXAMPLES * 4),
      metrics: memory.storage('metrics', METRICS.length * MAX_EXAMPLES * 4),
      partials: memory.storage('norm partials', NORM_GROUPS * 4),
      loss: memory.uniform('loss', 16),
      adamw: memory.uniform('adamw', 48),
    };
    this.forward = new PackedForward(gpu, runtime.weights, this.slot, { ...room, gradient: true });
    this.backward = createBackwardBuffers(memory, this.forward);
    // Where submits are to be short the first micro-batches are small: nothing is known of the device yet.
    this.packedRows = options.submitMs === undefined ? this.mostRows : Math.min(room.rows, FIRST_ROWS);
  }

  /**
   * Allocates everything a step needs, before the first one, and compiles its kernels. Where that is more than training
   * may take or the device has, layers keep fewer activations, then micro-batches become smaller.
   * @throws ThumbprintError `out-of-memory` when not even the smallest fit.
   */
  static async create(runtime: ModelRuntime, options: TrainerOptions): Promise<Trainer> {
    const { gpu } = runtime;
    const { memoryBytes = MEMORY_BYTES } = options;
    const rooms = roomsOf(options);
    let refused = '';
    for (const room of rooms) {
      const made = await gpu
        .makeRoom(() => {
          const before = gpu.liveBytes;
          return { trainer: new Trainer(runtime, options, room), bytes: gpu.liveBytes - before };
        })
        .catch((error: unknown) => {
          if (!(error instanceof ThumbprintError) || error.code !== 'out-of-memory') throw error;
          refused = error.message;
          return null;
        });
      if (!made) continue;
      // The smallest is tried whatever it takes.
      if (made.bytes > memoryBytes && room !== rooms.at(-1)) {
        made.trainer.destroy();
        continue;
      }
      await made.trainer.compile();
      return made.trainer;
    }
    throw new ThumbprintError(
      'out-of-memory',
      `Training does not fit into the memory of the graphics device. Close other tabs and programs that use it, or choose a smaller model. (${refused})`,
    );
  }

  private async compile(): Promise<void> {
    const { forward, backward, gpu } = this;
    const { pipelines, weights, layout } = this.runtime;
    const build = (dispatches: Dispatch[]): Promise<Program> => Program.build(gpu, pipelines, dispatches);
    const { examples, sequences, coefficients, metrics, loss, partials } = this.buffers;
    const { gradients, ...kept } = this.arenas;
    const { batch } = forward.context;
    const { logprobs, targets, targetGradients: dh } = forward;
    const arena = { size: layout.size, gradients, partials };
    const size = weights.config.hidden_size;
    const update = {
      ...arena,
      ...kept,
      layers: weights.layers.length,
      parameters: this.slot.arena,
      uniform: this.buffers.adamw,
    };
    const [, lossProgram, scatter, norm, updateProgram, ...layers] = await Promise.all([
      forward.compile(pipelines),
      build([preference({ examples, sequences, logprobs, coefficients, metrics, loss, batch })]),
      build([scatterRows({ size, dh, targets, coefficients, dx: backward.stream, batch })]),
      build([gradNorm(arena)]),
      build([adamw(update)]),
      ...weights.layers.map(async (_, layer) => {
        const of = (slot: LayerSlot): Promise<Program> =>
          build(backwardLayer(forward, backward, gradients, layer, slot));
        const slot = forward.kept[layer];
        return { shared: await of(forward.shared), ...(slot ? { kept: await of(slot) } : {}) };
      }),
    ]);
    this.programs = { loss: lossProgram, scatter, norm, update: updateProgram, layers };
  }

  /** Most tokens of one example. */
  get rows(): number {
    return this.forward.rows;
  }

  /** Starts from an adapter, with fresh moments. */
  load(adapter: AdapterWeights): void {
    this.slot.load(adapter);
    const { tensors: _, ...identity } = adapter;
    this.identity = identity;
    const encoder = this.gpu.device.createCommandEncoder();
    for (const arena of Object.values(this.arenas)) encoder.clearBuffer(arena);
    this.gpu.device.queue.submit([encoder.finish()]);
    this.steps = 0;
  }

  /** Goes on where `state` was saved. */
  restore(identity: Omit<AdapterWeights, 'tensors'>, state: TrainerState): void {
    this.load(this.runtime.layout.unpack(new Float32Array(state.parameters), identity));
    this.gpu.write(this.slot.arena, new Uint8Array(state.parameters));
    this.gpu.write(this.arenas.firstMoments, new Uint8Array(state.firstMoments));
    this.gpu.write(this.arenas.secondMoments, new Uint8Array(state.secondMoments));
    this.gpu.write(this.arenas.averages, new Uint8Array(state.averages ?? state.parameters));
    this.steps = state.step;
  }

  /** What `restore` takes. */
  async state(): Promise<TrainerState> {
    const [parameters, firstMoments, secondMoments, averages] = await Promise.all([
      this.gpu.read(this.slot.arena),
      this.gpu.read(this.arenas.firstMoments),
      this.gpu.read(this.arenas.secondMoments),
      this.gpu.read(this.arenas.averages),
    ]);
    return { step: this.steps, parameters, firstMoments, secondMoments, averages };
  }

  /** Puts the moving average of the steps' parameters in the place of the last step's. */
  average(): void {
    if (this.steps === 0) return;
    const encoder = this.gpu.device.createCommandEncoder();
    encoder.copyBufferToBuffer(this.arenas.averages, 0, this.slot.arena, 0, this.runtime.layout.size * 4);
    this.gpu.device.queue.submit([encoder.finish()]);
  }

  /** The adapter as it stands. */
  async adapter(): Promise<AdapterWeights> {
    const arena = new Float32Array(await this.gpu.read(this.slot.arena));
    return this.runtime.layout.unpack(arena, required(this.identity, 'adapter'));
  }

  /** Gradients of the loss, in the arena's order, without an update. */
  async gradients(
    examples: readonly TrainingExample[],
    hyperparameters: Hyperparameters,
  ): Promise<Float32Array> {
    await this.accumulate(examples, hyperparameters);
    const gradients = new Float32Array(await this.gpu.read(this.arenas.gradients));
    const encoder = this.gpu.device.createCommandEncoder();
    encoder.clearBuffer(this.arenas.gradients);
    this.gpu.device.queue.submit([encoder.finish()]);
    return gradients;
  }

  /**
   * One step of AdamW on the mean loss of the examples.
   * @param rows most tokens of its micro-batches; the same ones give the same result bit for bit.
   */
  async step(
    examples: readonly TrainingExample[],
    hyperparameters: Hyperparameters,
    rows = this.packedRows,
  ): Promise<StepResult> {
    const { loss, margin, chosen } = await this.accumulate(examples, hyperparameters, rows);
    const { norm, update } = required(this.programs, 'programs');
    this.steps++;
    this.writeAdamW(hyperparameters);
    await this.turn();
    const size = { tokens: 0, targets: 0, sequences: 0, examples: 0 };
    submit(this.gpu, size, norm, update);
    const partials = new Float32Array(await this.gpu.read(this.buffers.partials));
    return {
      loss,
      margin,
      chosen,
      rows,
      gradNorm: Math.sqrt(partials.reduce((sum, value) => sum + value, 0)),
    };
  }

  /** Log-probabilities with the adapter, or of the base model. */
  async score(sequences: readonly Sequence[], which: 'adapter' | 'base'): Promise<Score[]> {
    this.slot.scale = which === 'base' ? 0 : 1;
    try {
      return await scoreSequences(this.forward, sequences, this.turn);
    } finally {
      this.slot.scale = 1;
    }
  }

  /** How far the adapter's predictions of each reply lie from the base model's. */
  async compare(sequences: readonly Sequence[]): Promise<Divergence[]> {
    const { gpu, pipelines } = this.runtime;
    this.comparison ??= await Comparison.create(gpu, pipelines, this.forward);
    return this.comparison.measure(sequences, this.turn);
  }

  destroy(): void {
    this.comparison?.destroy();
    this.forward.destroy();
    this.slot.destroy();
    this.memory.destroy();
  }

  /** Adds the gradients of all examples; answers the means of what is measured. */
  private async accumulate(
    examples: readonly TrainingExample[],
    hyperparameters: Hyperparameters,
    rows = this.packedRows,
  ): Promise<Pick<StepResult, (typeof METRICS)[number]>> {
    this.writeLoss(hyperparameters);
    const lowest = lowestTrained(this.runtime.weights.layers.length, hyperparameters.layer_decay);
    // Texts have no margin, and what is only disliked has no liked reply.
    const judged = Math.max(1, examples.filter(({ kind }) => kind !== 'text').length);
    const liked = Math.max(
      1,
      examples.filter((one) => one.kind === 'pair' || (one.kind === 'thumb' && one.up)).length,
    );
    let loss = 0;
    let margin = 0;
    let chosen = 0;
    let largest = { rows: 0, longestMs: 0 };
    for (const part of microBatches(examples, Math.min(rows, this.rows), this.rows)) {
      const { metrics, ...size } = await this.microBatch(packExamples(part, examples.length), lowest);
      if (size.rows > largest.rows) largest = size;
      for (let i = 0; i < part.length; i++) {
        const at = METRICS.length * i;
        loss += metrics[at] ?? 0;
        margin += (metrics[at + 1] ?? 0) / judged;
        chosen += (metrics[at + 2] ?? 0) / liked;
      }
    }
    this.adaptRows(largest);
    return { loss, margin, chosen };
  }

  /**
   * Forward, loss and backward, down to layer `lowest`, of one micro-batch; the metrics of each example, and what its
   * longest submit took.
   */
  private async microBatch(
    { packed, examples, sequences, exampleCount }: ExampleBatch,
    lowest: number,
  ): Promise<{ metrics: Float32Array; rows: number; longestMs: number }> {
    const { forward } = this;
    const { loss, scatter, layers } = required(this.programs, 'programs');
    const size: BatchSize = {
      tokens: packed.rows,
      targets: packed.extents.at(-1)?.end ?? 0,
      sequences: packed.extents.length,
      examples: exampleCount,
    };
    this.gpu.write(this.buffers.examples, examples);
    this.gpu.write(this.buffers.sequences, sequences);
    await forward.run(packed, size, this.turn);
    const encoder = this.gpu.device.createCommandEncoder();
    encoder.clearBuffer(this.backward.stream);
    encode(this.gpu, encoder, size, loss, scatter);
    this.gpu.device.queue.submit([encoder.finish()]);
    let longestMs = 0;
    for (const { shared, kept = shared } of layers.slice(lowest).toReversed()) {
      await this.turn();
      const started = performance.now();
      submit(this.gpu, size, forward.keeps(packed) ? kept : shared);
      await this.gpu.device.queue.onSubmittedWorkDone();
      longestMs = Math.max(longestMs, performance.now() - started);
    }
    const metrics = new Float32Array(
      await this.gpu.read(this.buffers.metrics, exampleCount * METRICS.length * 4),
    );
    return { metrics, rows: packed.rows, longestMs };
  }

  /** Sizes the micro-batches of the next step by the largest of the last: at most twice as large, at once smaller. */
  private adaptRows({ rows, longestMs }: { rows: number; longestMs: number }): void {
    const { submitMs } = this.options;
    if (submitMs === undefined) return;
    const fitting = Math.floor((rows * submitMs) / Math.max(longestMs, 0.1));
    this.packedRows = Math.max(LEAST_ROWS, Math.min(this.mostRows, 2 * this.packedRows, fitting));
  }

  /** Larger micro-batches gain nothing, and cannot keep their activations. */
  private get mostRows(): number {
    return Math.min(this.rows, this.forward.keptRows || Infinity);
  }

  private writeLoss({ beta, label_smoothing, sft_weight, baseline }: Hyperparameters): void {
    this.gpu.write(this.buffers.loss, new Float32Array([beta, label_smoothing, sft_weight, baseline]));
  }

  private writeAdamW(hyperparameters: Hyperparameters): void {
    const { learning_rate, layer_decay, weight_decay, max_grad_norm, ema_decay } = hyperparameters;
    const corrections = [1 - BETA_1 ** this.steps, 1 - BETA_2 ** this.steps];
    const shares = [1 - BETA_1, 1 - BETA_2];
    const values = [learning_rate, ...shares, EPSILON, weight_decay, max_grad_norm, ...corrections];
    // Weights decay^age, together 1, so that the average is not drawn to where training began (as Adam's corrections).
    const average = (1 - ema_decay) / (1 - ema_decay ** this.steps);
    this.gpu.write(this.buffers.adamw, new Float32Array([...values, layer_decay, average]));
  }
}
