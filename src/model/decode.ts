import { type LinearName, linearShapes } from '../formats/model-config';
import type { Allocation } from '../gpu/allocation';
import { type Forms, formOf } from '../gpu/device';
import { type Dispatch, workgroups } from '../gpu/program';
import { attentionRow, embedRow, linearRow, rowBlock, type RowInput } from '../kernels/decode';
import type { LoraBuffers } from '../kernels/lora';
import type { Int4Buffers } from '../kernels/int4';
import type { NormWeights } from '../kernels/rms-norm';
import type { ActivationType } from '../kernels/sources';
import { required } from '../shared/assert';
import type { KeyValue } from './layer';
import type { AdapterSlot } from './lora';
import type { ModelWeights } from './weights';

/** What a token is decoded with. */
interface DecodeContext {
  forms: Forms;
  weights: ModelWeights;
  adapter: AdapterSlot;
  /** f16 [adapter.layout.size]: the adapter as `packHalves` leaves it */
  halves: GPUBuffer;
  /** Owns the buffers made here. */
  memory: Allocation;
  /** Keys and values of each layer, `capacity` rows of `type`. */
  caches: readonly KeyValue[];
  capacity: number;
  type: ActivationType;
  /** Token [1]: shaders/lib/token.wgsl */
  tokens: GPUBuffer;
  /** f32 [vocab] */
  logits: GPUBuffer;
}

/**
 * Extends the caches by one token and computes the logits after it, in five dispatches a layer and two more: each product
 * takes along what lies between it and the next. The residual stream is one row that grows in place.
 */
export function decodeToken(context: DecodeContext): Dispatch[] {
  const { forms, weights, adapter, halves, memory, capacity, type, tokens, logits } = context;
  const { config, rotation } = weights;
  const { hidden_size: hidden, num_attention_heads: heads, num_key_value_heads: kvHeads } = config;
  const shape = { type, heads, kvHeads, headDim: config.head_dim, capacity };
  const { row: tile } = forms;
  const common = { loraUniform: adapter.uniform };
  const product = (matrix: Int4Buffers) => ({ ...common, matrix, tile: formOf(forms, 'row', matrix) });
  const row = (label: string, size: number): GPUBuffer => memory.storage(`${label} of a token`, size * 4);
  const qkv = row('qkv', (heads + 2 * kvHeads) * config.head_dim);
  const stream = row('stream', hidden);
  /** Columns that a workgroup of such a product makes, the same in all layers. */
  const blockOf = (name: LinearName): number => {
    const { linears } = required(weights.layers[0], 'layer');
    return rowBlock(formOf(forms, 'row', linears[name]));
  };
  const inputs: Record<LinearName, { values: GPUBuffer; block: number }> = {
    qkv_proj: { values: stream, block: blockOf('down_proj') },
    o_proj: {
      values: row('attended', heads * config.head_dim),
      block: (heads / kvHeads) * config.head_dim,
    },
    gate_up_proj: { values: stream, block: blockOf('o_proj') },
    down_proj: { values: row('h', config.intermediate_size), block: blockOf('gate_up_proj') },
  };
  // Each product's place, with room for the squares of a norm.
  let floats = 0;
  const places = linearShapes(config).map(({ name, in: size, parts }) => {
    const { values, block } = inputs[name];
    const offset = floats;
    floats += workgroups(size, block) * (parts.length * adapter.layout.rank + 1);
    return { name, in: size, values, block, offset };
  });
  const shares = row('LoRA shares', floats);
  const { layout } = adapter;
  const loraOf = (layer: number, name: LinearName): LoraBuffers => ({
    rank: layout.rank,
    ...layout.slices(halves, layer, name, 2),
  });
  const input = (name: LinearName, layer: number, norm: NormWeights | null): RowInput => {
    const {
      in: size,
      values,
      block,
      offset,
    } = required(
      places.find((place) => place.name === name),
      name,
    );
    const lora = layer < weights.layers.length ? loraOf(layer, name) : null;
    return { values, in: size, norm, lora, shares: { buffer: shares, offset, block } };
  };
  /** What a layer reads; behind the last one, the head. */
  const entry = (layer: number): RowInput =>
    input('qkv_proj', layer, weights.layers[layer]?.inputNorm ?? weights.norm);
  const layers = weights.layers.flatMap(({ linears, postAttentionNorm }, layer) => {
    const cache = required(context.caches[layer], `cache of layer ${layer}`);
    const attended = input('o_proj', layer, null);
    const middle = input('gate_up_proj', layer, postAttentionNorm);
    const h = input('down_proj', layer, null);
    return [
      linearRow({ ...product(linears.qkv_proj), x: entry(layer), y: qkv }),
      attentionRow({ ...common, tile, shape, tokens, rotation, qkv, ...cache, out: attended }),
      linearRow({ ...product(linears.o_proj), x: attended, y: middle, add: true }),
      linearRow({ ...product(linears.gate_up_proj), x: middle, y: h, swiglu: true }),
      linearRow({ ...product(linears.down_proj), x: h, y: entry(layer + 1), add: true }),
    ];
  });
  return [
    embedRow({ ...common, tile, embedding: weights.embedding, tokens, x: entry(0) }),
    ...layers,
    linearRow({ ...product(weights.head), x: entry(weights.layers.length), y: logits }),
  ];
}
