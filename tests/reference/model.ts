import {
  linearShapes,
  type LinearName,
  type LinearShape,
  type ModelConfig,
} from '../../src/formats/model-config';
import { required } from '../../src/shared/assert';
import type { ModelTensor } from '../../src/formats/tensors';
import {
  projections,
  stackLora,
  unstackGradients,
  type ReferenceAdapter,
  type ReferenceLora,
} from './adapter';
import { attention, attentionBackward, type AttentionInput } from './attention';
import type { TokenBatch } from './batch';
import { dequantize, matmulTransposed } from './int4';
import { linear, linearBackward } from './linear';
import { rmsNorm, rmsNormBackward } from './rms-norm';
import { rope, ropeBackward } from './rope';
import { swiglu, swigluBackward } from './swiglu';
import { tokenLogprob, tokenLogprobBackward } from './token-logprob';
import { joinColumns, splitColumns, swapHeadsAndRows } from './layout';
import { addScaled, at, rowOf, sum } from './vector';

interface LayerWeights {
  inputNorm: Float64Array;
  postAttentionNorm: Float64Array;
  /** [out, in] */
  linears: Record<LinearName, Float64Array>;
}

/** What the backward pass needs of a layer. */
interface LayerActivations {
  /** [T, d] */
  input: Float64Array;
  normed: Float64Array;
  attention: AttentionInput;
  /** [T, heads·head_dim] */
  attended: Float64Array;
  /** [T, d], after the attention's residual */
  middle: Float64Array;
  middleNormed: Float64Array;
  /** [T, 2·ffn] */
  gateUp: Float64Array;
  /** [T, ffn] */
  activated: Float64Array;
}

interface Activations {
  layers: LayerActivations[];
  /** [T, d], before the last norm */
  hidden: Float64Array;
}

/** Float64 twin of the quantized Llama-style model with LoRA on every linear layer. */
export class ReferenceModel {
  readonly config: ModelConfig;
  private readonly shapes: LinearShape[];
  private readonly embedding: Float64Array;
  private readonly head: Float64Array;
  private readonly finalNorm: Float64Array;
  private readonly layers: LayerWeights[];

  /** @param tensors under their modules' paths, as MLC names them without `.q_weight` or `.weight` */
  constructor(config: ModelConfig, tensors: ReadonlyMap<string, ModelTensor>) {
    this.config = config;
    this.shapes = linearShapes(config);
    this.embedding = tensorData(tensors, 'model.embed_tokens');
    this.head = config.tie_word_embeddings ? this.embedding : tensorData(tensors, 'lm_head');
    this.finalNorm = tensorData(tensors, 'model.norm');
    this.layers = Array.from({ length: config.num_hidden_layers }, (_, n) => {
      const read = (path: string) => tensorData(tensors, `model.layers.${n}.${path}`);
      return {
        inputNorm: read('input_layernorm'),
        postAttentionNorm: read('post_attention_layernorm'),
        linears: {
          qkv_proj: read('self_attn.qkv_proj'),
          o_proj: read('self_attn.o_proj'),
          gate_up_proj: read('mlp.gate_up_proj'),
          down_proj: read('mlp.down_proj'),
        },
      };
    });
  }

  /** Logits of every row. @returns [T, vocabulary] */
  logits(batch: TokenBatch, adapter: ReferenceAdapter | null): Float64Array {
    return this.headLogits(this.forward(batch, adapter).hidden);
  }

  /** Log-probability of each reply: the sum over its tokens. @returns [sequences] */
  sequenceLogprobs(batch: TokenBatch, adapter: ReferenceAdapter | null): Float64Array {
    const rows = this.targetRows(batch, this.forward(batch, adapter).hidden);
    const logp = tokenLogprob(
      this.headLogits(rows),
      batch.targets.map((target) => target.token),
    );
    const totals = new Float64Array(batch.sequences);
    batch.targets.forEach(({ sequence }, n) => (totals[sequence] = at(totals, sequence) + at(logp, n)));
    return totals;
  }

  /**
   * Gradients of Σ_s coefficients[s]·logprob[s] with respect to every A and B.
   *
   * @param coefficients [sequences]
   * @returns by PEFT module path, in forward order: a [rank, in], b [out, rank]
   */
  backward(
    batch: TokenBatch,
    adapter: ReferenceAdapter,
    coefficients: readonly number[],
  ): Map<string, ReferenceLora> {
    const { layers, hidden } = this.forward(batch, adapter);
    let d = this.headBackward(batch, hidden, coefficients);
    const gradients = new Map<string, ReferenceLora>();
    for (let n = layers.length - 1; n >= 0; n--) {
      d = this.layerBackward(n, required(layers[n], `layer ${n}`), batch, adapter, d, gradients);
    }
    return new Map(projections(this.config).map(({ key }) => [key, required(gradients.get(key), key)]));
  }

  private forward(batch: TokenBatch, adapter: ReferenceAdapter | null): Activations {
    const d = this.config.hidden_size;
    let hidden: Float64Array = new Float64Array(batch.ids.length * d);
    batch.ids.forEach((id, t) => hidden.set(rowOf(this.embedding, id, d), t * d));
    const layers: LayerActivations[] = [];
    for (let n = 0; n < this.layers.length; n++) {
      const { activations, output } = this.layerForward(n, hidden, batch, adapter);
      layers.push(activations);
      hidden = output;
    }
    return { layers, hidden };
  }

  private layerForward(n: number, input: Float64Array, batch: TokenBatch, adapter: ReferenceAdapter | null) {
    const { rms_norm_eps: eps, intermediate_size: ffn } = this.config;
    const weights = this.weightsOf(n);
    const apply = (name: LinearName, x: Float64Array) => {
      const shape = this.shapeOf(name);
      return linear(x, weights.linears[name], shape.in, adapter && stackLora(adapter, n, shape));
    };
    const normed = rmsNorm(input, weights.inputNorm, eps);
    const attentionInput = this.attentionInput(apply('qkv_proj', normed), batch);
    const attended = attention(attentionInput).out;
    const middle = sum(input, apply('o_proj', attended));
    const middleNormed = rmsNorm(middle, weights.postAttentionNorm, eps);
    const gateUp = apply('gate_up_proj', middleNormed);
    const activated = swiglu(gateUp, ffn);
    const output = sum(middle, apply('down_proj', activated));
    const activations: LayerActivations = {
      input,
      normed,
      attention: attentionInput,
      attended,
      middle,
      middleNormed,
      gateUp,
      activated,
    };
    return { activations, output };
  }

  private layerBackward(
    n: number,
    kept: LayerActivations,
    batch: TokenBatch,
    adapter: ReferenceAdapter,
    doutput: Float64Array,
    gradients: Map<string, ReferenceLora>,
  ): Float64Array {
    const { rms_norm_eps: eps, intermediate_size: ffn } = this.config;
    const weights = this.weightsOf(n);
    const back = (name: LinearName, x: Float64Array, dy: Float64Array) => {
      const shape = this.shapeOf(name);
      const lora = stackLora(adapter, n, shape);
      const result = linearBackward(x, weights.linears[name], shape.in, lora, dy);
      unstackGradients(gradients, n, shape, adapter.rank, result);
      return result.dx;
    };
    const dactivated = back('down_proj', kept.activated, doutput);
    const dgateUp = swigluBackward(kept.gateUp, ffn, dactivated);
    const dmiddleNormed = back('gate_up_proj', kept.middleNormed, dgateUp);
    const dmiddle = sum(doutput, rmsNormBackward(kept.middle, weights.postAttentionNorm, eps, dmiddleNormed));
    const dattended = back('o_proj', kept.attended, dmiddle);
    const dqkv = this.attentionGradient(kept.attention, batch, dattended);
    const dnormed = back('qkv_proj', kept.normed, dqkv);
    return sum(dmiddle, rmsNormBackward(kept.input, weights.inputNorm, eps, dnormed));
  }

  /** Splits qkv [T, (heads + 2·kvHeads)·head_dim], rotates q and k, and lays k and v out as the cache has them. */
  private attentionInput(qkv: Float64Array, batch: TokenBatch): AttentionInput {
    const { q, k, v, kvHeads, heads, headDim, theta } = this.splitQkv(qkv);
    const rows = batch.ids.length;
    const rotated = rope(k, batch.positions, { heads: kvHeads, headDim, theta });
    return {
      q: rope(q, batch.positions, { heads, headDim, theta }),
      k: swapHeadsAndRows(rotated, rows, kvHeads, headDim),
      v: swapHeadsAndRows(v, rows, kvHeads, headDim),
      visibility: batch.visibility,
      shape: { heads, kvHeads, headDim, capacity: rows },
    };
  }

  private attentionGradient(input: AttentionInput, batch: TokenBatch, dout: Float64Array): Float64Array {
    const { heads, kvHeads, headDim } = input.shape;
    const theta = this.config.rope_theta;
    const rows = batch.ids.length;
    const { dq, dk, dv } = attentionBackward(input, dout);
    const dkRows = swapHeadsAndRows(dk, kvHeads, rows, headDim);
    return joinColumns(rows, [
      ropeBackward(dq, batch.positions, { heads, headDim, theta }),
      ropeBackward(dkRows, batch.positions, { heads: kvHeads, headDim, theta }),
      swapHeadsAndRows(dv, kvHeads, rows, headDim),
    ]);
  }

  private splitQkv(qkv: Float64Array) {
    const { num_attention_heads: heads, num_key_value_heads: kvHeads, head_dim: headDim } = this.config;
    const widths = [heads * headDim, kvHeads * headDim, kvHeads * headDim];
    const [q, k, v] = splitColumns(qkv, widths);
    if (q === undefined || k === undefined || v === undefined) throw new Error('qkv has three parts');
    return { q, k, v, heads, kvHeads, headDim, theta: this.config.rope_theta };
  }

  /** Last norm and head. @param hidden [R, d] @returns [R, vocabulary] */
  private headLogits(hidden: Float64Array): Float64Array {
    const normed = rmsNorm(hidden, this.finalNorm, this.config.rms_norm_eps);
    return matmulTransposed(normed, this.head, this.config.hidden_size);
  }

  /** @returns gradient of Σ_s coefficients[s]·logprob[s] at the last layer's output, [T, d] */
  private headBackward(
    batch: TokenBatch,
    hidden: Float64Array,
    coefficients: readonly number[],
  ): Float64Array {
    const { hidden_size: d, rms_norm_eps: eps, vocab_size: vocabulary } = this.config;
    const rows = this.targetRows(batch, hidden);
    const tokens = batch.targets.map((target) => target.token);
    const dlogits = tokenLogprobBackward(this.headLogits(rows), tokens);
    batch.targets.forEach(({ sequence }, r) => {
      const row = rowOf(dlogits, r, vocabulary);
      row.forEach((value, n) => (row[n] = value * (coefficients[sequence] ?? NaN)));
    });
    const zeros = new Float64Array(rows.length);
    const dnormed = linearBackward(zeros, this.head, d, null, dlogits).dx;
    const drows = rmsNormBackward(rows, this.finalNorm, eps, dnormed);
    const dhidden = new Float64Array(hidden.length);
    batch.targets.forEach(({ row }, r) => addScaled(dhidden, row * d, 1, drows, r * d, d));
    return dhidden;
  }

  private targetRows(batch: TokenBatch, hidden: Float64Array): Float64Array {
    const d = this.config.hidden_size;
    const rows = new Float64Array(batch.targets.length * d);
    batch.targets.forEach(({ row }, r) => rows.set(rowOf(hidden, row, d), r * d));
    return rows;
  }

  private shapeOf(name: LinearName): LinearShape {
    return required(
      this.shapes.find((shape) => shape.name === name),
      name,
    );
  }

  private weightsOf(n: number): LayerWeights {
    return required(this.layers[n], `layer ${n}`);
  }
}

function tensorData(tensors: ReadonlyMap<string, ModelTensor>, name: string): Float64Array {
  const tensor = required(tensors.get(name), `tensor ${name}`);
  return tensor.kind === 'int4' ? dequantize(tensor) : Float64Array.from(tensor.data);
}
