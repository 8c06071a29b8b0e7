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

/** The kernels compute 8 rows at a time, so that every buffer holds a multiple of 8. */
export function paddedRows(rows: number): number {
  return Math.ceil(rows / 8) * 8;
}

export function createActivations(
  memory: Allocation,
  config: ModelConfig,
  rank: number,
  rows: number,
  type: ActivationType,
): Activations {
  const padded = paddedRows(rows);
  const matrix = (label: string, columns: number, bytes = 4): GPUBuffer =>
    memory.storage(label, padded * columns * bytes);
  const bytes = activationBytes(type);
  const { hidden_size, intermediate_size, num_attention_heads, head_dim } = config;
  const shapes = linearShapes(config);
  const attention = num_attention_heads * head_dim;
  return {
    rows,
    type,
    attentionInput: matrix('attention input', hidden_size, bytes),
    mlpInput: matrix('mlp input', hidden_size, bytes),
    qkv: matrix('qkv', shapes.find(({ name }) => name === 'qkv_proj')?.out ?? 0),
    q: matrix('q', attention, bytes),
    attended: matrix('attended', attention, bytes),
    statistics: matrix('attention statistics', 2 * num_attention_heads),
    middle: matrix('middle', hidden_size),
    gateUp: matrix('gate_up', 2 * intermediate_size),
    h: matrix('h', intermediate_size, bytes),
    xa: Object.fromEntries(
      shapes.map(({ name, parts }) => [name, matrix(`xa ${name}`, parts.length * Math.ceil(rank / 4) * 4)]),
    ) as Record<LinearName, GPUBuffer>,
  };
}
