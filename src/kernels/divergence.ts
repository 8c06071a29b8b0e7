import shader from '../../shaders/loss/divergence.wgsl?raw';
import type { Dispatch } from '../gpu/program';
import { kernelSource } from './sources';

/** (KL(p‖q), entropy of p, entropy of q, 0) in nats of a chunk's rows, from logits p and q [count, vocab]. */
export function divergence(args: {
  vocab: number;
  p: GPUBuffer;
  q: GPUBuffer;
  /** vec4 a target. */
  divergences: GPUBuffer;
  chunk: GPUBuffer;
}): Dispatch {
  return {
    kernel: kernelSource('divergence', shader, 'target'),
    constants: { VOCAB: args.vocab },
    bindings: { p: args.p, q: args.q, divergences: args.divergences, chunk: args.chunk },
    grid: ({ tokens }) => [tokens],
  };
}
