import { Generator } from '../../../generation/generator';
import { AdapterSlot } from '../../../model/lora';
import type { Sequence } from '../../../model/packed-batch';
import { createRandom } from '../../../shared/random';
import { addReferences } from '../../../training/train';
import { Trainer } from '../../../training/trainer';
import { DEFAULT_LORA, type Hyperparameters, type TrainingExample } from '../../../training/types';
import { parseOptions } from '../../args';
import { type CliEngine, openEngine } from '../../engine';
import { modelHyperparameters } from '../../hyperparameters';
import { printJson } from '../../io';
import { GREEDY } from '../greedy';
import { median } from './rounds';

/** `bench decode|prefill|train-step`: medians over rounds after one that warms up. */
export async function bench(args: readonly string[]): Promise<void> {
  const { options, rest } = parseOptions(args, {
    model: 'string',
    rounds: 'number',
    tokens: 'number',
  });
  const { model = 'models/thumbling' } = options;
  const engine = await openEngine({ model, rank: DEFAULT_LORA.rank });
  const rounds = options.rounds ?? 7;
  const [name] = rest;
  const result =
    name === 'train-step'
      ? await trainStep(engine, await modelHyperparameters(model), rounds, options.tokens ?? 40)
      : await generation(engine, rounds, options.tokens ?? 128, name === 'decode');
  printJson({ bench: name, device: engine.runtime.gpu.info, rounds, ...result });
}

async function generation(
  { runtime }: CliEngine,
  rounds: number,
  tokens: number,
  decode: boolean,
): Promise<Record<string, Record<string, number>>> {
  const slot = new AdapterSlot(runtime.gpu, runtime.layout, 'chat');
  slot.load(null);
  // In one run, in turns: a machine's speed wanders.
  const types = runtime.gpu.device.features.has('shader-f16')
    ? (['f32', 'f16'] as const)
    : (['f32'] as const);
  const measured = await Promise.all(
    types.map(async (type) => ({
      type,
      generator: await Generator.create(runtime, slot, type),
      prefill: [] as number[],
      perToken: [] as number[],
    })),
  );
  for (let round = 0; round <= rounds; round++) {
    // Another prompt each time: nothing of it is in the cache.
    const prompt = randomIds(createRandom(round), tokens, runtime.config.vocab_size);
    for (const { generator, prefill, perToken } of measured) {
      const started = performance.now();
      await generator.logits(prompt);
      const filled = performance.now();
      const { tokenIds } = await generator.generate(prompt, {
        sampling: { ...GREEDY, max_tokens: 48 },
        seed: 0,
      });
      if (round === 0) continue;
      prefill.push(filled - started);
      perToken.push((performance.now() - filled) / tokenIds.length);
    }
  }
  return Object.fromEntries(
    measured.map(({ type, generator, prefill, perToken }) => [
      type,
      decode
        ? { ms_per_token: median(perToken), dispatches_per_token: generator.dispatchesPerToken }
        : { tokens, ms: median(prefill), tokens_per_second: (1000 * tokens) / median(prefill) },
    ]),
  );
}

async function trainStep(
  { runtime }: CliEngine,
  hyperparameters: Hyperparameters,
  rounds: number,
  tokens: number,
): Promise<Record<string, number>> {
  const trainer = await Trainer.create(runtime, { rows: 512, ...DEFAULT_LORA });
  const sequences = randomSequences(runtime.config.vocab_size, tokens);
  const judged = await addReferences(trainer, randomThumbs(sequences));
  const steps: number[] = [];
  const forwards: number[] = [];
  for (let round = 0; round <= rounds; round++) {
    const started = performance.now();
    await trainer.step(judged, hyperparameters);
    const stepped = performance.now();
    await trainer.score(sequences, 'base');
    if (round === 0) continue;
    steps.push(stepped - started);
    forwards.push(performance.now() - stepped);
  }
  const rows = sequences.reduce((sum, { prompt, reply }) => sum + prompt.length - 1 + reply.length, 0);
  return {
    tokens: rows,
    ms_per_step: median(steps),
    ms_forward: median(forwards),
    step_per_forward: median(steps.map((ms, i) => ms / (forwards[i] ?? NaN))),
  };
}

/** Eight prompts of half of `tokens` with replies of `tokens`. */
export function randomSequences(vocab: number, tokens: number): Sequence[] {
  const random = createRandom(1);
  const ids = (length: number): number[] => randomIds(random, length, vocab);
  return Array.from({ length: 8 }, () => ({ prompt: ids(tokens / 2), reply: ids(tokens) }));
}

export function randomThumbs(sequences: readonly Sequence[]): TrainingExample[] {
  return sequences.map(({ prompt, reply }, i) => ({
    kind: 'thumb',
    id: String(i),
    up: i % 2 === 0,
    prompt: [...prompt],
    reply: [...reply],
  }));
}

export function randomIds(random: ReturnType<typeof createRandom>, length: number, vocab: number): number[] {
  return Array.from({ length }, () => 3 + random.int(vocab - 3));
}
