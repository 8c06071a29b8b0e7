import { expectedTensors } from '../../../formats/expected-tensors';
import type { ModelFolder } from '../../../formats/model-folder';
import type { ModelConfig } from '../../../formats/model-config';
import type { Int4Matrix, ModelTensor } from '../../../formats/tensors';
import { createRandom, type Random } from '../../../shared/random';

/** Shapes of models that people run in browsers, from their published configurations. */
export const SHAPES: Record<'smollm2-135m' | 'qwen2-0.5b', ModelConfig> = {
  'smollm2-135m': {
    model_type: 'llama',
    hidden_size: 576,
    intermediate_size: 1536,
    num_hidden_layers: 30,
    num_attention_heads: 9,
    num_key_value_heads: 3,
    head_dim: 64,
    rms_norm_eps: 1e-5,
    rope_theta: 100000,
    vocab_size: 49152,
    tie_word_embeddings: true,
    context_window_size: 512,
    stop_token_ids: [],
  },
  'qwen2-0.5b': {
    model_type: 'llama',
    hidden_size: 896,
    intermediate_size: 4864,
    num_hidden_layers: 24,
    num_attention_heads: 14,
    num_key_value_heads: 2,
    head_dim: 64,
    rms_norm_eps: 1e-6,
    rope_theta: 1000000,
    vocab_size: 151936,
    tie_word_embeddings: true,
    context_window_size: 512,
    stop_token_ids: [],
  },
};

export type ShapeName = keyof typeof SHAPES;

/** A model of random weights. It says nothing, at the speed of a real one. */
export function randomModel(name: ShapeName): ModelFolder {
  const config = SHAPES[name];
  const random = createRandom(1);
  const tensors = new Map(
    expectedTensors(config).map((expected): [string, ModelTensor] => {
      if (expected.kind === 'int4')
        return [expected.name, randomInt4(random, expected.rows, expected.columns)];
      return [
        expected.name,
        { kind: 'float', shape: [expected.size], data: new Float32Array(expected.size).fill(1) },
      ];
    }),
  );
  const parameters = [...tensors.values()].reduce(
    (sum, tensor) => sum + (tensor.kind === 'int4' ? tensor.rows * tensor.columns : tensor.data.length),
    0,
  );
  return {
    name,
    config,
    tensors,
    tokenizerJson: null,
    tokenizerConfig: null,
    sha256: name,
    bytes: 0,
    parameters,
  };
}

/** Random weights of about 1/√columns. */
export function randomInt4(random: Random, rows: number, columns: number): Int4Matrix {
  const weight = new Uint32Array((rows * columns) / 8);
  // Nibbles from 0 to 14, as the quantizer writes them: 15 becomes 7.
  for (let i = 0; i < weight.length; i++) {
    const word = random.uint32();
    const full = word & (word >>> 1) & (word >>> 2) & (word >>> 3) & 0x11111111;
    weight[i] = word ^ (full << 3);
  }
  const scale = new Float32Array((rows * columns) / 32).fill(0.25 / Math.sqrt(columns));
  return { kind: 'int4', rows, columns, weight, scale };
}
