import type { LinearName } from '../formats/model-config';
import type { Allocation } from '../gpu/allocation';
import { formOf } from '../gpu/device';
import type { Dispatch } from '../gpu/program';
import { attentionBackward } from '../kernels/attention';
import { linearBackward } from '../kernels/linear';
import { loraGradA, loraGradB, loraUpBackward } from '../kernels/lora';
import { rmsNormBackward } from '../kernels/rms-norm';
import { ropeBackward } from '../kernels/rope';
import { swigluBackward } from '../kernels/swiglu';
import { paddedRows } from '../model/activations';
import {
  attentionShape,
  forwardUntilSwiglu,
  type ForwardContext,
  type KeyValue,
  layerWeights,
} from '../model/layer';
import type { LayerSlot, PackedForward } from '../model/packed-forward';
import { required } from '../shared/assert';

/** Scratch of one layer's backward pass, beside the forward pass's own. */
export interface BackwardBuffers {
  /** Gradient of the residual stream, [rows, D]: in of the layer's output, out of its input. */
  stream: GPUBuffer;
  /** Gradient of a norm's output, [rows, D]. */
  normed: GPUBuffer;
  dh: GPUBuffer;
  attended: GPUBuffer;
  dq: GPUBuffer;
  dk: GPUBuffer;
  dv: GPUBuffer;
  dqkv: GPUBuffer;
  /** dY·B of the matrix at hand, [rows, parts · rank]. */
  dxb: GPUBuffer;
}

export function createBackwardBuffers(memory: Allocation, forward: PackedForward): BackwardBuffers {
  const { config } = forward.context.weights;
  const rows = paddedRows(forward.rows);
  const matrix = (label: string, columns: number): GPUBuffer =>
    memory.storage(`d ${label}`, rows * columns * 4);
  const q = config.num_attention_heads * config.head_dim;
  const kv = config.num_key_value_heads * config.head_dim;
  return {
    stream: matrix('stream', config.hidden_size),
    normed: matrix('normed', config.hidden_size),
    dh: matrix('h', config.intermediate_size),
    attended: matrix('attended', q),
    dq: matrix('q', q),
    dk: matrix('k', kv),
    dv: matrix('v', kv),
    dqkv: matrix('qkv', q + 2 * kv),
    dxb: matrix('xb', 3 * forward.context.adapter.layout.rank),
  };
}

/**
 * Backward pass of one layer: adds the gradients of its LoRAs to `gradients` (an arena of the adapter's layout) and turns
 * the residual stream's gradient from output to input. Activations that the layer has not kept in a slot of its own are
 * computed once more from its input. The lowest layer stops at its LoRAs: nothing below is trained.
 */
export function backwardLayer(
  forward: PackedForward,
  buffers: BackwardBuffers,
  gradients: GPUBuffer,
  layer: number,
  slot: LayerSlot,
): Dispatch[] {
  const { context, cache } = slot;
  const { activations: a, weights, tokens, batch } = context;
  const x = required(forward.streams[layer], 'stream');
  const { inputNorm, postAttentionNorm } = layerWeights(context, layer);
  const linears = new LinearGradients(context, buffers, gradients, layer);
  const size = weights.config.intermediate_size;
  return [
    ...(slot === forward.shared ? forwardUntilSwiglu(context, layer, cache, x) : []),
    ...linears.weights('down_proj', a.h, buffers.stream),
    linears.input('down_proj', buffers.stream, buffers.dh),
    swigluBackward({ size, dh: buffers.dh, gateUp: a.gateUp, batch }),
    ...linears.weights('gate_up_proj', a.mlpInput, a.gateUp),
    linears.input('gate_up_proj', a.gateUp, buffers.normed),
    rmsNormBackward({
      norm: postAttentionNorm,
      x: a.middle,
      dy: buffers.normed,
      dx: buffers.stream,
      accumulate: true,
    }),
    ...linears.weights('o_proj', a.attended, buffers.stream),
    linears.input('o_proj', buffers.stream, buffers.attended),
    ...backwardAttention(context, cache, buffers),
    ropeBackward({
      shape: attentionShape(context),
      tokens,
      rotation: weights.rotation,
      batch,
      ...gradientsOf(buffers),
    }),
    ...linears.weights('qkv_proj', a.attentionInput, buffers.dqkv),
    ...(layer === 0
      ? []
      : [
          linears.input('qkv_proj', buffers.dqkv, buffers.normed),
          rmsNormBackward({ norm: inputNorm, x, dy: buffers.normed, dx: buffers.stream, accumulate: true }),
        ]),
  ];
}

function gradientsOf({
  dq,
  dk,
  dv,
  dqkv,
}: BackwardBuffers): Pick<BackwardBuffers, 'dq' | 'dk' | 'dv' | 'dqkv'> {
  return { dq, dk, dv, dqkv };
}

function backwardAttention(context: ForwardContext, cache: KeyValue, buffers: BackwardBuffers): Dispatch[] {
  const { activations: a, tokens, batch } = context;
  return attentionBackward(
    context.forms.batch,
    attentionShape(context),
    { q: a.q, ...cache, tokens, out: a.attended, statistics: a.statistics, batch },
    { dOut: buffers.attended, dq: buffers.dq, dk: buffers.dk, dv: buffers.dv },
  );
}

/** The backward kernels of a layer's adapted matrices. `weights` comes first: it leaves dXB for `input`. */
class LinearGradients {
  constructor(
    private readonly context: ForwardContext,
    private readonly buffers: BackwardBuffers,
    private readonly gradients: GPUBuffer,
    private readonly layer: number,
  ) {}

  weights(name: LinearName, x: GPUBuffer, dy: GPUBuffer): Dispatch[] {
    const { forms, adapter, activations, batch } = this.context;
    const { batch: tile } = forms;
    const matrix = layerWeights(this.context, this.layer).linears[name];
    const lora = adapter.buffers(this.layer, name);
    const { a: gradA, b: gradB } = adapter.layout.slices(this.gradients, this.layer, name);
    const { dxb } = this.buffers;
    const common = { tile, lora, loraUniform: adapter.uniform, batch };
    return [
      loraUpBackward({ tile, lora, out: matrix.rows, dy, dxb, batch }),
      loraGradB({ ...common, out: matrix.rows, dy, xa: activations.xa[name], gradB }),
      loraGradA({ ...common, in: matrix.columns, x, dxb, gradA }),
    ];
  }

  input(name: LinearName, dy: GPUBuffer, dx: GPUBuffer): Dispatch {
    const { forms, adapter, batch } = this.context;
    const matrix = layerWeights(this.context, this.layer).linears[name];
    const lora = { buffers: adapter.buffers(this.layer, name), dxb: this.buffers.dxb };
    const tile = formOf(forms, 'batch', matrix);
    return linearBackward({ tile, matrix, lora, loraUniform: adapter.uniform, dy, dx, batch });
  }
}
