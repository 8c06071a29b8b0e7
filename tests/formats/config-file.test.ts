import { describe, expect, it } from 'vitest';
import { readHubConfig, readMlcConfig, writeMlcConfig } from '../../src/formats/config-file';
import { TINY_CONFIG } from '../reference/seeded-model';

/** A `config.json` as transformers writes it. */
const hub = {
  model_type: 'llama',
  hidden_size: 64,
  intermediate_size: 96,
  num_hidden_layers: 2,
  num_attention_heads: 2,
  num_key_value_heads: 1,
  rms_norm_eps: 1e-5,
  rope_theta: 10000,
  vocab_size: 128,
  tie_word_embeddings: true,
  max_position_embeddings: 256,
  eos_token_id: 2,
};

describe("the hub's config", () => {
  it('becomes a model: the context, the size of a head, every token that ends a reply', () => {
    expect(readHubConfig(hub, { eos_token_id: [2, 0] })).toMatchObject({
      context_window_size: 256,
      head_dim: 32,
      stop_token_ids: [2, 0],
    });
    expect(readHubConfig(hub, {}).stop_token_ids).toEqual([2]);
  });

  it('says of another family which ones there are, whatever else that family writes', () => {
    expect(() => readHubConfig({ ...hub, model_type: 'qwen3' }, {})).toThrow(/qwen3.*not supported.*llama/);
    expect(() => readHubConfig({ model_type: 'gpt2', n_embd: 768 }, {})).toThrow(
      /gpt2.*not supported.*llama/,
    );
  });

  it.each([
    [{ hidden_size: 0 }, 'hidden_size'],
    [{ hidden_size: 65 }, 'multiple of 32'],
    [{ hidden_size: '64' }, 'hidden_size'],
    [{ num_hidden_layers: 1e9 }, 'num_hidden_layers'],
    [{ num_attention_heads: 3, head_dim: 32, num_key_value_heads: 2 }, 'num_attention_heads'],
    [{ num_attention_heads: 3 }, 'head_dim'],
    [{ rope_scaling: { rope_type: 'llama3' } }, 'rope_scaling'],
    [{ attention_bias: true }, 'attention_bias'],
    [{ mlp_bias: true }, 'mlp_bias'],
    [{ hidden_act: 'gelu' }, 'gelu'],
  ])('refuses %j', (overrides, complaint) => {
    expect(() => readHubConfig({ ...hub, ...overrides }, {})).toThrow(complaint);
  });
});

describe("MLC's config", () => {
  it('is read as it was written', () => {
    const file = writeMlcConfig('tiny', TINY_CONFIG, 'q4f16_1');
    expect(readMlcConfig(JSON.parse(JSON.stringify(file)))).toEqual({ name: 'tiny', config: TINY_CONFIG });
  });

  it('names the family that it cannot run', () => {
    const file = {
      ...writeMlcConfig('tiny', TINY_CONFIG, 'q4f16_1'),
      model_type: 'gpt_neox',
      model_config: {},
    };
    expect(() => readMlcConfig(file)).toThrow(/gpt_neox.*not supported.*llama/);
  });
});
