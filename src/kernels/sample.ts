import shader from '../../shaders/sample/sample.wgsl?raw';
import type { Dispatch } from '../gpu/program';
import { kernelSource } from './sources';

/** Draws a token from logits[vocab] into tokens[0] and `sampled`. */
export function sample(args: {
  vocab: number;
  logits: GPUBuffer;
  /** [vocab], ≠ 0 for tokens that the repetition penalty applies to */
  seen: GPUBuffer;
  tokens: GPUBuffer;
  /** (token, bits of its log-probability) */
  sampled: GPUBuffer;
  sampling: GPUBuffer;
}): Dispatch {
  const { vocab, ...bindings } = args;
  return {
    kernel: kernelSource('sample', shader, 'token'),
    constants: { VOCAB: vocab },
    bindings,
    grid: () => [1],
  };
}
