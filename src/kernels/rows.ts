import gatherShader from '../../shaders/forward/gather_rows.wgsl?raw';
import scatterShader from '../../shaders/loss/scatter_rows.wgsl?raw';
import { type Dispatch, workgroups } from '../gpu/program';
import { kernelSource } from './sources';

/** h[count, D] = rows of x with a target; `tokens` of the run's size is the chunk's count. */
export function gatherRows(args: {
  size: number;
  x: GPUBuffer;
  targets: GPUBuffer;
  h: GPUBuffer;
  chunk: GPUBuffer;
}): Dispatch {
  return {
    kernel: kernelSource('gather_rows', gatherShader, 'target'),
    constants: { D: args.size },
    bindings: { x: args.x, targets: args.targets, h: args.h, chunk: args.chunk },
    grid: ({ tokens }) => [workgroups(args.size / 4, 64), tokens],
  };
}

/** dx[row of target] = coefficient of the target's sequence · dh[target]. */
export function scatterRows(args: {
  size: number;
  dh: GPUBuffer;
  targets: GPUBuffer;
  coefficients: GPUBuffer;
  dx: GPUBuffer;
  batch: GPUBuffer;
}): Dispatch {
  return {
    kernel: kernelSource('scatter_rows', scatterShader, 'batch', 'target'),
    constants: { D: args.size },
    bindings: {
      dh: args.dh,
      targets: args.targets,
      coefficients: args.coefficients,
      dx: args.dx,
      batch: args.batch,
    },
    grid: ({ targets }) => [workgroups(args.size / 4, 64), targets],
  };
}
