import { halfToFloat } from '../../../formats/half';
import { linearShapes, type ModelConfig } from '../../../formats/model-config';
import { dequantizeInt4 } from '../../../formats/quantize';
import type { Int4Matrix, ModelTensor } from '../../../formats/tensors';
import { rotationTable } from '../../../model/weights';
import { required } from '../../../shared/assert';
import type { OnnxGraph, OnnxNode, OnnxTensor } from './onnx';

const GROUP = 32;

/** y[rows] = W·x as ONNX Runtime's MatMulNBits; `accuracy` 0 computes in f32, 4 with x in int8. */
export function matMulNBits(
  name: string,
  { rows, columns, weight, scale }: Int4Matrix,
  accuracy: 0 | 4,
): { node: (x: string, y: string) => OnnxNode; constants: OnnxTensor[] } {
  const groups = columns / GROUP;
  return {
    node: (x, y) => ({
      op: 'MatMulNBits',
      domain: 'com.microsoft',
      inputs: [x, `${name}.weight`, `${name}.scale`],
      outputs: [y],
      integers: { K: columns, N: rows, bits: 4, block_size: GROUP, accuracy_level: accuracy },
    }),
    constants: [
      {
        name: `${name}.weight`,
        type: 'uint8',
        dims: [rows, groups, GROUP / 2],
        // Values are q - 7 here and q - 8 there; no q is 15, so that no nibble overflows.
        data: weight.map((word) => word + 0x11111111),
      },
      {
        name: `${name}.scale`,
        type: 'float32',
        dims: [rows * groups],
        data: scale instanceof Uint16Array ? Float32Array.from(scale, halfToFloat) : scale,
      },
    ],
  };
}

/** Names of the cache's inputs and outputs, layer by layer. */
export function cacheNames({ num_hidden_layers }: ModelConfig): { past: string[]; present: string[] }[] {
  return Array.from({ length: num_hidden_layers }, (_, layer) => {
    const of = (when: string): string[] => ['key', 'value'].map((what) => `${when}.${layer}.${what}`);
    return { past: of('past'), present: of('present') };
  });
}

/**
 * A whole decoder as an ONNX graph, with the operators that exporters use: from `x`, the embedded tokens, to `logits`.
 * Keys and values come in as `past` and go out as `present`.
 */
export function onnxDecoder(
  config: ModelConfig,
  tensors: ReadonlyMap<string, ModelTensor>,
  accuracy: 0 | 4,
): OnnxGraph {
  const { hidden_size: hidden, num_attention_heads: heads, num_key_value_heads: kvHeads, head_dim } = config;
  const nodes: OnnxNode[] = [];
  const constants: OnnxTensor[] = [];
  const product = (name: string, matrix: Int4Matrix, x: string, y = `${name}.y`): string => {
    const { node, constants: own } = matMulNBits(name, matrix, accuracy);
    constants.push(...own);
    nodes.push(node(x, y));
    return y;
  };
  const apply = (op: string, inputs: string[], y: string): string => {
    nodes.push({ op, inputs, outputs: [y] });
    return y;
  };
  const norm = (name: string, x: string): string => {
    constants.push({ name, type: 'float32', dims: [hidden], data: floats(tensors, name) });
    nodes.push({
      op: 'SimplifiedLayerNormalization',
      inputs: [x, name],
      outputs: [`${name}.y`],
      integers: { axis: 2, stash_type: 1 },
      floats: { epsilon: config.rms_norm_eps },
    });
    return `${name}.y`;
  };
  const rotation = rotationTable(config);
  const half = head_dim / 2;
  for (const [offset, name] of ['cos', 'sin'].entries()) {
    constants.push({
      name,
      type: 'float32',
      dims: [config.context_window_size, half],
      data: rotation.filter((_, i) => i % 2 === offset),
    });
  }
  const stacked = linearShapes(config);
  let x = 'x';
  const layers = cacheNames(config);
  for (const [layer, { past, present }] of layers.entries()) {
    const prefix = `model.layers.${layer}.`;
    const path = (name: string): string =>
      prefix + required(stacked.find((shape) => shape.name === name)?.path, name);
    const matrixOf = (name: string): Int4Matrix => matrix(tensors, path(name));
    const qkv = product(path('qkv_proj'), matrixOf('qkv_proj'), norm(`${prefix}input_layernorm`, x));
    const attended = `${prefix}attended`;
    nodes.push({
      op: 'GroupQueryAttention',
      domain: 'com.microsoft',
      inputs: [qkv, '', '', ...past, 'seqlens_k', 'total_sequence_length', 'cos', 'sin'],
      outputs: [attended, ...present],
      integers: { num_heads: heads, kv_num_heads: kvHeads, do_rotary: 1 },
    });
    const middle = apply(
      'Add',
      [x, product(path('o_proj'), matrixOf('o_proj'), attended)],
      `${prefix}middle`,
    );
    const input = norm(`${prefix}post_attention_layernorm`, middle);
    const gateUp = matrixOf('gate_up_proj');
    const ffn = gateUp.rows / 2;
    const gate = product(`${prefix}gate`, rowsOf(gateUp, 0, ffn), input);
    const up = product(`${prefix}up`, rowsOf(gateUp, ffn, ffn), input);
    const sigmoid = apply('Sigmoid', [gate], `${prefix}sigmoid`);
    const h = apply('Mul', [apply('Mul', [gate, sigmoid], `${prefix}silu`), up], `${prefix}h`);
    x = apply('Add', [middle, product(path('down_proj'), matrixOf('down_proj'), h)], `${prefix}y`);
  }
  const head = config.tie_word_embeddings ? 'model.embed_tokens' : 'lm_head';
  product('head', matrix(tensors, head), norm('model.norm', x), 'logits');
  const cache = (names: string[], length: string) =>
    names.map((name) => ({ name, type: 'float32' as const, dims: [1, kvHeads, length, head_dim] }));
  return {
    nodes,
    constants,
    inputs: [
      { name: 'x', type: 'float32', dims: [1, 'tokens', hidden] },
      { name: 'seqlens_k', type: 'int32', dims: [1] },
      { name: 'total_sequence_length', type: 'int32', dims: [] },
      ...layers.flatMap(({ past }) => cache(past, 'past_length')),
    ],
    outputs: [
      { name: 'logits', type: 'float32', dims: [1, 'tokens', config.vocab_size] },
      ...layers.flatMap(({ present }) => cache(present, 'total_length')),
    ],
  };
}

/** Some rows of a matrix, without copying. */
function rowsOf({ columns, weight, scale }: Int4Matrix, start: number, rows: number): Int4Matrix {
  const words = columns / 8;
  const groups = columns / GROUP;
  return {
    kind: 'int4',
    rows,
    columns,
    weight: weight.subarray(start * words, (start + rows) * words),
    scale: scale.subarray(start * groups, (start + rows) * groups),
  };
}

function matrix(tensors: ReadonlyMap<string, ModelTensor>, name: string): Int4Matrix {
  const tensor = required(tensors.get(name), name);
  if (tensor.kind !== 'int4') throw new TypeError(`${name} is not int4`);
  return tensor;
}

function floats(tensors: ReadonlyMap<string, ModelTensor>, name: string): Float32Array {
  const tensor = required(tensors.get(name), name);
  if (tensor.kind !== 'float') throw new TypeError(`${name} is not f32`);
  return tensor.data;
}

/** [ids, hidden]: rows of the int4 embedding. */
export function embedded(
  tensors: ReadonlyMap<string, ModelTensor>,
  ids: readonly number[],
): Float32Array<ArrayBuffer> {
  const embedding = matrix(tensors, 'model.embed_tokens');
  const x = new Float32Array(ids.length * embedding.columns);
  ids.forEach((id, t) => x.set(dequantizeInt4(rowsOf(embedding, id, 1)), t * embedding.columns));
  return x;
}
