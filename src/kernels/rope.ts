import backwardShader from '../../shaders/backward/rope_backward.wgsl?raw';
import shader from '../../shaders/forward/rope_append.wgsl?raw';
import { type Dispatch, workgroups } from '../gpu/program';
import { type AttentionShape, attentionConstants } from './attention';
import { kernelSource } from './sources';

interface RopeArgs {
  shape: AttentionShape;
  tokens: GPUBuffer;
  /** (cos, sin) [positions, head_dim / 2] */
  rotation: GPUBuffer;
  batch: GPUBuffer;
}

function rope(args: RopeArgs, rest: Pick<Dispatch, 'kernel' | 'bindings'>): Dispatch {
  const { heads, kvHeads, headDim } = args.shape;
  return {
    kernel: rest.kernel,
    constants: attentionConstants(args.shape),
    bindings: { ...rest.bindings, tokens: args.tokens, rotation: args.rotation, batch: args.batch },
    grid: ({ tokens }) => [workgroups(((heads + 2 * kvHeads) * headDim) / 2, 32), tokens],
  };
}

/** Rotates q and k of qkv and appends k, v to the cache. */
export function ropeAppend(
  args: RopeArgs & { qkv: GPUBuffer; q: GPUBuffer; keys: GPUBuffer; values: GPUBuffer },
): Dispatch {
  return rope(args, {
    kernel: kernelSource('rope_append', shader, `activation_${args.shape.type ?? 'f32'}`, 'batch', 'token'),
    bindings: { qkv: args.qkv, q: args.q, keys: args.keys, values: args.values },
  });
}

/** dqkv from dq, dk, dv. */
export function ropeBackward(
  args: RopeArgs & { dq: GPUBuffer; dk: GPUBuffer; dv: GPUBuffer; dqkv: GPUBuffer },
): Dispatch {
  return rope(args, {
    kernel: kernelSource('rope_backward', backwardShader, 'batch', 'token'),
    bindings: { dq: args.dq, dk: args.dk, dv: args.dv, dqkv: args.dqkv },
  });
}
