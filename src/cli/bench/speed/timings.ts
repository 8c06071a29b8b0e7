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
import { perToken } from '../../../generation/timing';
import { greedy } from '../greedy';
import { compete } from './rounds';

/** Tokens of a reply that is timed. */
const DECODED = 48;

/** `bench decode|prefill|train-step`: medians over rounds. */
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
  const { vocab_size } = runtime.config;
  const types = runtime.gpu.device.features.has('shader-f16')
    ? (['f32', 'f16'] as const)
    : (['f32'] as const);
  const generators = await Promise.all(
    types.map(async (type) => ({ type, generator: await Generator.create(runtime, slot, type) })),
  );
  const random = createRandom(1);
  const times = await compete(
    generators.map(({ type, generator }) => ({
      name: type,
      // Another prompt each time: nothing of it is in the cache.
      run: async () => {
        const prompt = randomIds(random, tokens, vocab_size);
        return decode ? perToken(generator, prompt, greedy(DECODED)) : void (await generator.logits(prompt));
      },
    })),
    rounds,
  );
  return Object.fromEntries(
    generators.map(({ type, generator }) => [
      type,
      decode
        ? { ms_per_token: times.of(type), dispatches_per_token: generator.dispatchesPerToken }
        : { tokens, ms: times.of(type), tokens_per_second: (1000 * tokens) / times.of(type) },
    ]),
  );
}

async function trainStep(
  { runtime }: CliEngine,
  hyperparameters: Hyperparameters,
  rounds: number,
  tokens: number,
): Promise<Record<string, number>> {
  const trainer = await Trainer.create(runtime, { rows: 512 });
  const sequences = randomSequences(runtime.config.vocab_size, tokens);
  const judged = await addReferences(trainer, randomThumbs(sequences));
  const times = await compete(
    [
      { name: 'step', run: () => trainer.step(judged, hyperparameters) },
      { name: 'forward', run: () => trainer.score(sequences, 'base') },
    ],
    rounds,
  );
  const rows = sequences.reduce((sum, { prompt, reply }) => sum + prompt.length - 1 + reply.length, 0);
  return {
    tokens: rows,
    ms_per_step: times.of('step'),
    ms_forward: times.of('forward'),
    step_per_forward: times.ratio('step', 'forward'),
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
