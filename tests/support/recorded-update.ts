/** An update of a tiny model, as the engine would have recorded it. */
import { examplesOf } from '../../src/adaptation/examples';
import { candidateDigest } from '../../src/adaptation/replay';
import type { ModelTexts } from '../../src/adaptation/texts';
import { runUpdate } from '../../src/adaptation/update';
import { writeAdapter } from '../../src/formats/adapter';
import type { ReceiptFile } from '../../src/formats/receipt-file';
import { ModelRuntime } from '../../src/model/runtime';
import { createRandom } from '../../src/shared/random';
import type { Signal } from '../../src/shared/records';
import { Trainer } from '../../src/training/trainer';
import { DEFAULT_HYPERPARAMETERS, DEFAULT_LORA } from '../../src/training/types';
import { seededAdapter } from '../reference/adapter';
import { seededModel, TINY_CONFIG } from '../reference/seeded-model';
import { testGpu, thumbling } from './gpu';

export const TRAINER_OPTIONS = { rows: 128 };
const HYPERPARAMETERS = { ...DEFAULT_HYPERPARAMETERS, steps: 6, rehearsal: 1 };
/** A tokenizer of characters. */
const tokenizer = {
  encodeChat: (turns: readonly { content: string }[]) => [
    1,
    ...turns.flatMap(({ content }) => Array.from(content, (c) => c.charCodeAt(0) % 128)),
  ],
  encodeReply: (text: string) => [...Array.from(text, (c) => c.charCodeAt(0) % 128), 2],
};

/** A model so small that an update takes a second. Who asks for it destroys it. */
export async function tinyRuntime(): Promise<ModelRuntime> {
  const folder = { ...(await thumbling()), config: TINY_CONFIG, tensors: seededModel(TINY_CONFIG, 4) };
  return ModelRuntime.of(await testGpu(), folder, DEFAULT_LORA.rank);
}

const random = createRandom(3);
const word = (): string => Array.from({ length: 4 }, () => 'abcdefgh'[random.int(8)]).join('');
const sequence = () => ({ prompt: tokenizer.encodeReply(word()), reply: tokenizer.encodeReply(word()) });
const probe = () => ({ prompt: [1, 2], wanted: [3, 4], unwanted: [5, 6] });
const TEXTS: ModelTexts = {
  anchors: { sequences: Array.from({ length: 4 }, sequence) },
  rehearsal: Array.from({ length: 4 }, sequence),
  probes: { decline: [probe()], correct: [probe()] },
};
/** What an update takes beside the runtime. */
export const tinyModel = { name: 'tiny', texts: TEXTS, tokenizer, hyperparameters: HYPERPARAMETERS };

/** An update as the engine runs it, with micro-batches that shrink and grow as the machine pleases. */
export async function recordedUpdate(runtime: ModelRuntime, withParent: boolean): Promise<ReceiptFile> {
  const signals = Array.from({ length: 6 }, (_, i): Signal => ({
    id: `s${i}`,
    kind: 'edit',
    createdAt: i,
    conversationId: 'c',
    messageId: `m${i}`,
    context: [{ role: 'user', content: word() }],
    chosen: word(),
    rejected: `${word()}${word()}`,
    adapter: 0,
    model: runtime.sha256,
  }));
  const current = withParent
    ? { ...seededAdapter(TINY_CONFIG, DEFAULT_LORA.rank, DEFAULT_LORA.lora_alpha, 9), base: runtime.sha256 }
    : null;
  const trainer = await Trainer.create(runtime, { ...TRAINER_OPTIONS, submitMs: 0.4 });
  const { examples } = examplesOf(signals, { tokenizer, model: runtime.sha256, contextLength: 64 });
  const outcome = await runUpdate(runtime, trainer, {
    current,
    train: examples,
    heldOut: [],
    learned: new Set(),
    texts: TEXTS,
    hyperparameters: HYPERPARAMETERS,
    seed: 11,
  });
  trainer.destroy();
  return {
    receipt: {
      id: 'r',
      createdAt: 0,
      decision: outcome.kept ? 'kept' : 'refused',
      reason: outcome.reason,
      model: runtime.sha256,
      parentVersion: withParent ? 3 : 0,
      signalIds: signals.map(({ id }) => id),
      heldOutIds: [],
      skipped: [],
      seed: 11,
      hyperparameters: { ...HYPERPARAMETERS, ...DEFAULT_LORA },
      losses: outcome.results.map(({ loss }) => loss),
      margins: outcome.results.map(({ margin }) => margin),
      rows: outcome.results.map(({ rows }) => rows),
      candidate: await candidateDigest(outcome, runtime, tinyModel.name),
      figures: outcome.figures,
      scale: outcome.scale,
      seconds: 1,
    },
    signals,
    learned: [],
    parent: current && {
      rank: current.rank,
      lora_alpha: current.lora_alpha,
      model: runtime.sha256,
      bytes: writeAdapter(current, TINY_CONFIG, tinyModel.name).safetensors.buffer,
    },
  };
}
