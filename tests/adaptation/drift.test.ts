import { describe, expect, it } from 'vitest';
import { lastChange, outdatedSignals, predictionsOf, type Predictor } from '../../src/adaptation/drift';
import { createRandom } from '../../src/shared/random';
import type { Signal } from '../../src/shared/records';

const mistakes = (random: ReturnType<typeof createRandom>, count: number, rate: number): number[] =>
  Array.from({ length: count }, () => (random.float() < rate ? 1 : 0));

describe('the test for change', () => {
  it('finds where the mistakes begin, after few of them', () => {
    const steady = [0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0];
    expect(lastChange(steady)).toBe(0);
    expect(lastChange([...steady, 1, 1])).toBe(0);
    expect(lastChange([...steady, 1, 1, 1, 1])).toBe(16);
  });

  it('finds the last of several changes', () => {
    const calm = new Array<number>(12).fill(0);
    const wrong = new Array<number>(5).fill(1);
    expect(lastChange([...calm, ...wrong, ...calm, ...wrong])).toBe(29);
    expect(lastChange([...calm, ...wrong, ...calm])).toBe(12);
  });

  it('is seldom fooled by a model that errs evenly, however often, and seldom misses a change', () => {
    const random = createRandom(4);
    const alarms = (rate: number): number =>
      Array.from({ length: 200 }, () => lastChange(mistakes(random, 40, rate))).filter((at) => at > 0).length;
    expect(alarms(0.05)).toBeLessThan(10);
    expect(alarms(0.2)).toBeLessThan(60);
    const found = Array.from({ length: 200 }, () => {
      const at = lastChange([...mistakes(random, 20, 0.1), ...mistakes(random, 8, 0.9)]);
      return at >= 17 && at <= 23;
    });
    expect(found.filter(Boolean).length).toBeGreaterThan(160);
  });
});

describe('outdated signals', () => {
  const signals = Array.from({ length: 20 }, (_, i) => ({ id: `s${i}`, createdAt: i })) as Signal[];
  const receipt = (from: number, to: number, margin: number, parentVersion = 1, model = 'm'): Predictor => ({
    model,
    parentVersion,
    predictions: Object.fromEntries(signals.slice(from, to).map(({ id }) => [id, margin])),
  });
  const outdated = (receipts: Predictor[], version = 1): string[] =>
    outdatedSignals(signals, predictionsOf(receipts, version, 'm'));
  const CHANGED = signals.slice(0, 16).map(({ id }) => id);

  it('are those from before the adapter began to be wrong', () => {
    const receipts = [receipt(0, 4, 0, 0), receipt(4, 16, 3), receipt(16, 20, -2)];
    expect(outdated(receipts)).toEqual(CHANGED);
    expect(outdated(receipts.slice(0, 2))).toEqual([]);
  });

  it('are none where the base, another model or a second look says so', () => {
    expect(outdated([receipt(0, 16, 3), receipt(16, 20, -2, 0)])).toEqual([]);
    expect(outdated([receipt(0, 16, 3), receipt(16, 20, -2, 1, 'other')])).toEqual([]);
    expect(outdated([receipt(0, 20, 3), receipt(16, 20, -2)])).toEqual([]);
  });

  it('are told by what a version grew out of, and by no other branch', () => {
    const grown = [receipt(0, 16, 3), { ...receipt(0, 0, 0), version: 2 }, receipt(16, 20, -2, 2)];
    expect(outdated(grown, 2)).toEqual(CHANGED);
    expect(outdated(grown, 1)).toEqual([]);
  });
});
