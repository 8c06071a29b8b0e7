import { DeviceTurns } from '../../../engine/device-turns';
import { SUBMIT_MS } from '../../../engine/updates';
import { emptyAdapter } from '../../../formats/adapter';
import type { ModelFolder } from '../../../formats/model-folder';
import { Generator } from '../../../generation/generator';
import { perToken } from '../../../generation/timing';
import { copyBandwidth } from '../../../gpu/bandwidth';
import type { Gpu } from '../../../gpu/device';
import { AdapterSlot } from '../../../model/lora';
import { ModelRuntime } from '../../../model/runtime';
import { createRandom } from '../../../shared/random';
import { addReferences } from '../../../training/train';
import { Trainer } from '../../../training/trainer';
import { DEFAULT_LORA, type Hyperparameters, type TrainingExample } from '../../../training/types';
import { greedy } from '../greedy';
import { compete } from './rounds';
import { randomIds, randomSequences, randomThumbs } from './timings';

const TOKENS = 32;

/** What the goals ask of chat and training, apart from peers. Times in milliseconds. */
export interface LoopFigures {
  /** Bytes read and written a second by copies of 64 MiB. */
  copyBytesPerSecond: number;
  token: number;
  swap: number;
  step: number;
  forward: number;
  stepPerForward: number;
  /** A step of lone replies beside one of as many replies in pairs. */
  unsharedPerShared: number;
  reply: number;
  /** A token of a reply while training, beside one without. */
  whileTraining: number;
}

export async function measureLoop(
  gpu: Gpu,
  folder: ModelFolder,
  hyperparameters: Hyperparameters,
  rounds: number,
): Promise<LoopFigures> {
  const runtime = ModelRuntime.of(gpu, folder, DEFAULT_LORA.rank);
  const slot = new AdapterSlot(gpu, runtime.layout, 'bench');
  slot.load(null);
  const generator = await Generator.create(runtime, slot);
  const trainer = await Trainer.create(runtime, { rows: 512 });
  try {
    const chat = await measureChat(runtime, { generator, slot, hyperparameters, rounds });
    return {
      copyBytesPerSecond: await copyBandwidth(gpu),
      ...chat,
      ...(await measureSteps(runtime, trainer, hyperparameters, rounds)),
    };
  } finally {
    trainer.destroy();
    generator.destroy();
    slot.destroy();
    runtime.destroy();
  }
}

async function measureChat(
  runtime: ModelRuntime,
  bench: {
    generator: Generator;
    slot: AdapterSlot;
    hyperparameters: Hyperparameters;
    rounds: number;
  },
): Promise<Pick<LoopFigures, 'token' | 'swap' | 'reply' | 'whileTraining'>> {
  const { generator, slot, hyperparameters, rounds } = bench;
  const turns = new DeviceTurns();
  const never = new AbortController().signal;
  const { vocab_size } = runtime.config;
  const trainer = await Trainer.create(runtime, {
    rows: 512,
    submitMs: SUBMIT_MS,
    turn: () => turns.background(never),
  });
  const examples = await addReferences(trainer, randomThumbs(randomSequences(vocab_size, 40)));
  const random = createRandom(5);
  const reply = async (): Promise<number> => {
    const prompt = randomIds(random, TOKENS, vocab_size);
    const started = performance.now();
    const { tokenIds } = await turns.foreground(() => generator.generate(prompt, greedy(TOKENS)));
    return (performance.now() - started) / tokenIds.length;
  };
  const whileTraining = async (): Promise<number> => {
    const step = trainer.step(examples, hyperparameters);
    // Somewhere in the middle of its submits.
    await new Promise((resolve) => setTimeout(resolve, 60 + 10 * random.int(8)));
    const ms = await reply();
    await step;
    return ms;
  };
  const prompt = randomIds(random, TOKENS, vocab_size);
  const other = emptyAdapter(runtime.config, runtime.sha256, { ...DEFAULT_LORA, seed: 2 });
  const swap = async (): Promise<void> => {
    slot.load(other);
    await runtime.gpu.device.queue.onSubmittedWorkDone();
  };
  const times = await compete(
    [
      { name: 'reply', run: reply },
      { name: 'whileTraining', run: whileTraining },
      { name: 'token', run: () => perToken(generator, prompt, greedy(TOKENS)) },
      { name: 'swap', run: swap },
    ],
    rounds,
  );
  trainer.destroy();
  return {
    token: times.of('token'),
    swap: times.of('swap'),
    reply: times.of('reply'),
    whileTraining: times.ratio('whileTraining', 'reply'),
  };
}

async function measureSteps(
  runtime: ModelRuntime,
  trainer: Trainer,
  hyperparameters: Hyperparameters,
  rounds: number,
): Promise<Pick<LoopFigures, 'step' | 'forward' | 'stepPerForward' | 'unsharedPerShared'>> {
  const { vocab_size } = runtime.config;
  const sequences = randomSequences(vocab_size, 40);
  const thumbs = await addReferences(trainer, randomThumbs(sequences));
  const random = createRandom(6);
  const ids = (count: number): number[] => randomIds(random, count, vocab_size);
  // Four prompts of 80 with two replies of 20 each; then each reply with a prompt of its own.
  const pairs = Array.from({ length: 4 }, (_, i): TrainingExample => ({
    kind: 'pair',
    id: String(i),
    prompt: ids(80),
    chosen: ids(20),
    rejected: ids(20),
  }));
  const lone = randomThumbs(Array.from({ length: 8 }, () => ({ prompt: ids(80), reply: ids(20) })));
  const [shared, unshared] = [await addReferences(trainer, pairs), await addReferences(trainer, lone)];
  const times = await compete(
    [
      { name: 'step', run: () => trainer.step(thumbs, hyperparameters) },
      { name: 'forward', run: () => trainer.score(sequences, 'base') },
      { name: 'shared', run: () => trainer.step(shared, hyperparameters) },
      { name: 'unshared', run: () => trainer.step(unshared, hyperparameters) },
    ],
    rounds,
  );
  return {
    step: times.of('step'),
    forward: times.of('forward'),
    stepPerForward: times.ratio('step', 'forward'),
    unsharedPerShared: times.ratio('unshared', 'shared'),
  };
}
