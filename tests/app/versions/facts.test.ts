import { expect, test } from 'vitest';
import { factsOf } from '../../../src/app/versions/facts';
import type { GateFigure } from '../../../src/shared/records';
import { receiptOf } from '../../support/receipt';
import { signalOf } from '../../support/signal';

function figure(name: GateFigure['name'], before: number, after: number, count: number): GateFigure {
  return { name, before, after, limit: 1, count, passed: true };
}

test('a version has learned what its ancestors have, and knows what was withdrawn since', () => {
  const receipts = [
    receiptOf({ version: 1, signalIds: ['a', 'b'] }),
    receiptOf({ version: 2, parentVersion: 1, signalIds: ['b', 'c'] }),
    receiptOf({ version: 3, parentVersion: 1, signalIds: ['d'] }),
    receiptOf({ decision: 'refused', parentVersion: 2, signalIds: ['e'] }),
  ];
  const signals = [
    signalOf({ id: 'e' }),
    signalOf({ id: 'd' }),
    signalOf({ id: 'c' }),
    signalOf({ id: 'b', withdrawnAt: 1 }),
    signalOf({ id: 'a', withdrawnAt: 1 }),
  ];
  const learned = (version: number): string[] =>
    factsOf(version, receipts, signals).learned.map(({ id }) => id);
  expect(learned(1)).toEqual(['b', 'a']);
  expect(learned(2)).toEqual(['c', 'b', 'a']);
  expect(learned(3)).toEqual(['d', 'b', 'a']);
  expect(factsOf(2, receipts, signals).withdrawn).toBe(2);
  expect(factsOf(0, receipts, signals)).toMatchObject({ learned: [], withdrawn: 0 });
});

test('agreement is in judgements, ties counted half, and those held out go first', () => {
  const trained = figure('trained_accuracy', 0.5, 1, 8);
  const of = (figures: GateFigure[]) => factsOf(1, [receiptOf({ version: 1, figures })], []).agreement;
  expect(of([trained, figure('held_out_accuracy', 0.5, 0.75, 12)])).toEqual({
    agrees: 9,
    count: 12,
    heldOut: true,
  });
  expect(of([figure('held_out_accuracy', 0, 2.5 / 3, 3)])?.agrees).toBe(2.5);
  expect(of([trained])).toEqual({ agrees: 8, count: 8, heldOut: false });
  expect(of([])).toBeNull();
});

test('forgetting is what texts cost more than under the base, and the scale is 1 unless the receipt says less', () => {
  const figures = [figure('anchor_bits_per_token', 2, 2.25, 16)];
  expect(factsOf(1, [receiptOf({ version: 1, figures, scale: 0.5 })], [])).toMatchObject({
    forgetting: 0.25,
    scale: 0.5,
  });
  expect(factsOf(1, [], [])).toMatchObject({ forgetting: null, scale: 1 });
});
