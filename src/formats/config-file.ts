import * as v from 'valibot';
import { ThumbprintError } from '../shared/errors';
import type { ModelConfig } from './model-config';

/** Families whose forward pass this engine has. */
const SUPPORTED = ['llama'];

const size = v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(2 ** 24));
const multipleOf32 = v.pipe(
  size,
  v.check((n) => n % 32 === 0, 'must be a multiple of 32'),
);

const Shape = v.object({
  hidden_size: multipleOf32,
  intermediate_size: multipleOf32,
  num_hidden_layers: v.pipe(size, v.maxValue(1024)),
  num_attention_heads: size,
  num_key_value_heads: size,
  head_dim: multipleOf32,
  rms_norm_eps: v.pipe(v.number(), v.minValue(0), v.maxValue(1)),
  rope_theta: v.pipe(v.number(), v.minValue(1)),
  vocab_size: multipleOf32,
  tie_word_embeddings: v.optional(v.boolean(), false),
});

const MlcConfig = v.object({
  model_type: v.string(),
  model_config: v.object({ ...Shape.entries, context_window_size: size }),
  context_window_size: size,
  conv_template: v.object({
    name: v.string(),
    stop_token_ids: v.array(v.pipe(v.number(), v.integer(), v.minValue(0))),
  }),
});

const HubConfig = v.object({
  ...Shape.entries,
  model_type: v.string(),
  head_dim: v.optional(multipleOf32),
  max_position_embeddings: size,
  rope_scaling: v.optional(v.nullable(v.unknown())),
  attention_bias: v.optional(v.boolean(), false),
  mlp_bias: v.optional(v.boolean(), false),
  hidden_act: v.optional(v.string(), 'silu'),
  eos_token_id: v.optional(v.nullable(v.union([v.number(), v.array(v.number())]))),
});

/** The model of a `mlc-chat-config.json`. @throws ThumbprintError `bad-file` or `unsupported`. */
export function readMlcConfig(json: unknown): { name: string; config: ModelConfig } {
  checkFamily(json, 'mlc-chat-config.json');
  const file = parse(MlcConfig, json, 'mlc-chat-config.json');
  const config = {
    ...file.model_config,
    model_type: file.model_type,
    context_window_size: file.context_window_size,
    stop_token_ids: file.conv_template.stop_token_ids,
  };
  return { name: file.conv_template.name, config: checked(config) };
}

/**
 * The model of the hub's `config.json` and `generation_config.json`.
 * @throws ThumbprintError `bad-file` or `unsupported`.
 */
export function readHubConfig(json: unknown, generation: unknown): ModelConfig {
  checkFamily(json, 'config.json');
  const file = parse(HubConfig, json, 'config.json');
  const { max_position_embeddings, rope_scaling, attention_bias, mlp_bias, hidden_act, ...rest } = file;
  const asked = [
    rope_scaling ? 'rope_scaling' : '',
    attention_bias ? 'attention_bias' : '',
    mlp_bias ? 'mlp_bias' : '',
    hidden_act === 'silu' ? '' : `the activation ${hidden_act}`,
  ].filter((feature) => feature !== '');
  if (asked.length > 0) {
    throw new ThumbprintError('unsupported', `config.json asks for ${asked.join(', ')}: not supported.`);
  }
  const { eos_token_id } = parse(
    v.object({ eos_token_id: HubConfig.entries.eos_token_id }),
    generation,
    'generation_config.json',
  );
  const { eos_token_id: eos, head_dim = rest.hidden_size / rest.num_attention_heads, ...shape } = rest;
  parse(v.object({ head_dim: multipleOf32 }), { head_dim }, 'config.json');
  return checked({
    ...shape,
    head_dim,
    context_window_size: max_position_embeddings,
    stop_token_ids: [...new Set([eos ?? [], eos_token_id ?? []].flat())],
  });
}

/** `mlc-chat-config.json` of a model. */
export function writeMlcConfig(
  name: string,
  config: ModelConfig,
  quantization: string,
): Record<string, unknown> {
  const { model_type, stop_token_ids, ...shape } = config;
  return {
    version: '0.1.0',
    model_type,
    quantization,
    model_config: shape,
    context_window_size: config.context_window_size,
    vocab_size: config.vocab_size,
    tokenizer_files: ['tokenizer.json', 'tokenizer_config.json'],
    conv_template: { name, stop_token_ids },
  };
}

/** Asked first: another family's config has other fields, and to name those would help nobody. */
function checkFamily(json: unknown, file: string): void {
  const { model_type } = parse(v.object({ model_type: v.string() }), json, file);
  if (SUPPORTED.includes(model_type)) return;
  throw new ThumbprintError(
    'unsupported',
    `Models of type ${model_type} are not supported; these are: ${SUPPORTED.join(', ')}.`,
  );
}

function checked(config: ModelConfig): ModelConfig {
  if (config.num_attention_heads % config.num_key_value_heads !== 0) {
    throw new ThumbprintError('bad-file', 'num_attention_heads is not a multiple of num_key_value_heads.');
  }
  return config;
}

function parse<T extends v.GenericSchema>(schema: T, json: unknown, file: string): v.InferOutput<T> {
  const result = v.safeParse(schema, json);
  if (result.success) return result.output;
  const [issue] = result.issues;
  throw new ThumbprintError('bad-file', `${file}: ${v.getDotPath(issue) ?? 'the file'}: ${issue.message}.`);
}
