import { describe, expect, it } from 'vitest';
import type { BenchRow } from '../../../src/cli/bench/personalize';
import {
  personalizeChart,
  personalizeCsv,
  personalizeMarkdown,
} from '../../../src/cli/bench/personalize-report';
import { wilson95 } from '../../../src/cli/bench/wilson';
import { DEFAULT_HYPERPARAMETERS } from '../../../src/training/types';

function row(changes: Partial<BenchRow>): BenchRow {
  return {
    style: 'list',
    signals: 'pairs',
    labels: 'honest',
    k: 20,
    seed: 1,
    accuracy: 0.9,
    pairs: 330,
    accuracy_low: 0.863,
    accuracy_high: 0.928,
    anchor_bits_base: 4.8,
    anchor_bits: 4.85,
    anchor_reply_bits_base: 4.2,
    anchor_reply_bits: 4.18,
    own_style_share: 0.8,
    own_style_share_base: 0.1,
    list_share: 0.75,
    list_share_base: 0.05,
    mean_words: 12,
    mean_words_base: 16,
    steps: 30,
    own_kl: 0.05,
    seconds_per_step: 0.5,
    device: 'a device',
    samples: [{ prompt: 'Tea | coffee?', base: 'Tea.', adapted: '1. Tea.\n2. Coffee.' }],
    ...changes,
  };
}

const ROWS = [
  row({}),
  row({ seed: 2, accuracy: 0.8, own_style_share: 0.6 }),
  row({ k: 5, accuracy: 0.6, device: 'another' }),
  row({ signals: 'thumbs', accuracy: 0.7 }),
];

describe("Wilson's interval", () => {
  // Newcombe 1998, table I: 81 of 263, 15 of 148, 0 of 20.
  it.each([
    [81, 263, 0.2553, 0.3662],
    [15, 148, 0.0624, 0.1605],
    [0, 20, 0, 0.1611],
  ])('of %i in %i is as published', (hits, count, low, high) => {
    const interval = wilson95(hits / count, count);
    expect(interval.low).toBeCloseTo(low, 4);
    expect(interval.high).toBeCloseTo(high, 4);
  });

  it('of nothing says nothing', () => {
    expect(wilson95(NaN, 0)).toEqual({ low: 0, high: 1 });
  });
});

describe('the report', () => {
  it('has one CSV line a run, as many cells as columns', () => {
    const [head, ...lines] = personalizeCsv(ROWS).trimEnd().split('\n');
    expect(head).toMatch(/^style,signals,labels,k,seed,accuracy,pairs,accuracy_low,accuracy_high,/);
    expect(lines).toHaveLength(ROWS.length);
    const widths = new Set([head, ...lines].map((line) => line?.split(',').length));
    expect(widths.size).toBe(1);
  });

  it('means over seeds, says how it was made and how good its judge is', () => {
    const text = personalizeMarkdown(ROWS, {
      command: 'npm run cli -- bench personalize',
      hyperparameters: DEFAULT_HYPERPARAMETERS,
      classifierAccuracy: 0.873,
    });
    expect(text).toContain(
      '| list | pairs | honest | 20 | 0.850 (0.800–0.900) | 70 % (10 %) | 75 % (5 %) | 12.0 (16.0) | +0.050 | -0.020 | 0.050 | 30 |',
    );
    expect(text).toContain('`npm run cli -- bench personalize` on a device and another:');
    expect(text).toContain('names 87 % of the held-out replies');
    // Bars and line ends of a reply must not break its table.
    expect(text).toContain('| Tea \\| coffee? | Tea. | 1. Tea. 2. Coffee. |');
    const table = text
      .split('\n')
      .filter((line) => /^\| (user|---|list) /.test(line))
      .slice(0, 3);
    expect(new Set(table.map((line) => line.split('|').length)).size).toBe(1);
  });
});

describe('the plot', () => {
  const points = (svg: string): string[] =>
    [...svg.matchAll(/<polyline points="([^"]*)"/g)].map((m) => m[1] ?? '');

  it('draws a line for each style and kind, better being higher and more being to the right', () => {
    const [pairs, thumbs, flipped, ...rest] = points(
      personalizeChart([...ROWS, row({ labels: 'flipped', accuracy: 0.7 })]),
    ).map((line) => line.split(' ').map((point) => point.split(',').map(Number)));
    expect(rest).toEqual([]);
    expect(thumbs).toHaveLength(1);
    expect(flipped).toHaveLength(1);
    expect(pairs).toHaveLength(2);
    const [[fewX, fewY] = [], [manyX, manyY] = []] = pairs ?? [];
    expect(manyX).toBeGreaterThan(fewX ?? Infinity);
    expect(manyY).toBeLessThan(fewY ?? -Infinity);
  });

  it('stays on the paper for one size, and for an accuracy below the axis', () => {
    const svg = personalizeChart([row({ accuracy: 0.1 })]);
    expect(svg).not.toMatch(/NaN|Infinity|undefined/);
    const [x, y] = (points(svg)[0] ?? '').split(',').map(Number);
    expect(x).toBe(293);
    expect(y).toBe(344);
  });
});
