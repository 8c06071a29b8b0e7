import { describe, expect, it } from 'vitest';
import { balanceThumbs, examplesOf } from '../../src/adaptation/examples';
import { rowsOf } from '../../src/model/packed-batch';
import { planUpdate } from '../../src/adaptation/plan';
import type { Signal } from '../../src/shared/records';
import {
  activeSignals,
  hasUnknownPast,
  learnedBy,
  lineageOf,
  replaces,
  signalOutcomes,
  versionWithout,
  waitingSignals,
} from '../../src/shared/signals';
import { groupOf } from '../../src/training/examples';
import { DEFAULT_HYPERPARAMETERS } from '../../src/training/types';
import { receiptOf } from '../support/receipt';

/** A tokenizer of characters. */
const tokenizer = {
  encodeChat: (turns: readonly { content: string }[]) => [
    1,
    ...turns.flatMap(({ content }) => Array.from(content, () => 7)),
  ],
  encodeReply: (text: string) => [...Array.from(text, (c) => c.charCodeAt(0)), 2],
};
const OPTIONS = { tokenizer, model: 'm', contextLength: 40 };

let count = 0;
function signal(changes: Partial<Signal>): Signal {
  count++;
  return {
    id: `s${String(count).padStart(3, '0')}`,
    kind: 'up',
    createdAt: count,
    conversationId: 'c',
    messageId: `m${count}`,
    context: [{ role: 'user', content: 'Hi' }],
    adapter: 0,
    model: 'm',
    ...changes,
  };
}

describe('signals', () => {
  it('wait until an update has dealt with them, also those given while it ran', () => {
    const [learned, judge, tooLong, tried, late, gone] = [1, 2, 3, 4, 5, 6].map(() => signal({}));
    if (!learned || !judge || !tooLong || !tried || !late || !gone) throw new Error('six signals');
    const signals = [learned, judge, tooLong, tried, late, { ...gone, withdrawnAt: 9 }];
    const skipped = [{ signalId: tooLong.id, reason: 'too long' }];
    const receipts = [
      // Ended after `late` was given.
      receiptOf({
        createdAt: late.createdAt + 1,
        version: 1,
        signalIds: [learned.id],
        heldOutIds: [judge.id],
        skipped,
      }),
      receiptOf({ decision: 'cancelled', signalIds: [learned.id, tried.id, late.id] }),
      receiptOf({ decision: 'refused', signalIds: [learned.id, tried.id] }),
    ];
    expect(waitingSignals(signals, receipts, 'm')).toEqual([late]);
    expect(Object.fromEntries(signalOutcomes(receipts, 'm'))).toEqual({
      [learned.id]: { state: 'learned', version: 1 },
      [judge.id]: { state: 'held-out' },
      [tooLong.id]: { state: 'skipped', reason: 'too long' },
      [tried.id]: { state: 'tried' },
    });
    expect(waitingSignals(signals, receipts, 'another model')).toHaveLength(5);
  });

  it('are learned by a version and those that grew out of it, and by no other branch', () => {
    const receipts = [
      receiptOf({ version: 1, signalIds: ['a'] }),
      receiptOf({ version: 2, parentVersion: 1, signalIds: ['b'] }),
      receiptOf({ decision: 'refused', parentVersion: 1, signalIds: ['c'] }),
      receiptOf({ version: 3, parentVersion: 1, signalIds: ['a', 'd'] }),
    ];
    expect(learnedBy(receipts, 3)).toEqual(new Set(['a', 'd']));
    expect(learnedBy(receipts, 2)).toEqual(new Set(['a', 'b']));
    expect(learnedBy(receipts, 0)).toEqual(new Set());
    const stored = [{ version: 1 }, { version: 2 }, { version: 3 }];
    expect(versionWithout(receipts, stored, 2, 'b')).toBe(1);
    expect(versionWithout(receipts, stored, 2, 'a')).toBe(0);
    expect(versionWithout(receipts, stored, 3, 'b')).toBe(3);
    // What the user has deleted cannot be gone back to.
    expect(versionWithout(receipts, stored.slice(1), 2, 'b')).toBe(0);
  });

  it('may have been learned by a version from elsewhere and by all that grew out of it', () => {
    const receipts = [
      receiptOf({ version: 1, signalIds: ['a'] }),
      receiptOf({ decision: 'imported', version: 2 }),
      receiptOf({ version: 3, parentVersion: 2, signalIds: ['b'] }),
      // The first and the third come back.
      receiptOf({ decision: 'imported', version: 4, signalIds: ['a'] }),
      receiptOf({ decision: 'imported', version: 5, parentVersion: 2, signalIds: ['b'] }),
    ];
    expect([0, 1, 2, 3, 4, 5].map((version) => hasUnknownPast(receipts, version))).toEqual([
      false,
      false,
      true,
      true,
      false,
      true,
    ]);
  });

  it('are told by the line of a version, which a damaged record does not lead in circles', () => {
    const versions = [0, 1, 1, 3].map((parentVersion, index) => ({ version: index + 1, parentVersion }));
    expect(lineageOf(versions, 4)).toEqual([4, 3, 1]);
    expect(lineageOf(versions, 0)).toEqual([]);
    const damaged = [
      { version: 1, parentVersion: 2 },
      { version: 2, parentVersion: 2 },
    ];
    expect(lineageOf(damaged, 2)).toEqual([2]);
    expect(lineageOf(damaged, 1)).toEqual([1]);
  });

  it('count until withdrawn', () => {
    const first = signal({ chosen: 'a' });
    expect(activeSignals([first, signal({ withdrawnAt: 5 })])).toEqual([first]);
  });

  it('take the place of others of the same reply, and of contrary thumbs where it was written a second time', () => {
    const liked = signal({ messageId: 'one', chosen: 'a' });
    const later: Partial<Signal>[] = [
      { messageId: 'one', kind: 'down', rejected: 'a' },
      { messageId: 'one', kind: 'edit', chosen: 'b', rejected: 'a' },
      { kind: 'down', rejected: 'a' },
    ];
    for (const other of later) expect(replaces(signal(other), liked)).toBe(true);
    expect(replaces(signal({ chosen: 'a' }), signal({ kind: 'down', rejected: 'a' }))).toBe(true);
    const others: Partial<Signal>[] = [
      { chosen: 'a' },
      { kind: 'down', rejected: 'b' },
      { kind: 'choose', chosen: 'b', rejected: 'a' },
      { kind: 'down', rejected: 'a', context: [{ role: 'user', content: 'Hello' }] },
      { kind: 'down', rejected: 'a', context: [] },
    ];
    for (const other of others) expect(replaces(signal(other), liked)).toBe(false);
  });

  it('of a reply that was cut off do not teach it as an end, and edits of an empty one are likes', () => {
    const { examples } = examplesOf(
      [
        signal({ chosen: 'ok', cut: { chosen: true } }),
        signal({ kind: 'edit', chosen: 'new', rejected: 'old', cut: { rejected: true } }),
        signal({ kind: 'edit', chosen: 'new' }),
      ],
      OPTIONS,
    );
    const ids = (text: string): number[] => Array.from(text, (c) => c.charCodeAt(0));
    expect(examples).toMatchObject([
      { kind: 'thumb', up: true, reply: ids('ok') },
      { kind: 'pair', chosen: [...ids('new'), 2], rejected: ids('old') },
      { kind: 'thumb', up: true, reply: [...ids('new'), 2] },
    ]);
  });

  it('become pairs and thumbs, with their stored references if the model is the same', () => {
    const up = signal({ chosen: 'ok', reference: { chosen: -3 } });
    const down = signal({ kind: 'down', rejected: 'no', model: 'other', reference: { rejected: -4 } });
    const edit = signal({
      kind: 'edit',
      chosen: 'new',
      rejected: 'old',
      reference: { chosen: -1, rejected: -2 },
    });
    const { examples, skipped } = examplesOf([up, down, edit], OPTIONS);
    expect(skipped).toEqual([]);
    expect(examples).toMatchObject([
      { kind: 'thumb', up: true, reference: -3, reply: [111, 107, 2] },
      { kind: 'thumb', up: false },
      { kind: 'pair', reference: { chosen: -1, rejected: -2 } },
    ]);
    expect(examples[1]).not.toHaveProperty('reference');
  });

  it('that cannot teach are left out, with the reason', () => {
    const { examples, skipped } = examplesOf(
      [
        signal({ chosen: ' ' }),
        signal({ kind: 'choose', chosen: 'same', rejected: 'same ' }),
        signal({ chosen: 'x'.repeat(30) }),
        signal({ chosen: 'fine', context: [{ role: 'user', content: 'y'.repeat(60) }] }),
      ],
      OPTIONS,
    );
    expect(examples).toEqual([]);
    expect(skipped.map(({ reason }) => reason)).toEqual([
      'The reply is empty.',
      'Both replies are the same.',
      'The reply is too long to learn from.',
      expect.stringContaining('too long for the model'),
    ]);
  });

  it('that the device has no room for are left out, with the reason', () => {
    const signals = [signal({ chosen: 'short' }), signal({ chosen: 'a longer one' })];
    const [size = NaN] = examplesOf(signals, OPTIONS).examples.map((example) => rowsOf(groupOf(example)));
    const set = examplesOf(signals, { ...OPTIONS, longest: size });
    expect(set.examples).toHaveLength(1);
    expect(set.skipped.map(({ reason }) => reason)).toEqual([
      expect.stringMatching(/too long to learn from on this device: \d+ tokens, it has room for \d+/),
    ]);
  });

  it('of the rarer thumb weigh more', () => {
    const thumbs = [...Array(6).keys()].map((n) =>
      signal(n < 4 ? { chosen: 'a' } : { kind: 'down', rejected: 'b' }),
    );
    const weights = balanceThumbs(examplesOf(thumbs, OPTIONS).examples).map(({ weight }) => weight);
    expect(weights).toEqual([1, 1, 1, 1, 2, 2]);
  });
});

describe('the plan', () => {
  const planOf = (signals: readonly Signal[], active: readonly Signal[]) =>
    planUpdate(signals, active, DEFAULT_HYPERPARAMETERS);
  const all = Array.from({ length: 20 }, () => signal({ chosen: 'a' }));

  it('trains on all of the first eight, then holds back every fourth for good', () => {
    expect(planOf(all.slice(0, 8), all.slice(0, 8)).heldOut).toEqual([]);
    const { train, heldOut } = planOf(all, all);
    expect(heldOut).toEqual([all[11], all[15], all[19]]);
    expect([...train, ...heldOut].sort((a, b) => a.createdAt - b.createdAt)).toEqual(all);
    const fewer = planOf(all, all.slice(10));
    expect(fewer.heldOut).toEqual(heldOut);
  });

  it('takes fewer steps for fewer signals', () => {
    const steps = (n: number): number => planOf(all.slice(0, n), all.slice(0, n)).hyperparameters.steps;
    expect(steps(1)).toBeLessThan(steps(8));
    expect(steps(8)).toBeLessThanOrEqual(steps(20));
  });
});
