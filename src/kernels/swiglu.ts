import backwardShader from '../../shaders/backward/swiglu_backward.wgsl?raw';
import shader from '../../shaders/forward/swiglu.wgsl?raw';
import { type Dispatch, workgroups } from '../gpu/program';
import { type ActivationType, kernelSource } from './sources';

/** h[T, F] = silu(gate)·up. */
export function swiglu(args: {
  size: number;
  gateUp: GPUBuffer;
  h: GPUBuffer;
  /** Type of h. */
  type?: ActivationType;
  batch: GPUBuffer;
}): Dispatch {
  const { type = 'f32' } = args;
  return {
    kernel: kernelSource('swiglu', shader, `activation_${type}`, 'batch'),
    constants: { F: args.size },
    bindings: { gate_up: args.gateUp, h: args.h, batch: args.batch },
    grid: ({ tokens }) => [workgroups(args.size / 4, 64), tokens],
  };
}

/** gate_up becomes its gradient, given dh. */
export function swigluBackward(args: {
  size: number;
  dh: GPUBuffer;
  gateUp: GPUBuffer;
  batch: GPUBuffer;
}): Dispatch {
  return {
    kernel: kernelSource('swiglu_backward', backwardShader, 'batch'),
    constants: { F: args.size },
    bindings: { dh: args.dh, gate_up: args.gateUp, batch: args.batch },
    grid: ({ tokens }) => [workgroups(args.size / 4, 64), tokens],
  };
}
