/** An update of a tiny model, as the engine would have recorded it. */
import { type ExampleOptions, examplesOf } from '../../src/adaptation/examples';
import { candidateDigest } from '../../src/adaptation/replay';
import { type ModelTexts, textsSha256 } from '../../src/adaptation/texts';
import { runUpdate } from '../../src/adaptation/update';
import { writeAdapter } from '../../src/formats/adapter';
import type { ReceiptFile } from '../../src/formats/receipt-file';
import type { AdapterWeights } from '../../src/formats/tensors';
import { deviceName } from '../../src/gpu/device';
import { ModelRuntime } from '../../src/model/runtime';
import { createRandom } from '../../src/shared/random';
import type { Signal } from '../../src/shared/records';
import { Trainer } from '../../src/training/trainer';
import {
  DEFAULT_HYPERPARAMETERS,
  DEFAULT_LORA,
  type Hyperparameters,
  loraOf,
} from '../../src/training/types';
import { seededAdapter } from '../reference/adapter';
import { seededModel, TINY_CONFIG } from '../reference/seeded-model';
import { testGpu, thumbling } from './gpu';

export const TRAINER_OPTIONS = { rows: 128 };
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
export const tinyModel = {
  name: 'tiny',
  texts: TEXTS,
  tokenizer,
  hyperparameters: { ...DEFAULT_HYPERPARAMETERS, steps: 6, rehearsal: 1 },
};

/** An update of the tiny model from six edits, of the base or of an adapter. */
export async function recordedUpdate(runtime: ModelRuntime, withParent: boolean): Promise<ReceiptFile> {
  const current = withParent
    ? { ...seededAdapter(TINY_CONFIG, DEFAULT_LORA.rank, DEFAULT_LORA.lora_alpha, 9), base: runtime.sha256 }
    : null;
  const edits = Array.from({ length: 6 }, () => ({
    prompt: word(),
    chosen: word(),
    rejected: `${word()}${word()}`,
  }));
  return recordUpdate(runtime, tinyModel, edits, current);
}

/** An update as the engine runs it, with micro-batches that shrink and grow as the machine pleases. */
export async function recordUpdate(
  runtime: ModelRuntime,
  model: {
    name: string;
    texts: ModelTexts;
    tokenizer: ExampleOptions['tokenizer'];
    hyperparameters: Hyperparameters;
  },
  edits: readonly { prompt: string; chosen: string; rejected: string }[],
  current: AdapterWeights | null,
): Promise<ReceiptFile> {
  const { config, sha256 } = runtime;
  const signals = edits.map(({ prompt, chosen, rejected }, i): Signal => ({
    id: `s${i}`,
    kind: 'edit',
    createdAt: i,
    conversationId: 'c',
    messageId: `m${i}`,
    context: [{ role: 'user', content: prompt }],
    chosen,
    rejected,
    adapter: 0,
    model: sha256,
  }));
  const { texts, hyperparameters } = model;
  const contextLength = config.context_window_size;
  const trainer = await Trainer.create(runtime, { rows: 2 * contextLength, submitMs: 0.4 });
  const { examples } = examplesOf(signals, { tokenizer: model.tokenizer, model: sha256, contextLength });
  const outcome = await runUpdate(runtime, trainer, {
    current,
    train: examples,
    heldOut: [],
    learned: new Set(),
    texts,
    hyperparameters,
    seed: 11,
  });
  trainer.destroy();
  return {
    receipt: {
      id: 'r',
      createdAt: 0,
      decision: outcome.kept ? 'kept' : 'refused',
      reason: outcome.reason,
      model: sha256,
      parentVersion: current ? 3 : 0,
      signalIds: signals.map(({ id }) => id),
      heldOutIds: [],
      skipped: [],
      seed: 11,
      hyperparameters: { ...hyperparameters, ...loraOf(hyperparameters) },
      losses: outcome.results.map(({ loss }) => loss),
      margins: outcome.results.map(({ margin }) => margin),
      rows: outcome.results.map(({ rows }) => rows),
      candidate: await candidateDigest(outcome, runtime, model.name),
      figures: outcome.figures,
      scale: outcome.scale,
      seconds: 1,
      gateSeconds: outcome.gateSeconds,
      device: deviceName(runtime.gpu.info),
      textsSha256: await textsSha256(texts),
    },
    signals,
    learned: [],
    parent: current && {
      rank: current.rank,
      lora_alpha: current.lora_alpha,
      model: sha256,
      bytes: writeAdapter(current, config, model.name).safetensors.buffer,
    },
  };
}
