import { describe, expect, it } from 'vitest';
import type { BenchRow } from '../../../src/cli/bench/personalize';
import { personalizeChart } from '../../../src/cli/bench/personalize-chart';
import { goalsMarkdown } from '../../../src/cli/bench/personalize-goals';
import { personalizeCsv, personalizeMarkdown } from '../../../src/cli/bench/personalize-report';
import { STYLES } from '../../../src/cli/bench/styles';
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
      missing: [{ style: 'warm', signals: 'thumbs', labels: 'honest', k: 20, seed: 3 }],
    });
    expect(text).toContain('## Not measured yet');
    expect(text).toContain('- thumbs, honest, K = 20: warm (3)');
    expect(text).toContain(
      '| list | pairs | 20 | 0.850 (0.800–0.900) | 70 % (10 %) | 75 % (5 %) | 12.0 (16.0) | +0.050 | -0.020 | 0.050 | 30 |',
    );
    expect(text).toContain('`npm run cli -- bench personalize` on a device and another:');
    expect(text).toContain('names 87 % of the held-out replies');
    // Bars and line ends of a reply must not break its table.
    expect(text).toContain('| Tea \\| coffee? | Tea. | 1. Tea. 2. Coffee. |');
    // Of each user the replies after the most signals.
    expect(text.match(/^### .*/gm)).toEqual([
      '### list, 20 pairs, honest, seed 1',
      '### list, 20 thumbs, honest, seed 1',
    ]);
  });

  it('keeps other labels and tastes apart', () => {
    const text = personalizeMarkdown(
      [...ROWS, row({ labels: 'coin', accuracy: 0.5 }), row({ style: 'shorter', accuracy: 0.97 })],
      {
        command: 'x',
        hyperparameters: DEFAULT_HYPERPARAMETERS,
        classifierAccuracy: 0.873,
        missing: [],
      },
    );
    const sections = text.split(/^## /m).map((section) => section.split('\n'));
    const lines = (title: string): string[] =>
      sections.find(([head]) => head === title)?.filter((line) => /^\| (list|shorter) \|/.test(line)) ?? [];
    expect(lines('Users who like a style')).toHaveLength(3);
    expect(lines('Users who like what is shorter')).toHaveLength(1);
    expect(lines('Judgements by the toss of a coin')[0]).toContain('| 0.500 (');
    expect(text).not.toContain('the wrong way round\n');
    expect(text).not.toContain('Not measured yet');
    const widths = sections
      .find(([head]) => head === 'Users who like a style')
      ?.filter((line) => line.startsWith('|'))
      .map((line) => line.split('|').length);
    expect(new Set(widths).size).toBe(1);
  });
});

/** All six styles at this accuracy. */
function six(accuracy: number, changes: Partial<BenchRow> = {}): BenchRow[] {
  return STYLES.map((style) => row({ style, accuracy, ...changes }));
}

describe('the goals', () => {
  it('are met by the mean over the six styles, of lone thumbs at up to twice the signals', () => {
    const text = goalsMarkdown([
      ...six(0.92),
      ...six(0.79, { k: 5 }),
      ...six(0.6, { k: 5, signals: 'thumbs' }),
      ...six(0.81, { k: 10, signals: 'thumbs' }),
      ...six(0.85, { signals: 'thumbs' }),
      ...six(0.1, { labels: 'coin' }),
      row({ style: 'shorter', accuracy: 0.1 }),
    ]);
    expect(text).toContain('| 5 | 0.790 | 0.600 | 0.80 | no | yes |');
    expect(text).toContain('| 10 | – | 0.810 |  |  |  |');
    expect(text).toContain('| 20 | 0.920 | 0.850 | 0.90 | yes | no |');
    expect(text).toContain('| 50 | – | – | 0.95 | not measured | not measured |');
  });

  it('wait for all styles; a style with more seeds counts no more than another', () => {
    expect(goalsMarkdown(six(0.95).slice(1))).toContain('| 20 | – | – | 0.90 | not measured |');
    const uneven = [...six(0.9), row({ style: 'list', seed: 2, accuracy: 0.3 })];
    expect(goalsMarkdown(uneven)).toContain('| 20 | 0.850 |');
  });

  it("of own replies are each style's", () => {
    const text = goalsMarkdown([
      row({ own_style_share: 0.55 }),
      row({ seed: 2, own_style_share: 0.65 }),
      row({ style: 'warm', own_style_share: 0.59 }),
      row({ style: 'warm', k: 50, own_style_share: 0.9 }),
    ]);
    expect(text).toContain('| list | 0.600 | – | 0.60 | yes | not measured |');
    expect(text).toContain('| warm | 0.590 | – | 0.60 | no | not measured |');
  });
});

describe('the plot', () => {
  const points = (svg: string): string[] =>
    [...svg.matchAll(/<polyline points="([^"]*)"/g)].map((m) => m[1] ?? '');

  it('draws a line for each style and kind, better being higher and more being to the right', () => {
    const [pairs, thumbs, ...rest] = points(
      personalizeChart([...ROWS, row({ labels: 'flipped', accuracy: 0.7 })]),
    ).map((line) => line.split(' ').map((point) => point.split(',').map(Number)));
    // Wrong labels have no line, six styles none before all are measured.
    expect(rest).toEqual([]);
    expect(thumbs).toHaveLength(1);
    expect(pairs).toHaveLength(2);
    const [[fewX, fewY] = [], [manyX, manyY] = []] = pairs ?? [];
    expect(manyX).toBeGreaterThan(fewX ?? Infinity);
    expect(manyY).toBeLessThan(fewY ?? -Infinity);
  });

  it('draws the mean over the six styles heavier, and the goals that lie on the axis', () => {
    const one = row({ style: STYLES[0], accuracy: 0.6, k: 5 });
    const svg = personalizeChart([...six(0.9), ...six(0.7, { k: 5 }).slice(1), one]);
    expect(svg.match(/stroke-width="1" fill="none"><polyline/g)).toHaveLength(6);
    expect(svg.match(/stroke-width="2" fill="none"><polyline/g)).toHaveLength(1);
    expect(svg).toContain('>six styles, pairs</text>');
    // A mean of 5 × 0.7 and 0.6, between 0.7 and 0.6.
    expect(svg).toMatch(/y1="242\.7" y2="192" opacity="0\.4"\/><circle cx="72" cy="200\.4"/);
    expect(svg.match(/<path /g)).toHaveLength(2);
    expect(svg).not.toMatch(/NaN|Infinity|undefined/);
  });

  it('stays on the paper for one size, and for an accuracy below the axis', () => {
    const svg = personalizeChart([row({ accuracy: 0.1 })]);
    expect(svg).not.toMatch(/NaN|Infinity|undefined/);
    const [x, y] = (points(svg)[0] ?? '').split(',').map(Number);
    expect(x).toBe(293);
    expect(y).toBe(344);
  });
});
