import { describe, expect, it } from 'vitest';
import {
  readReceiptFile,
  type ReceiptFile,
  unknownFields,
  writeReceiptFile,
} from '../../src/formats/receipt-file';
import { createRandom } from '../../src/shared/random';
import { DEFAULT_HYPERPARAMETERS } from '../../src/training/types';
import { fuzz } from '../support/fuzz';

const FILE: ReceiptFile = {
  receipt: {
    id: 'r',
    createdAt: 1,
    decision: 'kept',
    reason: 'Kept: …',
    model: 'm',
    parentVersion: 1,
    version: 2,
    signalIds: ['a'],
    heldOutIds: ['b'],
    skipped: [{ signalId: 'c', reason: 'The reply is empty.' }],
    seed: 2 ** 32 - 1,
    hyperparameters: { steps: 2, learning_rate: 1e-3, lora_alpha: 16 },
    losses: [0.7, 0.6],
    margins: [0, 1],
    rows: [64, 128],
    candidate: 'f'.repeat(64),
    figures: [{ name: 'unseen_gain', before: 0.5, after: 1, limit: 0.05, p: 0.01, count: 8, passed: true }],
    scale: 0.5,
    predictions: { a: 2.5, b: -1 },
    outdatedIds: ['a'],
    seconds: 3,
    gateSeconds: 1,
    device: 'llvmpipe',
    textsSha256: 'e'.repeat(64),
  },
  signals: [
    {
      id: 'a',
      kind: 'edit',
      createdAt: 0,
      conversationId: 'c',
      messageId: 'm',
      context: [{ role: 'user', content: 'Hi “you” 👋' }],
      chosen: 'Hello',
      rejected: 'What',
      cut: { rejected: true },
      adapter: 1,
      model: 'm',
      reference: { chosen: -3.25, rejected: -8 },
    },
    {
      id: 'b',
      kind: 'up',
      createdAt: 0,
      conversationId: 'c',
      messageId: 'm2',
      context: [{ role: 'user', content: 'Hi' }],
      chosen: 'Hello',
      adapter: 1,
      model: 'm',
    },
  ],
  learned: ['z'],
  // Larger than what one call takes as arguments.
  parent: {
    rank: 8,
    lora_alpha: 16,
    model: 'm',
    bytes: Uint8Array.from({ length: 100_000 }, (_, i) => i).buffer,
  },
};

describe('the file of a receipt', () => {
  it('holds everything, also of an update of the base', () => {
    expect(readReceiptFile(writeReceiptFile(FILE))).toEqual(FILE);
    expect(readReceiptFile(writeReceiptFile({ ...FILE, parent: null })).parent).toBeNull();
  });

  it.each([
    ['not JSON', 'hello', /it is not JSON/],
    ['another file', '{"format":"something"}', /format/],
    [
      'a signal missing',
      writeReceiptFile({ ...FILE, signals: FILE.signals.slice(1) }),
      /signal a is missing/,
    ],
    [
      'a loss that is no number',
      writeReceiptFile(FILE).replace('0.7', '"much"'),
      /receipt\.losses\.0: .*Export it again/,
    ],
    [
      'several faults',
      writeReceiptFile(FILE).replace('0.7', '"much"').replace('4294967295', '4294967296'),
      /receipt\.seed: .*; receipt\.losses\.0: /,
    ],
    [
      'a time that is no date',
      writeReceiptFile(FILE).replace(/"createdAt": \d+/, '"createdAt": 1e16'),
      /createdAt/,
    ],
    [
      'a figure twice',
      writeReceiptFile({
        ...FILE,
        receipt: { ...FILE.receipt, figures: [...FILE.receipt.figures, ...FILE.receipt.figures] },
      }),
      /receipt\.figures: a figure stands there twice/,
    ],
    [
      'a parent that is no base64',
      writeReceiptFile(FILE).replace('"safetensors": "', '"safetensors": "!'),
      /^.{0,120}parent\.safetensors: must be base64.{0,40}$/,
    ],
    ['more faults than a message can name', JSON.stringify({ learned: Array(20).fill(1) }), /; 17 more\./],
    ['a seed of its own', writeReceiptFile(FILE).replace('4294967295', '4294967296'), /receipt\.seed/],
  ])('is refused with %s', (_, text, message) => {
    expect(() => readReceiptFile(text)).toThrow(message);
  });

  it.each([
    ['steps', 1e9],
    ['steps', 0],
    ['steps', 1.5],
    ['batch_size', 0],
    ['batch_size', 1e6],
    ['rank', 4096],
    ['rehearsal', -1],
    ['learning_rate', -1e-3],
    ['ema_decay', 1],
    ['lora_alpha', -1],
  ])('is refused with %s of %d', (name, value) => {
    const hyperparameters = { ...FILE.receipt.hyperparameters, [name]: value };
    const text = writeReceiptFile({ ...FILE, receipt: { ...FILE.receipt, hyperparameters } });
    expect(() => readReceiptFile(text)).toThrow(`receipt.hyperparameters.${name}: `);
  });

  it('may be from before some fields were invented', () => {
    const { device: _, textsSha256: __, gateSeconds: ___, ...earlier } = FILE.receipt;
    const file = { ...FILE, receipt: { ...earlier, hyperparameters: { learning_rate: 1e-3 } } };
    expect(readReceiptFile(writeReceiptFile(file))).toEqual(file);
    expect(unknownFields(file.receipt)).toEqual([]);
  });

  it('may have fields of later versions, which are named', () => {
    const hyperparameters = { ...FILE.receipt.hyperparameters, momentum: 0.9 };
    const receipt = { ...FILE.receipt, hyperparameters, mood: { good: true } };
    const read = readReceiptFile(writeReceiptFile({ ...FILE, receipt }));
    expect(read.receipt).toEqual(receipt);
    expect(unknownFields(read.receipt)).toEqual(['mood', 'hyperparameters.momentum']);
  });

  it('takes damage without falling', async () => {
    const text = new TextEncoder().encode(writeReceiptFile({ ...FILE, parent: null }));
    const outcome = await fuzz(text, 500, (bytes) => readReceiptFile(new TextDecoder().decode(bytes)));
    expect(outcome.accepted).toBeGreaterThan(0);
    expect(outcome.refused).toBeGreaterThan(0);
  });

  it('lets no number through that an update could not be begun with', async () => {
    const { receipt } = FILE;
    const random = createRandom(7);
    const hyperparameters = { ...DEFAULT_HYPERPARAMETERS, lora_alpha: 16 };
    const names = Object.keys(hyperparameters);
    const numbers = [-1e9, -1, -0.5, 0, 0.5, 1, 1.5, 3, 255, 256, 257, 1e4, 1e5, 1e9, 1e308, null, '1', [1]];
    const text = new TextEncoder().encode('[]');
    // What is damaged here is the meaning, not the text.
    const outcome = await fuzz(text, 500, () => {
      const changed: Record<string, unknown> = { ...hyperparameters };
      for (let n = random.int(3); n >= 0; n--) {
        changed[names[random.int(names.length)] ?? ''] = numbers[random.int(numbers.length)];
      }
      const json = JSON.parse(writeReceiptFile({ ...FILE, parent: null })) as { receipt: object };
      json.receipt = { ...receipt, hyperparameters: changed };
      const {
        steps = NaN,
        batch_size = NaN,
        rank = NaN,
      } = readReceiptFile(JSON.stringify(json)).receipt.hyperparameters;
      expect(steps).toBeGreaterThanOrEqual(1);
      expect(steps).toBeLessThanOrEqual(10_000);
      expect(batch_size).toBeGreaterThanOrEqual(1);
      expect(rank).toBeLessThanOrEqual(256);
    });
    expect(outcome.accepted).toBeGreaterThan(0);
    expect(outcome.refused).toBeGreaterThan(0);
  });
});
