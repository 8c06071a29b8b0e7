import shader from '../../shaders/optim/adamw.wgsl?raw';
import normShader from '../../shaders/optim/grad_norm.wgsl?raw';
import { type Dispatch, workgroups } from '../gpu/program';
import { kernelSource } from './sources';

/** Partial sums of the squared gradients. */
export const NORM_GROUPS = 64;

interface Arena {
  /** Floats; a multiple of 4. */
  size: number;
  gradients: GPUBuffer;
  /** [NORM_GROUPS] */
  partials: GPUBuffer;
}

/** partials = sums of squares whose total is the squared global norm. */
export function gradNorm(args: Arena): Dispatch {
  return {
    kernel: kernelSource('grad_norm', normShader, 'sum_row'),
    constants: { SIZE: args.size, GROUPS: NORM_GROUPS },
    bindings: { gradients: args.gradients, partials: args.partials },
    grid: () => [NORM_GROUPS],
  };
}

/** One AdamW step over the arena, and the moving average of its parameters; clears the gradients. */
export function adamw(
  args: Arena & {
    /** Parts of equal size, a multiple of 4, that the arena consists of. */
    layers: number;
    parameters: GPUBuffer;
    firstMoments: GPUBuffer;
    secondMoments: GPUBuffer;
    averages: GPUBuffer;
    /** Uniform AdamW of shaders/optim/adamw.wgsl. */
    uniform: GPUBuffer;
  },
): Dispatch {
  return {
    kernel: kernelSource('adamw', shader),
    constants: { SIZE: args.size, GROUPS: NORM_GROUPS, LAYERS: args.layers },
    bindings: {
      partials: args.partials,
      parameters: args.parameters,
      gradients: args.gradients,
      first_moments: args.firstMoments,
      second_moments: args.secondMoments,
      averages: args.averages,
      adamw: args.uniform,
    },
    grid: () => [workgroups(args.size / 4, 64)],
  };
}
