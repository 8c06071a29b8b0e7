import backwardKvShader from '../../shaders/backward/attention_backward_kv.wgsl?raw';
import backwardQShader from '../../shaders/backward/attention_backward_q.wgsl?raw';
import shader from '../../shaders/forward/attention.wgsl?raw';
import type { Tile } from '../gpu/device';
import { type Dispatch, workgroups } from '../gpu/program';
import { type ActivationType, tiledSource } from './sources';

export interface AttentionShape {
  /** Type of q, keys, values and out. */
  type?: ActivationType;
  heads: number;
  kvHeads: number;
  headDim: number;
  /** Rows of the key and value buffers. */
  capacity: number;
}

export function attentionConstants(shape: AttentionShape): Record<string, number> {
  return {
    HEADS: shape.heads,
    KV_HEADS: shape.kvHeads,
    HEAD_DIM: shape.headDim,
    CAPACITY: shape.capacity,
  };
}

/** Buffers that the forward and the backward kernels share. */
export interface AttentionBuffers {
  /** [T, heads · head_dim], rotated */
  q: GPUBuffer;
  /** [kv_heads][capacity][head_dim], rotated */
  keys: GPUBuffer;
  values: GPUBuffer;
  tokens: GPUBuffer;
  /** [T, heads · head_dim] */
  out: GPUBuffer;
  /** [T, heads] of (log-sum-exp, δ) */
  statistics: GPUBuffer;
  batch: GPUBuffer;
}

/** out and statistics for T queries. */
export function attention(tile: Tile, shape: AttentionShape, buffers: AttentionBuffers): Dispatch {
  const { q, keys, values, tokens, out, statistics, batch } = buffers;
  return {
    kernel: tiledSource(
      tile,
      'attention',
      shader,
      { shared: ['keys', 'values'], repeated: { $e: shape.headDim / 8 } },
      `activation_${shape.type ?? 'f32'}`,
      'batch',
      'token',
    ),
    constants: { ...attentionConstants(shape), WORKGROUP: tile.attention },
    bindings: { q, keys, values, tokens, out, statistics, batch },
    grid: ({ tokens: count }) => [workgroups(count, tile.attention), shape.heads],
  };
}

/** dq, dk, dv given dOut; in this order, since the first pass writes δ for the second. */
export function attentionBackward(
  tile: Tile,
  shape: AttentionShape,
  buffers: AttentionBuffers,
  gradients: { dOut: GPUBuffer; dq: GPUBuffer; dk: GPUBuffer; dv: GPUBuffer },
): [Dispatch, Dispatch] {
  const { q, keys, values, tokens, out, statistics, batch } = buffers;
  const { dOut, dq, dk, dv } = gradients;
  const constants = { ...attentionConstants(shape), WORKGROUP: tile.attention };
  return [
    {
      kernel: tiledSource(
        tile,
        'attention_backward_q',
        backwardQShader,
        { shared: ['keys', 'values'], repeated: { $e: shape.headDim / 8 } },
        'batch',
        'token',
      ),
      constants,
      bindings: { q, keys, values, tokens, out, d_out: dOut, statistics, dq, batch },
      grid: ({ tokens: count }) => [workgroups(count, tile.attention), shape.heads],
    },
    {
      kernel: tiledSource(
        tile,
        'attention_backward_kv',
        backwardKvShader,
        { shared: ['q', 'd_out'], repeated: { $e: shape.headDim / 8 } },
        'batch',
        'token',
      ),
      constants,
      bindings: { q, keys, values, tokens, d_out: dOut, statistics, dk, dv, batch },
      grid: ({ tokens: count }) => [workgroups(count, tile.attention), shape.kvHeads],
    },
  ];
}
