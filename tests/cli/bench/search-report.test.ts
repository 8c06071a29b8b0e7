import { describe, expect, it } from 'vitest';
import type { BenchRow } from '../../../src/cli/bench/personalize';
import {
  bestOf,
  changesFrom,
  figuresOf,
  isBetter,
  knownTrials,
  searchCsv,
  searchMarkdown,
  type Trial,
  withTrial,
} from '../../../src/cli/bench/search-report';
import type { Style } from '../../../src/cli/bench/styles';
import { DEFAULT_HYPERPARAMETERS, type Hyperparameters } from '../../../src/training/types';

interface Measured {
  accuracy?: number;
  own?: number;
  forgetting?: number;
  seed?: number;
  steps?: number;
}

function row(
  style: Style,
  { accuracy = 0.8, own = 0.4, forgetting = 0.05, seed = 1, steps = 30 }: Measured = {},
) {
  return {
    ...{ style, signals: 'pairs', labels: 'honest', k: 20, seed },
    ...{ accuracy, own_style_share: own, anchor_bits_base: 4, anchor_bits: 4 + forgetting },
    ...{ steps, seconds_per_step: 2, device: 'a device' },
  } as BenchRow;
}

const trial = (rows: BenchRow[], changes: Partial<Hyperparameters> = {}): Trial => ({
  hyperparameters: { ...DEFAULT_HYPERPARAMETERS, ...changes },
  rows,
});

describe('the better of two trials', () => {
  const of = (measured: Measured): Trial => trial([row('list', measured)]);

  it('has understood and shows more, as long as the gate would allow it', () => {
    expect(isBetter(of({ own: 0.5 }), of({}))).toBe(true);
    expect(isBetter(of({ accuracy: 0.9, own: 0.2 }), of({}))).toBe(false);
    expect(isBetter(of({}), of({}))).toBe(false);
    // Below the limit forgetting does not count, above it nothing else does.
    expect(isBetter(of({ forgetting: 0.01 }), of({}))).toBe(false);
    expect(isBetter(of({ accuracy: 1, forgetting: 0.2 }), of({}))).toBe(false);
    expect(isBetter(of({ accuracy: 0.5, forgetting: 0.1 }), of({ forgetting: 0.2 }))).toBe(true);
  });

  it('is so over the users of both', () => {
    const all = trial([row('list', { accuracy: 0.9 }), row('warm', { accuracy: 0.5, forgetting: 0.2 })]);
    expect(isBetter(trial([row('list', { accuracy: 0.85 })]), all)).toBe(false);
    expect(isBetter(trial([row('list', { accuracy: 0.95 })]), all)).toBe(true);
    expect(isBetter(trial([row('short', { accuracy: 1 })]), all)).toBe(false);
  });
});

describe('what a trial came to', () => {
  it('is a mean over runs; forgetting that of the worst user, over seeds', () => {
    const rows = [
      row('list', { accuracy: 0.9, forgetting: 0.02 }),
      row('list', { accuracy: 0.7, forgetting: 0.08, seed: 2 }),
      row('warm', { accuracy: 0.5, forgetting: 0.06 }),
    ];
    const figures = figuresOf(rows);
    expect(figures.users).toBe(2);
    expect(figures.accuracy).toBeCloseTo(0.7);
    expect(figures.forgetting).toBeCloseTo(0.06);
    expect(figures.seconds).toBe(60);
  });
});

describe('trials made already', () => {
  const users = (['list', 'warm'] as const)
    .map((style) => row(style))
    .map(({ style, signals, labels, k, seed }) => ({ style, signals, labels, k, seed }));
  const done = (style: Style, hyperparameters: Hyperparameters, measured: Measured = {}) => ({
    ...row(style, measured),
    conditions: { hyperparameters },
  });
  const other = { ...DEFAULT_HYPERPARAMETERS, beta: 0.06 };

  it('are every setting of the finished runs, with the users asked for, each once', () => {
    const [one, two, ...rest] = knownTrials(
      [
        done('list', other, { accuracy: 0.9 }),
        done('list', other, { accuracy: 0.1 }),
        done('short', other),
        done('warm', DEFAULT_HYPERPARAMETERS),
        done('warm', other),
        done('warm', other, { seed: 2 }),
        done('short', { ...other, rank: 4 }),
      ],
      users,
    );
    expect(rest).toEqual([]);
    expect(one?.hyperparameters).toEqual(other);
    expect(one?.rows.map(({ style, accuracy }) => [style, accuracy])).toEqual([
      ['list', 0.9],
      ['warm', 0.8],
    ]);
    expect(two?.hyperparameters).toEqual(DEFAULT_HYPERPARAMETERS);
    expect(two?.rows).toHaveLength(1);
  });

  it('are replaced by those of the same hyperparameters', () => {
    const known = [trial([row('list')]), trial([row('list')], { beta: 0.06 })];
    const more = withTrial(known, trial([row('list'), row('warm')], { beta: 0.06 }));
    expect(more.map(({ rows }) => rows.length)).toEqual([1, 2]);
  });
});

describe('the best trial', () => {
  const both = (measured: Measured): BenchRow[] => [row('list', measured), row('warm', measured)];

  it('is of those that served most users, and as many steps as the page takes', () => {
    const plain = trial(both({}));
    const good = trial(both({ accuracy: 0.85 }), { beta: 0.06 });
    const partial = trial([row('list', { accuracy: 1 })], { beta: 0.07 });
    const long = trial(both({ accuracy: 1, steps: 33 }), { beta: 0.08 });
    expect(bestOf([plain, good, partial, long])).toBe(good);
    expect(bestOf([])).toBeUndefined();
  });
});

describe('the report of the search', () => {
  const own = DEFAULT_HYPERPARAMETERS;
  const before = trial([row('list'), row('list', { seed: 2 }), row('warm', { forgetting: 0.09 })]);
  const best = trial([row('list'), row('list', { seed: 2, accuracy: 0.95 }), row('warm')], {
    beta: 0.06,
    learning_rate: 0.00123456,
  });
  const partial = trial([row('list', { accuracy: 0.9 })], { rank: 16 });
  const trials = [before, best, partial];

  it('names what differs from the model', () => {
    expect(changesFrom(own, own)).toBe("the model's own");
    expect(changesFrom(own, { ...own, beta: 0.06, rank: 4 })).toBe('rank 4 beta 0.06');
  });

  it('has every trial with its users, beside the best over the same ones', () => {
    const text = searchMarkdown(trials, { best, own, command: 'npm run bench -- search' });
    expect(text).toContain(
      "| 1 | the model's own | 2 | 3 | 0.800 | 40 % | 0.090 ‡ | 0.600 | 0.625 | 60 | a device |",
    );
    expect(text).toContain('| 2 | **learning_rate 0.00123456 beta 0.06** | 2 | 3 | 0.850 |');
    expect(text).toContain('| 3 | rank 16 | 1 | 1 | 0.900 | 40 % | 0.050 | 0.650 | 0.600 | 60 |');
    expect(text).toMatch(/Best within the limit: .*beta 0\.06/);
    expect(searchMarkdown([before], { best: before, own, command: '' })).toContain('this one forgets least');
  });

  it('has a CSV line a run, from which the choice can be made again', () => {
    const [head = '', ...lines] = searchCsv(trials).trimEnd().split('\n');
    expect(lines).toHaveLength(7);
    expect(new Set([head, ...lines].map((line) => line.split(',').length)).size).toBe(1);
    const cells = Object.fromEntries(head.split(',').map((name, i) => [name, lines[4]?.split(',')[i]]));
    expect(cells).toMatchObject({
      ...{ trial: '2', style: 'list', seed: '2', accuracy: '0.95', anchor_bits: '4.05', device: 'a device' },
      ...{ steps: '30', most_steps: '40', learning_rate: '0.00123456' },
    });
  });
});
