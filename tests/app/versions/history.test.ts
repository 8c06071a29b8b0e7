import { expect, test } from 'vitest';
import { historyOf } from '../../../src/app/versions/history';
import type { GateFigure, Receipt } from '../../../src/shared/records';
import { receiptOf } from '../../support/receipt';

function figure(name: GateFigure['name'], before: number, after: number): GateFigure {
  return { name, before, after, limit: 1, count: 4, passed: true };
}

function receipt(decision: Receipt['decision'], version: number | undefined, figures: GateFigure[]): Receipt {
  const parentVersion = 7;
  return receiptOf({ decision, parentVersion, figures, ...(version === undefined ? {} : { version }) });
}

test('the history is of what was decided, refused candidates too, in the order it happened', () => {
  const history = historyOf([
    receipt('kept', 1, [figure('trained_accuracy', 0.5, 1), figure('anchor_bits_per_token', 2, 1.5)]),
    receipt('cancelled', undefined, []),
    receipt('refused', undefined, [figure('held_out_accuracy', 0.5, 0.25)]),
    receipt('imported', 2, []),
    receipt('failed', undefined, []),
    receipt('kept', 3, [figure('held_out_accuracy', 0.5, 0.75), figure('anchor_bits_per_token', 2, 2.5)]),
  ]);
  expect(history).toEqual([
    { version: 1, parentVersion: 7, accuracy: 1, forgetting: -0.5 },
    { version: undefined, parentVersion: 7, accuracy: 0.25, forgetting: NaN },
    { version: 3, parentVersion: 7, accuracy: 0.75, forgetting: 0.5 },
  ]);
});

test('what was not measured is not known, and what was held out goes first', () => {
  const [none] = historyOf([receipt('kept', 1, [])]);
  expect(none).toMatchObject({ version: 1, accuracy: NaN, forgetting: NaN });
  const [both] = historyOf([
    receipt('kept', 1, [figure('trained_accuracy', 0.5, 1), figure('held_out_accuracy', 0.5, 0.5)]),
  ]);
  expect(both?.accuracy).toBe(0.5);
});
