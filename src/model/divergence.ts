import { Allocation } from '../gpu/allocation';
import type { Gpu } from '../gpu/device';
import { type BatchSize, type PipelineCache, Program, submit } from '../gpu/program';
import { divergence, DIVERGENCE_WORDS } from '../kernels/divergence';
import { linear } from '../kernels/linear';
import { rmsNorm } from '../kernels/rms-norm';
import { gatherRows } from '../kernels/rows';
import { required } from '../shared/assert';
import { headProduct } from './layer';
import { packBatch, scoredSize, type Sequence } from './packed-batch';
import type { PackedForward, Turn } from './packed-forward';
import { chunksOf } from './scorer';

/** How the predictions of a reply's tokens differ with the adapter: sums over its tokens. */
export interface Divergence {
  /** KL(adapted ‖ base), in nats. */
  kl: number;
  /** In nats. */
  entropy: number;
  baseEntropy: number;
  /** How often the reply is expected to end: the sum, over its tokens, of the probability of the one that ends it. */
  ends: number;
  baseEnds: number;
  tokens: number;
}

/** KL(adapted ‖ base) over several replies, in nats a token; 0 where there are none. */
export function klPerToken(divergences: readonly Divergence[]): number {
  const tokens = divergences.reduce((sum, reply) => sum + reply.tokens, 0);
  return divergences.reduce((sum, { kl }) => sum + kl, 0) / Math.max(1, tokens);
}

/** Compares the model with and without its adapter, over the whole vocabulary. */
export class Comparison {
  private readonly gpu: Gpu;
  private readonly forward: PackedForward;
  private readonly memory: Allocation;
  /** The last stream without the adapter. */
  private readonly base: GPUBuffer;
  private readonly chunk: GPUBuffer;
  private readonly divergences: GPUBuffer;
  private program: Program | null = null;

  private constructor(gpu: Gpu, forward: PackedForward) {
    this.gpu = gpu;
    this.forward = forward;
    this.memory = new Allocation(gpu);
    this.base = this.memory.storage('base stream', this.adapted.size);
    this.chunk = this.memory.uniform('chunk', 16);
    this.divergences = this.memory.storage('divergences', forward.rows * DIVERGENCE_WORDS * 4);
  }

  static async create(gpu: Gpu, cache: PipelineCache, forward: PackedForward): Promise<Comparison> {
    const comparison = new Comparison(gpu, forward);
    comparison.program = await comparison.build(cache);
    return comparison;
  }

  /** One divergence a sequence, in their order. */
  async measure(sequences: readonly Sequence[], turn: Turn): Promise<Divergence[]> {
    const results: Divergence[] = [];
    for (const groups of chunksOf(sequences, this.forward.rows)) {
      const batch = packBatch(groups);
      const values = await this.run(batch, scoredSize(batch), turn);
      for (const { start, end } of batch.extents) {
        const sums = new Float64Array(DIVERGENCE_WORDS);
        for (let i = start * DIVERGENCE_WORDS; i < end * DIVERGENCE_WORDS; i++) {
          const word = i % DIVERGENCE_WORDS;
          sums[word] = (sums[word] ?? 0) + (values[i] ?? NaN);
        }
        const [kl = NaN, entropy = NaN, baseEntropy = NaN, ends = NaN, baseEnds = NaN] = sums;
        results.push({ kl, entropy, baseEntropy, ends, baseEnds, tokens: end - start });
      }
    }
    return results;
  }

  destroy(): void {
    this.memory.destroy();
  }

  private get adapted(): GPUBuffer {
    return required(this.forward.streams.at(-1), 'last stream');
  }

  /** [targets, DIVERGENCE_WORDS] */
  private async run(batch: ReturnType<typeof packBatch>, size: BatchSize, turn: Turn): Promise<Float32Array> {
    const { adapter } = this.forward.context;
    const scale = adapter.scale;
    adapter.scale = 0;
    try {
      await this.forward.runLayers(batch, size, turn);
    } finally {
      adapter.scale = scale;
    }
    const encoder = this.gpu.device.createCommandEncoder();
    encoder.copyBufferToBuffer(this.adapted, 0, this.base, 0, this.base.size);
    this.gpu.device.queue.submit([encoder.finish()]);
    await this.forward.runLayers(batch, size, turn);
    for (const { start, count } of this.forward.chunks(size.targets)) {
      await turn();
      this.gpu.write(this.chunk, new Uint32Array([count, start, 0, 0]));
      submit(this.gpu, { ...size, tokens: count, targets: count }, required(this.program, 'program'));
    }
    return new Float32Array(await this.gpu.read(this.divergences, size.targets * DIVERGENCE_WORDS * 4));
  }

  private build(cache: PipelineCache): Promise<Program> {
    const { context, chunkRows, targets } = this.forward;
    const { weights } = context;
    const { hidden_size, vocab_size } = weights.config;
    const { chunk } = this;
    const matrix = (label: string, columns: number): GPUBuffer =>
      this.memory.storage(label, chunkRows * columns * 4);
    const h = matrix('compared hidden', hidden_size);
    const normed = matrix('compared normed', hidden_size);
    const [p, q] = [matrix('adapted logits', vocab_size), matrix('base logits', vocab_size)];
    const head = headProduct(context, chunk);
    const logits = (x: GPUBuffer, y: GPUBuffer) => [
      gatherRows({ size: hidden_size, x, targets, h, chunk }),
      rmsNorm({ norm: weights.norm, x: h, y: normed }),
      linear({ ...head, x: normed, y }),
    ];
    return Program.build(this.gpu, cache, [
      ...logits(this.adapted, p),
      ...logits(this.base, q),
      divergence({ vocab: vocab_size, p, q, targets, divergences: this.divergences, chunk }),
    ]);
  }
}
