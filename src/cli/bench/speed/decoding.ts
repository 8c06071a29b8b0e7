import { emptyAdapter } from '../../../formats/adapter';
import type { ModelFolder } from '../../../formats/model-folder';
import type { Gpu } from '../../../gpu/device';
import { Generator } from '../../../generation/generator';
import { perToken } from '../../../generation/timing';
import { AdapterSlot } from '../../../model/lora';
import { ModelRuntime } from '../../../model/runtime';
import { createRandom } from '../../../shared/random';
import { Trainer } from '../../../training/trainer';
import { DEFAULT_LORA } from '../../../training/types';
import { greedy } from '../greedy';
import { ONNX_FORMS, OnnxDecoder } from '../peers/onnxruntime';
import { compete, type Contestant } from './rounds';
import { randomIds } from './timings';

const PROMPT_TOKENS = 32;

export interface DecodeRow {
  model: string;
  parameters: number;
  /** Milliseconds a token by contestant, after a prompt of 32. */
  ms: Record<string, number>;
  /** Dispatches that a token of ours takes, sampling included. */
  dispatches: number;
  layers: number;
  /** A token with an adapter beside one without. */
  adapters: AdapterRatio[];
  /** Bytes that training takes beyond the weights: micro-batches of 256 tokens, no activations kept, rank 8. */
  trainingBytes: number;
}

export interface AdapterRatio {
  rank: number;
  ratio: number;
  /** Bytes of the adapter beside those of the weights that a token reads. */
  bytes: number;
}

const RANKS = [4, 8];
/** Tokens of a micro-batch whose memory is told. */
const TRAINED_ROWS = 256;
/** Adapters cost little: it takes more rounds to see how much. */
const ADAPTER_RUNS = { rounds: 25, tokens: 8 };

/** Times decoding with the same weights, here and in ONNX Runtime, where nobody has an adapter; then ours with one. */
export async function measureDecoding(
  gpu: Gpu,
  folder: ModelFolder,
  { rounds, tokens }: { rounds: number; tokens: number },
): Promise<DecodeRow> {
  // No token ends a reply: all decode as many.
  const config = { ...folder.config, stop_token_ids: [] };
  const adapters: AdapterRatio[] = [];
  for (const rank of RANKS) adapters.push(await adapterRatio(gpu, { ...folder, config }, rank));
  const runtime = ModelRuntime.of(gpu, { ...folder, config }, DEFAULT_LORA.rank);
  const trainingBytes = await bytesOfTraining(runtime);
  const slot = new AdapterSlot(gpu, runtime.layout, 'bench');
  slot.load(null);
  const prompt = randomIds(createRandom(3), PROMPT_TOKENS, config.vocab_size);
  const contestants: Contestant[] = [];
  const types = gpu.device.features.has('shader-f16') ? (['f32', 'f16'] as const) : (['f32'] as const);
  const generators = await Promise.all(types.map((type) => Generator.create(runtime, slot, type)));
  generators.forEach((generator, i) => {
    const name = types[i] === 'f16' ? 'ours, keys and values in f16' : 'ours';
    contestants.push({ name, run: () => perToken(generator, prompt, greedy(tokens)) });
  });
  const decoders: OnnxDecoder[] = [];
  for (const { name, provider, accuracy } of ONNX_FORMS) {
    const decoder = await OnnxDecoder.create(config, folder.tensors, provider, accuracy);
    decoders.push(decoder);
    contestants.push({ name, run: () => onnxPerToken(decoder, prompt, tokens) });
  }
  try {
    return {
      model: folder.name,
      parameters: folder.parameters,
      ms: (await compete(contestants, rounds)).medians(),
      dispatches: generators[0]?.dispatchesPerToken ?? NaN,
      layers: config.num_hidden_layers,
      adapters,
      trainingBytes,
    };
  } finally {
    for (const generator of generators) generator.destroy();
    for (const decoder of decoders) await decoder.destroy();
    slot.destroy();
    runtime.destroy();
  }
}

async function onnxPerToken(
  decoder: OnnxDecoder,
  prompt: readonly number[],
  tokens: number,
): Promise<number> {
  decoder.reset();
  let logits = await decoder.next(prompt);
  const started = performance.now();
  for (let n = 1; n < tokens; n++) logits = await decoder.next([likeliest(logits)]);
  return (performance.now() - started) / (tokens - 1);
}

function likeliest(logits: Float32Array): number {
  return logits.reduce((best, value, id) => (value > (logits[best] ?? -Infinity) ? id : best), 0);
}

async function adapterRatio(gpu: Gpu, folder: ModelFolder, rank: number): Promise<AdapterRatio> {
  const { rounds, tokens } = ADAPTER_RUNS;
  const { config, sha256, tensors } = folder;
  const runtime = ModelRuntime.of(gpu, folder, rank);
  const prompt = randomIds(createRandom(4), PROMPT_TOKENS, config.vocab_size);
  const adapter = emptyAdapter(config, sha256, { rank, lora_alpha: 2 * rank, seed: 1 });
  const slots = [null, adapter].map((loaded) => {
    const slot = new AdapterSlot(gpu, runtime.layout, 'bench');
    slot.load(loaded);
    return slot;
  });
  const generators = await Promise.all(slots.map((slot) => Generator.create(runtime, slot)));
  const times = await compete(
    generators.map((generator, i) => ({
      name: i === 0 ? 'without' : 'with',
      run: () => perToken(generator, prompt, greedy(tokens)),
    })),
    rounds,
  );
  const { size } = runtime.layout;
  for (const generator of generators) generator.destroy();
  for (const slot of slots) slot.destroy();
  runtime.destroy();
  return {
    rank,
    ratio: times.ratio('with', 'without'),
    // In halves.
    bytes: (size * 2) / bytesOf(tensors),
  };
}

async function bytesOfTraining(runtime: ModelRuntime): Promise<number> {
  const { gpu } = runtime;
  const before = gpu.liveBytes;
  const trainer = await Trainer.create(runtime, { rows: TRAINED_ROWS, keepBytes: 0 });
  const bytes = gpu.liveBytes - before;
  trainer.destroy();
  return bytes;
}

/** Bytes of the weights, the head's among them. */
function bytesOf(tensors: ModelFolder['tensors']): number {
  return [...tensors.values()].reduce(
    (sum, tensor) =>
      sum +
      (tensor.kind === 'int4' ? tensor.weight.byteLength + tensor.scale.byteLength : tensor.data.byteLength),
    0,
  );
}
