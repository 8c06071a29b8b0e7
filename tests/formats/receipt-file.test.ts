import { describe, expect, it } from 'vitest';
import { readReceiptFile, type ReceiptFile, writeReceiptFile } from '../../src/formats/receipt-file';
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
    hyperparameters: { steps: 2, learning_rate: 1e-3 },
    losses: [0.7, 0.6],
    margins: [0, 1],
    rows: [64, 128],
    candidate: 'f'.repeat(64),
    figures: [{ name: 'unseen_gain', before: 0.5, after: 1, limit: 0.05, p: 0.01, count: 8, passed: true }],
    scale: 0.5,
    predictions: { a: 2.5, b: -1 },
    outdatedIds: ['a'],
    seconds: 3,
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

  it('takes damage without falling', async () => {
    const text = new TextEncoder().encode(writeReceiptFile({ ...FILE, parent: null }));
    const outcome = await fuzz(text, 500, (bytes) => readReceiptFile(new TextDecoder().decode(bytes)));
    expect(outcome.accepted).toBeGreaterThan(0);
    expect(outcome.refused).toBeGreaterThan(0);
  });
});
