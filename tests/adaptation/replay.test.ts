import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { examplesOf } from '../../src/adaptation/examples';
import { candidateDigest, replay } from '../../src/adaptation/replay';
import type { ModelTexts } from '../../src/adaptation/texts';
import { runUpdate } from '../../src/adaptation/update';
import { writeAdapter } from '../../src/formats/adapter';
import { readReceiptFile, type ReceiptFile, writeReceiptFile } from '../../src/formats/receipt-file';
import { ModelRuntime } from '../../src/model/runtime';
import { createRandom } from '../../src/shared/random';
import type { Signal } from '../../src/shared/records';
import { Trainer } from '../../src/training/trainer';
import { DEFAULT_HYPERPARAMETERS, DEFAULT_LORA } from '../../src/training/types';
import { seededAdapter } from '../reference/adapter';
import { seededModel, TINY_CONFIG } from '../reference/seeded-model';
import { testGpu, thumbling } from '../support/gpu';

const OPTIONS = { rows: 128, ...DEFAULT_LORA };
const HYPERPARAMETERS = { ...DEFAULT_HYPERPARAMETERS, steps: 6, rehearsal: 1 };
const NAME = 'tiny';
/** A tokenizer of characters. */
const tokenizer = {
  encodeChat: (turns: readonly { content: string }[]) => [
    1,
    ...turns.flatMap(({ content }) => Array.from(content, (c) => c.charCodeAt(0) % 128)),
  ],
  encodeReply: (text: string) => [...Array.from(text, (c) => c.charCodeAt(0) % 128), 2],
};

let runtime: ModelRuntime;
beforeAll(async () => {
  const folder = { ...(await thumbling()), config: TINY_CONFIG, tensors: seededModel(TINY_CONFIG, 4) };
  runtime = new ModelRuntime(await testGpu(), folder, DEFAULT_LORA.rank);
});
afterAll(() => runtime.destroy());

const random = createRandom(3);
const word = (): string => Array.from({ length: 4 }, () => 'abcdefgh'[random.int(8)]).join('');
const sequence = () => ({ prompt: tokenizer.encodeReply(word()), reply: tokenizer.encodeReply(word()) });
const probe = () => ({ prompt: [1, 2], wanted: [3, 4], unwanted: [5, 6] });
const TEXTS: ModelTexts = {
  anchors: { sequences: Array.from({ length: 4 }, sequence) },
  rehearsal: Array.from({ length: 4 }, sequence),
  probes: { decline: [probe()], correct: [probe()] },
};
const model = { name: NAME, texts: TEXTS, tokenizer };

/** An update as the engine runs it, with micro-batches that shrink and grow as the machine pleases. */
async function recorded(withParent: boolean): Promise<ReceiptFile> {
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
  const trainer = await Trainer.create(runtime, { ...OPTIONS, submitMs: 0.4 });
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
      candidate: await candidateDigest(outcome, runtime, NAME),
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
      bytes: writeAdapter(current, TINY_CONFIG, NAME).safetensors.buffer,
    },
  };
}

describe('a receipt', () => {
  it.each([
    ['the base', false],
    ['an adapter', true],
  ])('of an update of %s is enough to repeat it bit for bit', async (_, withParent) => {
    const file = await recorded(withParent);
    const trainer = await Trainer.create(runtime, OPTIONS);
    const read = readReceiptFile(writeReceiptFile(file));
    expect(read).toEqual(file);
    expect(await replay(runtime, trainer, read, model)).toMatchObject({
      identical: true,
      sameDecision: true,
      differences: [],
    });
    // Another seed is another update.
    const other = { ...read, receipt: { ...read.receipt, seed: 12 } };
    const changed = await replay(runtime, trainer, other, model);
    expect(changed.identical).toBe(false);
    expect(changed.differences.length).toBeGreaterThan(0);
    trainer.destroy();
  });

  it('of another base model, or of an update without an end, is refused', async () => {
    const file = await recorded(false);
    const trainer = await Trainer.create(runtime, OPTIONS);
    const with_ = (changes: Partial<ReceiptFile['receipt']>) =>
      replay(runtime, trainer, { ...file, receipt: { ...file.receipt, ...changes } }, model);
    await expect(with_({ model: 'another' })).rejects.toThrow('the model at hand is');
    await expect(with_({ decision: 'cancelled' })).rejects.toThrow('not finished');
    trainer.destroy();
  });
});
