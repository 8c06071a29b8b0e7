import { linearShapes, type LinearName, type ModelConfig } from '../formats/model-config';
import type { Allocation } from '../gpu/allocation';
import { activationBytes, type ActivationType } from '../kernels/sources';

/** Scratch of one layer's forward pass for up to `rows` tokens; the backward pass finds here what it needs. */
export interface Activations {
  rows: number;
  /** Of what a product or attention reads; the residual stream and what products write are f32. */
  type: ActivationType;
  /** After the two norms, [rows, D]. */
  attentionInput: GPUBuffer;
  mlpInput: GPUBuffer;
  qkv: GPUBuffer;
  q: GPUBuffer;
  attended: GPUBuffer;
  /** (log-sum-exp, δ) [rows, H] */
  statistics: GPUBuffer;
  /** Residual stream between attention and MLP, [rows, D]. */
  middle: GPUBuffer;
  gateUp: GPUBuffer;
  h: GPUBuffer;
  /** XA of each matrix, [rows, parts · rank]. */
  xa: Record<LinearName, GPUBuffer>;
}

/**
 * Rows that a buffer holds: kernels compute several at a time. What some read past that is WebGPU's to bound; they keep
 * nothing of it.
 */
export function paddedRows(rows: number): number {
  return Math.ceil(rows / 8) * 8;
}

/** What activations are made for. */
interface Shape {
  config: ModelConfig;
  rank: number;
  rows: number;
  type: ActivationType;
}

type Matrix = Exclude<keyof Activations, 'rows' | 'type' | 'xa'>;

/** Bytes of each buffer. */
function bytesOf({
  config,
  rank,
  rows,
  type,
}: Shape): Record<Matrix, number> & { xa: Record<LinearName, number> } {
  const padded = paddedRows(rows);
  const wide = (columns: number): number => padded * columns * 4;
  const narrow = (columns: number): number => padded * columns * activationBytes(type);
  const { hidden_size, intermediate_size, num_attention_heads, head_dim } = config;
  const shapes = linearShapes(config);
  const attention = num_attention_heads * head_dim;
  return {
    attentionInput: narrow(hidden_size),
    mlpInput: narrow(hidden_size),
    qkv: wide(shapes.find(({ name }) => name === 'qkv_proj')?.out ?? 0),
    q: narrow(attention),
    attended: narrow(attention),
    statistics: wide(2 * num_attention_heads),
    middle: wide(hidden_size),
    gateUp: wide(2 * intermediate_size),
    h: narrow(intermediate_size),
    xa: Object.fromEntries(
      shapes.map(({ name, parts }) => [name, wide(parts.length * Math.ceil(rank / 4) * 4)]),
    ) as Record<LinearName, number>,
  };
}

/** Bytes of one layer's activations. */
export function activationsSize(shape: Shape): number {
  const { xa, ...matrices } = bytesOf(shape);
  return [...Object.values(matrices), ...Object.values(xa)].reduce((sum, bytes) => sum + bytes, 0);
}

export function createActivations(memory: Allocation, shape: Shape): Activations {
  const { xa, ...matrices } = bytesOf(shape);
  const allocate = <K extends string>(sizes: Record<K, number>): Record<K, GPUBuffer> =>
    Object.fromEntries(
      Object.entries<number>(sizes).map(([name, bytes]) => [name, memory.storage(name, bytes)]),
    ) as Record<K, GPUBuffer>;
  return { rows: shape.rows, type: shape.type, ...allocate(matrices), xa: allocate(xa) };
}
