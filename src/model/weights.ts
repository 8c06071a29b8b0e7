import { halfToFloat } from '../formats/half';
import type { ModelFolder } from '../formats/model-folder';
import type { LinearName, ModelConfig } from '../formats/model-config';
import { linearShapes } from '../formats/model-config';
import { type ModelIdentity, readModel, type TensorPart, type TensorSink } from '../formats/read-model';
import type { FileSource } from '../formats/tensors';
import { Allocation } from '../gpu/allocation';
import type { Gpu } from '../gpu/device';
import type { Int4Buffers } from '../kernels/int4';
import type { NormWeights } from '../kernels/rms-norm';
import { required } from '../shared/assert';

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

/** A model's way to the device. */
export class WeightsUpload {
  private readonly gpu: Gpu;
  private readonly memory: Allocation;
  private readonly arrays = new Map<string, { buffer: GPUBuffer; dtype: TensorPart['dtype'] }>();

  constructor(gpu: Gpu) {
    this.gpu = gpu;
    this.memory = new Allocation(gpu);
  }

  /** Norms become f32, everything else stays as it is. @throws ThumbprintError `out-of-memory` when an array is larger than a buffer of the device. */
  readonly sink: TensorSink = ({ name, dtype, nbytes }, offset, bytes) => {
    // Scales stay halves.
    const widened = dtype === 'float16' && !name.endsWith('.q_scale');
    let array = this.arrays.get(name);
    if (!array) {
      array = { buffer: this.memory.storage(name, widened ? 2 * nbytes : nbytes), dtype };
      this.arrays.set(name, array);
    }
    if (!widened) return this.gpu.write(array.buffer, bytes, offset);
    const halves = new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 2);
    this.gpu.write(array.buffer, Float32Array.from(halves, halfToFloat), 2 * offset);
  };

  /** The weights, all of which have arrived. */
  finish(config: ModelConfig): ModelWeights {
    const { memory } = this;
    const array = (name: string) => required(this.arrays.get(name), name);
    const matrix = (name: string, rows: number, columns: number): Int4Buffers => {
      const scale = array(`${name}.q_scale`);
      return {
        rows,
        columns,
        weight: array(`${name}.q_weight`).buffer,
        scale: scale.buffer,
        scaleF16: scale.dtype === 'float16',
      };
    };
    const norm = (name: string): NormWeights => ({
      weight: array(`${name}.weight`).buffer,
      size: config.hidden_size,
      eps: config.rms_norm_eps,
    });
    const vocabulary = (name: string): Int4Buffers => matrix(name, config.vocab_size, config.hidden_size);
    const embedding = vocabulary('model.embed_tokens');
    const layers = Array.from({ length: config.num_hidden_layers }, (_, layer): LayerWeights => {
      const prefix = `model.layers.${layer}.`;
      const linears = linearShapes(config).map((shape) => [
        shape.name,
        matrix(prefix + shape.path, shape.out, shape.in),
      ]);
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
      head: config.tie_word_embeddings ? embedding : vocabulary('lm_head'),
      rotation: memory.upload('rotation', rotationTable(config)),
      memory,
    };
  }

  /** Gives up what has arrived. */
  cancel(): void {
    this.memory.destroy();
  }
}

/** Reads a model on to the device while it arrives. @throws what `readModel` and `WeightsUpload` do; nothing stays behind then. */
export async function loadWeights(
  gpu: Gpu,
  source: FileSource,
  onProgress?: (loadedBytes: number, totalBytes: number) => void,
): Promise<{ identity: ModelIdentity; weights: ModelWeights }> {
  const upload = new WeightsUpload(gpu);
  try {
    const identity = await readModel(source, upload.sink, onProgress);
    return { identity, weights: upload.finish(identity.config) };
  } catch (error) {
    upload.cancel();
    throw error;
  }
}

/** Uploads a model in memory. @throws ThumbprintError `out-of-memory` when a matrix is larger than a buffer of the device. */
export function uploadWeights(
  gpu: Gpu,
  { config, tensors }: Pick<ModelFolder, 'config' | 'tensors'>,
): ModelWeights {
  const upload = new WeightsUpload(gpu);
  const put = (
    name: string,
    data: Uint32Array<ArrayBuffer> | Uint16Array<ArrayBuffer> | Float32Array<ArrayBuffer>,
    dtype: TensorPart['dtype'],
  ): void =>
    upload.sink(
      { name, shape: [data.length], dtype, nbytes: data.byteLength },
      0,
      new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
    );
  for (const [name, tensor] of tensors) {
    if (tensor.kind === 'float') {
      put(`${name}.weight`, tensor.data, 'float32');
      continue;
    }
    put(`${name}.q_weight`, tensor.weight, 'uint32');
    put(`${name}.q_scale`, tensor.scale, tensor.scale instanceof Uint16Array ? 'float16' : 'float32');
  }
  return upload.finish(config);
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
