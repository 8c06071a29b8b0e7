import shader from '../../shaders/loss/divergence.wgsl?raw';
import type { Dispatch } from '../gpu/program';
import { kernelSource } from './sources';

/** Words of a Divergence (shaders/loss/divergence.wgsl). */
export const DIVERGENCE_WORDS = 5;

/** How far the predictions of a chunk's rows lie apart, from logits p and q [count, vocab]. */
export function divergence(args: {
  vocab: number;
  p: GPUBuffer;
  q: GPUBuffer;
  targets: GPUBuffer;
  /** [targets, DIVERGENCE_WORDS] */
  divergences: GPUBuffer;
  chunk: GPUBuffer;
}): Dispatch {
  return {
    kernel: kernelSource('divergence', shader, 'target'),
    constants: { VOCAB: args.vocab },
    bindings: {
      p: args.p,
      q: args.q,
      targets: args.targets,
      divergences: args.divergences,
      chunk: args.chunk,
    },
    grid: ({ tokens }) => [tokens],
  };
}
