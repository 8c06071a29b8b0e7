/** Shape of a Llama-style decoder. All sizes are multiples of 32. */
export interface ModelConfig {
  model_type: string;
  hidden_size: number;
  intermediate_size: number;
  num_hidden_layers: number;
  num_attention_heads: number;
  num_key_value_heads: number;
  head_dim: number;
  rms_norm_eps: number;
  rope_theta: number;
  vocab_size: number;
  tie_word_embeddings: boolean;
  /** Positions the model was trained for; also the capacity of its KV cache. */
  context_window_size: number;
  /** Tokens that end a reply. */
  stop_token_ids: number[];
}

/** The four int4 matrices of a layer; q, k, v and gate, up are stacked along their rows. */
export type LinearName = 'qkv_proj' | 'o_proj' | 'gate_up_proj' | 'down_proj';

export interface LinearShape {
  name: LinearName;
  /** Module path inside a layer, as MLC writes it. */
  path: string;
  in: number;
  out: number;
  /** The stacked parts: PEFT adapts each by a LoRA of its own. */
  parts: { name: string; path: string; out: number }[];
}

/** Shapes of a layer's matrices in the order in which a forward pass meets them. */
export function linearShapes(config: ModelConfig): LinearShape[] {
  const { hidden_size: d, intermediate_size: ffn, head_dim } = config;
  const q = config.num_attention_heads * head_dim;
  const kv = config.num_key_value_heads * head_dim;
  const part = (block: string, name: string, out: number) => ({ name, path: `${block}.${name}`, out });
  return [
    {
      name: 'qkv_proj',
      path: 'self_attn.qkv_proj',
      in: d,
      out: q + 2 * kv,
      parts: [
        part('self_attn', 'q_proj', q),
        part('self_attn', 'k_proj', kv),
        part('self_attn', 'v_proj', kv),
      ],
    },
    { name: 'o_proj', path: 'self_attn.o_proj', in: q, out: d, parts: [part('self_attn', 'o_proj', d)] },
    {
      name: 'gate_up_proj',
      path: 'mlp.gate_up_proj',
      in: d,
      out: 2 * ffn,
      parts: [part('mlp', 'gate_proj', ffn), part('mlp', 'up_proj', ffn)],
    },
    { name: 'down_proj', path: 'mlp.down_proj', in: ffn, out: d, parts: [part('mlp', 'down_proj', d)] },
  ];
}
