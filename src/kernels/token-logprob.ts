import shader from '../../shaders/loss/token_logprob.wgsl?raw';
import type { Dispatch } from '../gpu/program';
import { kernelSource } from './sources';

/** logprobs of a chunk's targets; with `gradient`, logits[count, vocab] become onehot − softmax. */
export function tokenLogprob(args: {
  vocab: number;
  gradient: boolean;
  targets: GPUBuffer;
  logits: GPUBuffer;
  logprobs: GPUBuffer;
  chunk: GPUBuffer;
}): Dispatch {
  return {
    kernel: kernelSource('token_logprob', shader, 'sum_row', 'target'),
    constants: { VOCAB: args.vocab, GRADIENT: args.gradient },
    bindings: { targets: args.targets, logits: args.logits, logprobs: args.logprobs, chunk: args.chunk },
    grid: ({ tokens }) => [tokens],
  };
}
