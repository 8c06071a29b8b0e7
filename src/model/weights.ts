import type { ModelFolder } from '../formats/model-folder';
import type { LinearName, ModelConfig } from '../formats/model-config';
import { linearShapes } from '../formats/model-config';
import type { Int4Matrix } from '../formats/tensors';
import { Allocation } from '../gpu/allocation';
import type { Gpu } from '../gpu/device';
import type { Int4Buffers } from '../kernels/int4';
import type { NormWeights } from '../kernels/rms-norm';
import { required } from '../shared/assert';
import { ThumbprintError } from '../shared/errors';

export interface LayerWeights {
  inputNorm: NormWeights;
  postAttentionNorm: NormWeights;
  linears: Record<LinearName, Int4Buffers>;
}

/** A model's weights on the device, int4 as they were stored. */
export interface ModelWeights {
  config: ModelConfig;
  embedding: Int4Buffers;
  layers: LayerWeights[];
  norm: NormWeights;
  head: Int4Buffers;
  /** (cos, sin) [context, head_dim / 2] of the rotary embedding. */
  rotation: GPUBuffer;
  memory: Allocation;
}

/** Uploads a model. @throws ThumbprintError `out-of-memory` when a matrix is larger than a buffer of the device. */
export function uploadWeights(gpu: Gpu, folder: ModelFolder): ModelWeights {
  const { config } = folder;
  const memory = new Allocation(gpu);
  const matrix = (name: string): Int4Buffers => {
    const tensor = required(folder.tensors.get(name), name);
    if (tensor.kind !== 'int4') throw new ThumbprintError('internal', `${name} is not int4`);
    return uploadInt4(memory, name, tensor);
  };
  const norm = (name: string): NormWeights => {
    const tensor = required(folder.tensors.get(name), name);
    if (tensor.kind !== 'float') throw new ThumbprintError('internal', `${name} is not f32`);
    return {
      weight: memory.upload(`${name}.weight`, tensor.data),
      size: tensor.data.length,
      eps: config.rms_norm_eps,
    };
  };
  const embedding = matrix('model.embed_tokens');
  const layers = Array.from({ length: config.num_hidden_layers }, (_, layer): LayerWeights => {
    const prefix = `model.layers.${layer}.`;
    const linears = linearShapes(config).map(({ name, path }) => [name, matrix(prefix + path)]);
    return {
      inputNorm: norm(`${prefix}input_layernorm`),
      postAttentionNorm: norm(`${prefix}post_attention_layernorm`),
      linears: Object.fromEntries(linears) as Record<LinearName, Int4Buffers>,
    };
  });
  return {
    config,
    embedding,
    layers,
    norm: norm('model.norm'),
    head: config.tie_word_embeddings ? embedding : matrix('lm_head'),
    rotation: memory.upload('rotation', rotationTable(config)),
    memory,
  };
}

/** Uploads a matrix. @throws ThumbprintError `out-of-memory` when it is larger than a buffer of the device. */
export function uploadInt4(memory: Allocation, name: string, matrix: Int4Matrix): Int4Buffers {
  return {
    rows: matrix.rows,
    columns: matrix.columns,
    weight: memory.upload(`${name}.q_weight`, matrix.weight),
    scale: memory.upload(`${name}.q_scale`, matrix.scale),
    scaleF16: matrix.scale instanceof Uint16Array,
  };
}

/** cos and sin of position·theta^(−2i / head_dim), in float64 until stored (Su et al. 2021). */
export function rotationTable(config: ModelConfig): Float32Array<ArrayBuffer> {
  const half = config.head_dim / 2;
  const table = new Float32Array(config.context_window_size * half * 2);
  for (let position = 0; position < config.context_window_size; position++) {
    for (let i = 0; i < half; i++) {
      const angle = position * config.rope_theta ** (-(2 * i) / config.head_dim);
      table[(position * half + i) * 2] = Math.cos(angle);
      table[(position * half + i) * 2 + 1] = Math.sin(angle);
    }
  }
  return table;
}
