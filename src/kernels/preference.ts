import shader from '../../shaders/loss/preference.wgsl?raw';
import { type Dispatch, workgroups } from '../gpu/program';
import { kernelSource } from './sources';

/** Values of `Example.kind` in shaders/loss/preference.wgsl. */
export const EXAMPLE_KIND = { pair: 0, up: 1, down: 2, sft: 3 } as const;

/** Numbers of each example in `metrics`. */
export const METRICS = ['loss', 'margin', 'chosen'] as const;

/** Loss, margin and likelihood of the liked reply of each example, d loss / d logprob of each sequence. */
export function preference(args: {
  examples: GPUBuffer;
  sequences: GPUBuffer;
  logprobs: GPUBuffer;
  coefficients: GPUBuffer;
  metrics: GPUBuffer;
  loss: GPUBuffer;
  batch: GPUBuffer;
}): Dispatch {
  return {
    kernel: kernelSource('preference', shader, 'batch'),
    constants: {},
    bindings: { ...args },
    grid: ({ examples }) => [workgroups(examples, 32)],
  };
}
