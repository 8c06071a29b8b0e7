import backwardShader from '../../shaders/backward/rms_norm_backward.wgsl?raw';
import shader from '../../shaders/forward/rms_norm.wgsl?raw';
import type { Dispatch } from '../gpu/program';
import { type ActivationType, kernelSource } from './sources';

export interface NormWeights {
  weight: GPUBuffer;
  size: number;
  eps: number;
}

/** y[T, D] = rms_norm(x). */
export function rmsNorm(args: {
  norm: NormWeights;
  x: GPUBuffer;
  y: GPUBuffer;
  /** Type of y. */
  type?: ActivationType;
}): Dispatch {
  const { norm, type = 'f32' } = args;
  return {
    kernel: kernelSource('rms_norm', shader, `activation_${type}`, 'sum_row'),
    constants: { D: norm.size, eps: norm.eps },
    bindings: { x: args.x, weight: norm.weight, y: args.y },
    grid: ({ tokens }) => [tokens],
  };
}

/** dx[T, D] of rms_norm given dy; `accumulate` adds to dx. */
export function rmsNormBackward(args: {
  norm: NormWeights;
  x: GPUBuffer;
  dy: GPUBuffer;
  dx: GPUBuffer;
  accumulate: boolean;
}): Dispatch {
  const { norm } = args;
  return {
    kernel: kernelSource('rms_norm_backward', backwardShader, 'sum_row'),
    constants: { D: norm.size, eps: norm.eps, ACCUMULATE: args.accumulate },
    bindings: { x: args.x, weight: norm.weight, dy: args.dy, dx: args.dx },
    grid: ({ tokens }) => [tokens],
  };
}
