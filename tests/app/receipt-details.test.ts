import { render } from 'svelte/server';
import { expect, test } from 'vitest';
import ReceiptDetails from '../../src/app/components/ReceiptDetails.svelte';
import type { Receipt } from '../../src/shared/records';
import { receiptOf } from '../support/receipt';

/** Rows of all tables as their cells' texts. */
function rowsOf(changes: Partial<Receipt>): string[][] {
  const { body } = render(ReceiptDetails, { props: { receipt: receiptOf(changes) } });
  return [...body.matchAll(/<tr.*?<\/tr>/gs)].map(([row]) =>
    [...row.matchAll(/<t[hd][^>]*>(.*?)<\/t[hd]>/gs)].map(([, cell = '']) =>
      cell
        .replace(/<[^>]*>/g, '')
        .replaceAll('&lt;', '<')
        .trim(),
    ),
  );
}

test('a receipt tells what the update was made from and by which limits it was judged', () => {
  const rows = rowsOf({
    model: '0123456789abcdef',
    parentVersion: 3,
    seed: 42,
    hyperparameters: { steps: 12, learning_rate: 0.002 },
    device: 'llvmpipe',
    textsSha256: 'fedcba9876543210',
    gateSeconds: 30,
    figures: [
      { name: 'unseen_gain', before: 0.5, after: 0.9, limit: 0.01, p: 0.0021, count: 20, passed: true },
      { name: 'own_kl_per_token', before: 0, after: 0.1, limit: 0.6, count: 8, passed: true },
    ],
  });
  for (const row of [
    ['Measured', 'Limit', 'Items', 'By chance (p)'],
    ['Surer of what it had not seen', 'p < 0.01, once the items are enough to tell', '20', '0.0021'],
    ['Distance from the base (nats a token)', '0.600', '8', '–'],
    ['Base model', '0123456789ab'],
    ['Began with', 'v3'],
    ['Seed', '42'],
    ['Device', 'llvmpipe'],
    ['Texts rehearsed and judged by', 'fedcba987654'],
    ['Time it took to judge', '30 s'],
    ['steps', '12'],
    ['learning_rate', '0.002'],
  ]) {
    expect(rows).toContainEqual(row);
  }
});

test('an old receipt shows what it knows', () => {
  const names = rowsOf({}).map(([name]) => name);
  expect(names).toContain('Seed');
  for (const unknown of ['Measured', 'Device', 'Candidate']) expect(names).not.toContain(unknown);
});
