import { expectedTensors } from '../../src/formats/expected-tensors';
import type { ModelConfig } from '../../src/formats/model-config';
import type { Int4Matrix, ModelTensor } from '../../src/formats/tensors';
import { HashRandom } from './random';

/** A model of a few thousand weights with odd enough proportions to tell its sizes apart. */
export const TINY_CONFIG: ModelConfig = {
  model_type: 'llama',
  hidden_size: 64,
  intermediate_size: 96,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  head_dim: 32,
  rms_norm_eps: 1e-5,
  rope_theta: 10000,
  vocab_size: 128,
  tie_word_embeddings: true,
  context_window_size: 64,
  stop_token_ids: [2],
};

/**
 * Random quantized weights that models/recipe/golden.py repeats: quanta q in 0…14, half-precision scales in
 * [1/64, 1/32), norm weights in [0.8, 1.2) rounded to float32.
 */
export function seededModel(config: ModelConfig, seed: number): Map<string, ModelTensor> {
  const random = new HashRandom(seed);
  return new Map(
    expectedTensors(config).map((expected): [string, ModelTensor] => {
      if (expected.kind === 'int4')
        return [expected.name, seededInt4(random, expected.rows, expected.columns)];
      const data = random.array32(expected.size, 0.2).map((value) => 1 + value);
      return [expected.name, { kind: 'float', shape: [expected.size], data }];
    }),
  );
}

/** One random int4 matrix with half-precision scales. @param columns a multiple of 32 */
export function seededInt4(random: HashRandom, rows: number, columns: number): Int4Matrix {
  const weight = Uint32Array.from({ length: (rows * columns) / 8 }, () => {
    let word = 0;
    for (let nibble = 0; nibble < 8; nibble++) word |= random.below(15) << (4 * nibble);
    return word;
  });
  // Biased exponent 9: 2^−6; the fraction's ten bits are random.
  const scale = Uint16Array.from({ length: (rows * columns) / 32 }, () => (9 << 10) | random.below(1024));
  return { kind: 'int4', rows, columns, weight, scale };
}
