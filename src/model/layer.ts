import type { LinearName } from '../formats/model-config';
import { type Forms, formOf } from '../gpu/device';
import type { Dispatch } from '../gpu/program';
import { attention, type AttentionShape } from '../kernels/attention';
import { linear } from '../kernels/linear';
import { loraDown } from '../kernels/lora';
import { rmsNorm } from '../kernels/rms-norm';
import { ropeAppend } from '../kernels/rope';
import { swiglu } from '../kernels/swiglu';
import { required } from '../shared/assert';
import type { Activations } from './activations';
import type { AdapterSlot } from './lora';
import type { LayerWeights, ModelWeights } from './weights';

/** What a forward pass runs on. */
export interface ForwardContext {
  forms: Forms;
  weights: ModelWeights;
  adapter: AdapterSlot;
  activations: Activations;
  /** Token [rows]: shaders/lib/token.wgsl */
  tokens: GPUBuffer;
  /** Uniform Batch: shaders/lib/batch.wgsl */
  batch: GPUBuffer;
  /** Rows of the key and value buffers. */
  capacity: number;
}

/** Keys and values of a layer, [kv_heads][capacity][head_dim]. */
export interface KeyValue {
  keys: GPUBuffer;
  values: GPUBuffer;
}

export function attentionShape({
  weights: { config },
  activations,
  capacity,
}: ForwardContext): AttentionShape {
  return {
    type: activations.type,
    heads: config.num_attention_heads,
    kvHeads: config.num_key_value_heads,
    headDim: config.head_dim,
    capacity,
  };
}

export function layerWeights(context: ForwardContext, layer: number): LayerWeights {
  return required(context.weights.layers[layer], `layer ${layer}`);
}

/** y = adapted linear of x (+ residual): the LoRA's inner products, then the product with the int4 matrix. */
export function adaptedLinear(
  context: ForwardContext,
  layer: number,
  name: LinearName,
  buffers: { x: GPUBuffer; y: GPUBuffer; residual?: GPUBuffer },
): Dispatch[] {
  const { forms, adapter, activations, batch } = context;
  const matrix = layerWeights(context, layer).linears[name];
  const lora = { buffers: adapter.buffers(layer, name), xa: activations.xa[name] };
  const { type } = activations;
  return [
    loraDown({
      tile: forms.batch,
      lora: lora.buffers,
      in: matrix.columns,
      x: buffers.x,
      type,
      xa: lora.xa,
      batch,
    }),
    linear({
      tile: formOf(forms, 'batch', matrix),
      matrix,
      lora,
      loraUniform: adapter.uniform,
      type,
      ...buffers,
      batch,
    }),
  ];
}

/** What a product with the head has beside its operands: of the rows that `batch` counts, without a LoRA. */
export function headProduct({ forms, weights: { head }, adapter }: ForwardContext, batch: GPUBuffer) {
  const tile = formOf(forms, 'batch', head);
  return { tile, matrix: head, lora: null, loraUniform: adapter.uniform, batch };
}

/** One decoder layer: y = x + attention + MLP; x and y may not be the same buffer. */
export function forwardLayer(
  context: ForwardContext,
  layer: number,
  cache: KeyValue,
  x: GPUBuffer,
  y: GPUBuffer,
): Dispatch[] {
  return [...forwardUntilSwiglu(context, layer, cache, x), down(context, layer, y)];
}

/** A layer's forward pass without its last product, which the backward pass does not need. */
export function forwardUntilSwiglu(
  context: ForwardContext,
  layer: number,
  cache: KeyValue,
  x: GPUBuffer,
): Dispatch[] {
  const { weights, activations: a, tokens, batch } = context;
  const { inputNorm, postAttentionNorm } = layerWeights(context, layer);
  const shape = attentionShape(context);
  return [
    rmsNorm({ norm: inputNorm, x, y: a.attentionInput, type: a.type }),
    ...adaptedLinear(context, layer, 'qkv_proj', { x: a.attentionInput, y: a.qkv }),
    ropeAppend({ shape, tokens, rotation: weights.rotation, batch, qkv: a.qkv, q: a.q, ...cache }),
    attention(context.forms.batch, shape, {
      q: a.q,
      ...cache,
      tokens,
      out: a.attended,
      statistics: a.statistics,
      batch,
    }),
    ...adaptedLinear(context, layer, 'o_proj', { x: a.attended, y: a.middle, residual: x }),
    rmsNorm({ norm: postAttentionNorm, x: a.middle, y: a.mlpInput, type: a.type }),
    ...adaptedLinear(context, layer, 'gate_up_proj', { x: a.mlpInput, y: a.gateUp }),
    swiglu({ size: weights.config.intermediate_size, gateUp: a.gateUp, h: a.h, type: a.type, batch }),
    // XA of the last product: part of what the backward pass needs.
    loraDown({
      tile: context.forms.batch,
      lora: context.adapter.buffers(layer, 'down_proj'),
      in: weights.config.intermediate_size,
      x: a.h,
      type: a.type,
      xa: a.xa.down_proj,
      batch,
    }),
  ];
}

function down(context: ForwardContext, layer: number, y: GPUBuffer): Dispatch {
  const { forms, adapter, activations: a, batch } = context;
  const matrix = layerWeights(context, layer).linears.down_proj;
  return linear({
    tile: formOf(forms, 'batch', matrix),
    matrix,
    lora: { buffers: adapter.buffers(layer, 'down_proj'), xa: a.xa.down_proj },
    loraUniform: adapter.uniform,
    x: a.h,
    type: a.type,
    y,
    residual: a.middle,
    batch,
  });
}
