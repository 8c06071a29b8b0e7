import * as v from 'valibot';
import { ThumbprintError } from '../shared/errors';
import { createRandom } from '../shared/random';
import type { AdapterRecord } from '../shared/records';
import { LARGEST_HALF } from './half';
import { linearShapes, type ModelConfig } from './model-config';
import { readSafetensors, writeSafetensors } from './safetensors';
import type { AdapterWeights, LoraTensor } from './tensors';

const PREFIX = 'base_model.model.';

/** Where a safetensors file of ours carries its adapter_config.json. */
const CONFIG_KEY = 'adapter_config';

const AdapterConfig = v.object({
  peft_type: v.string(),
  r: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(256)),
  lora_alpha: v.pipe(v.number(), v.minValue(0)),
  bias: v.optional(v.string(), 'none'),
  use_dora: v.optional(v.boolean(), false),
  use_rslora: v.optional(v.boolean(), false),
  /** A pattern instead of a list says nothing that could be checked. */
  target_modules: v.nullish(v.union([v.array(v.string()), v.string()])),
  /** Only these layers are adapted. */
  layers_to_transform: v.nullish(v.unknown()),
  rank_pattern: v.nullish(v.record(v.string(), v.unknown())),
  alpha_pattern: v.nullish(v.record(v.string(), v.unknown())),
  thumbprint_base_sha256: v.optional(v.string()),
});

/** One adapted projection of a model. */
interface Projection {
  /** PEFT's module path: `model.layers.0.self_attn.q_proj`. */
  path: string;
  in: number;
  out: number;
}

/** All projections an adapter covers, in the order of a forward pass. */
export function projections(config: ModelConfig): Projection[] {
  return Array.from({ length: config.num_hidden_layers }, (_, layer) =>
    linearShapes(config).flatMap((shape) =>
      shape.parts.map((part) => ({
        path: `model.layers.${layer}.${part.path}`,
        in: shape.in,
        out: part.out,
      })),
    ),
  ).flat();
}

/** A fresh adapter: A ~ U(±1/√in) from the seed, B = 0, so that it changes nothing (Hu et al. 2021, section 4.1). */
export function emptyAdapter(
  config: ModelConfig,
  base: string,
  options: { rank: number; lora_alpha: number; seed: number },
): AdapterWeights {
  const random = createRandom(options.seed);
  const tensors = new Map<string, LoraTensor>();
  for (const projection of projections(config)) {
    const bound = 1 / Math.sqrt(projection.in);
    const a = Float32Array.from(
      { length: options.rank * projection.in },
      () => (random.float() * 2 - 1) * bound,
    );
    tensors.set(projection.path, { a, b: new Float32Array(projection.out * options.rank) });
  }
  return { rank: options.rank, lora_alpha: options.lora_alpha, base, tensors };
}

/** The same adapter with `scale` times its effect. */
export function scaleAdapter(adapter: AdapterWeights, scale: number): AdapterWeights {
  const tensors = new Map<string, LoraTensor>();
  for (const [path, { a, b }] of adapter.tensors) {
    tensors.set(path, { a, b: b.map((value) => value * scale) });
  }
  return { ...adapter, tensors };
}

/** The two files of a PEFT adapter folder. */
export interface AdapterFiles {
  safetensors: Uint8Array<ArrayBuffer>;
  adapterConfig: Record<string, unknown>;
}

/** An adapter as PEFT stores it. @param baseName for `base_model_name_or_path`. */
export function writeAdapter(adapter: AdapterWeights, config: ModelConfig, baseName: string): AdapterFiles {
  const tensors = new Map<string, { shape: number[]; data: Float32Array }>();
  for (const projection of projections(config)) {
    const tensor = adapter.tensors.get(projection.path);
    if (!tensor) continue;
    const name = PREFIX + projection.path;
    tensors.set(`${name}.lora_A.weight`, { shape: [adapter.rank, projection.in], data: tensor.a });
    tensors.set(`${name}.lora_B.weight`, { shape: [projection.out, adapter.rank], data: tensor.b });
  }
  const paths = [...adapter.tensors.keys()];
  const target_modules = linearShapes(config)
    .flatMap((shape) => shape.parts.map((part) => part.name))
    .filter((name) => paths.some((path) => path.endsWith(`.${name}`)));
  const adapterConfig = {
    peft_type: 'LORA',
    task_type: 'CAUSAL_LM',
    base_model_name_or_path: baseName,
    r: adapter.rank,
    lora_alpha: adapter.lora_alpha,
    lora_dropout: 0,
    bias: 'none',
    fan_in_fan_out: false,
    inference_mode: true,
    target_modules,
    thumbprint_base_sha256: adapter.base,
  };
  // In the weights too, so that this file alone is enough to come back here.
  return {
    safetensors: writeSafetensors(tensors, { [CONFIG_KEY]: JSON.stringify(adapterConfig) }),
    adapterConfig,
  };
}

/**
 * An adapter as it is kept in storage or in a receipt: weights whose config lies beside them in fields.
 * @throws ThumbprintError as `readAdapter` does.
 */
export function readStoredAdapter(
  { bytes, rank, lora_alpha, model }: Pick<AdapterRecord, 'bytes' | 'rank' | 'lora_alpha' | 'model'>,
  config: ModelConfig,
  base: string,
): AdapterWeights {
  const adapterConfig = { peft_type: 'LORA', r: rank, lora_alpha, thumbprint_base_sha256: model };
  return readAdapter(new Uint8Array(bytes), adapterConfig, config, base);
}

/**
 * The config that a safetensors file of ours carries.
 * @throws ThumbprintError `bad-file` when it carries none, or the file cannot be parsed.
 */
export function configWithin(safetensors: Uint8Array<ArrayBuffer>): unknown {
  const text = readSafetensors(safetensors, 'adapter_model.safetensors').metadata[CONFIG_KEY];
  if (text === undefined) {
    throw new ThumbprintError('bad-file', 'This adapter needs its adapter_config.json: choose both files.');
  }
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new ThumbprintError('bad-file', 'The config within the adapter is not JSON.', { cause });
  }
}

/**
 * The same adapter as one of another rank and alpha, by which it can be trained on: more ranks that do nothing yet, and
 * B scaled so that α/r·B·A stays what it was.
 * @throws ThumbprintError `mismatch` when it has more ranks than that.
 */
export function withRank(
  adapter: AdapterWeights,
  { rank, lora_alpha }: { rank: number; lora_alpha: number },
): AdapterWeights {
  if (adapter.rank > rank) {
    throw new ThumbprintError(
      'mismatch',
      `The adapter has rank ${adapter.rank}; adapters of up to rank ${rank} can be used here.`,
    );
  }
  const factor = adapter.lora_alpha / adapter.rank / (lora_alpha / rank);
  const tensors = new Map<string, LoraTensor>();
  for (const [path, tensor] of adapter.tensors) {
    const width = tensor.a.length / adapter.rank;
    const out = tensor.b.length / adapter.rank;
    const [a, b] = [new Float32Array(rank * width), new Float32Array(out * rank)];
    a.set(tensor.a);
    for (let row = 0; row < out; row++) {
      for (let i = 0; i < adapter.rank; i++) {
        b[row * rank + i] = factor * (tensor.b[row * adapter.rank + i] ?? 0);
      }
    }
    tensors.set(path, { a, b });
  }
  return { rank, lora_alpha, base: adapter.base, tensors };
}

/**
 * Reads a PEFT adapter for this model. Modules it does not adapt become zero; one whose tensors are lost, by its
 * `target_modules` or because the other half is there, is refused.
 * @param base sha-256 of the model; an adapter that names another is refused, one that names none is accepted.
 * @throws ThumbprintError `mismatch` that lists everything that does not fit, `bad-file` when it cannot be parsed.
 */
export function readAdapter(
  safetensors: Uint8Array<ArrayBuffer>,
  adapterConfig: unknown,
  config: ModelConfig,
  base: string,
): AdapterWeights {
  const parsed = v.safeParse(AdapterConfig, adapterConfig);
  if (!parsed.success) {
    const [issue] = parsed.issues;
    throw new ThumbprintError(
      'bad-file',
      `adapter_config.json: ${v.getDotPath(issue) ?? ''}: ${issue.message}.`,
    );
  }
  const { r, lora_alpha } = parsed.output;
  const problems = configProblems(parsed.output, base);
  const file = readSafetensors(safetensors, 'adapter_model.safetensors');
  const unknown = new Set(file.names);
  const tensors = new Map<string, LoraTensor>();
  for (const projection of projections(config)) {
    const nameOf = (half: 'A' | 'B'): string => `${PREFIX}${projection.path}.lora_${half}.weight`;
    const adapted =
      isTarget(projection.path, parsed.output) ||
      [nameOf('A'), nameOf('B')].some((name) => file.shapeOf(name) !== undefined);
    const take = (half: 'A' | 'B', shape: number[]): Float32Array<ArrayBuffer> => {
      const name = nameOf(half);
      unknown.delete(name);
      const found = file.shapeOf(name);
      if (found?.join() === shape.join()) return file.read(name).data;
      if (found) problems.push(`${name} has shape [${found.join(', ')}] instead of [${shape.join(', ')}]`);
      else if (adapted) problems.push(`${name} is missing`);
      return new Float32Array(shape.reduce((product, n) => product * n, 1));
    };
    const tensor = { a: take('A', [r, projection.in]), b: take('B', [projection.out, r]) };
    const fits = (value: number): boolean => Math.abs(value) <= LARGEST_HALF;
    if (!tensor.a.every(fits) || !tensor.b.every(fits))
      problems.push(`${projection.path} holds numbers that are not finite or larger than ${LARGEST_HALF}`);
    tensors.set(projection.path, tensor);
  }
  if (unknown.size > 0) problems.push(`this model has no ${[...unknown].join(', ')}`);
  if (unknown.size === file.names.length) problems.push('it adapts nothing of this model');
  if (problems.length > 0) {
    throw new ThumbprintError('mismatch', `The adapter does not fit this model: ${problems.join('; ')}.`);
  }
  return { rank: r, lora_alpha, base, tensors };
}

type PeftConfig = v.InferOutput<typeof AdapterConfig>;

/** What an adapter's config asks for that this engine would not compute. */
function configProblems(config: PeftConfig, base: string): string[] {
  const problems: string[] = [];
  const { peft_type, bias, thumbprint_base_sha256: trainedOn } = config;
  if (peft_type !== 'LORA') problems.push(`its type is ${peft_type}, not LORA`);
  if (bias !== 'none') problems.push(`it trains biases (${bias})`);
  if (config.use_dora) problems.push('it uses DoRA');
  if (config.use_rslora) problems.push('it uses rank-stabilized scaling');
  for (const pattern of ['rank_pattern', 'alpha_pattern'] as const) {
    if (Object.keys(config[pattern] ?? {}).length > 0)
      problems.push(`it has a ${pattern}, modules that differ in it are not supported`);
  }
  if (trainedOn !== undefined && trainedOn !== base)
    problems.push(`it was trained on model ${trainedOn.slice(0, 12)}, this is ${base.slice(0, 12)}`);
  return problems;
}

/** Whether the config says for certain that a module is adapted; PEFT matches whole ends of its path. */
function isTarget(path: string, { target_modules, layers_to_transform }: PeftConfig): boolean {
  if (!Array.isArray(target_modules) || (layers_to_transform ?? null) !== null) return false;
  return target_modules.some((target) => path === target || path.endsWith(`.${target}`));
}
