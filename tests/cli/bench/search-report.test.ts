import { describe, expect, it } from 'vitest';
import { isBetter, searchCsv, searchMarkdown, type Trial } from '../../../src/cli/bench/search-report';
import { DEFAULT_HYPERPARAMETERS } from '../../../src/training/types';

const trial = (changes: Partial<Trial>): Trial => ({
  changed: 'as before',
  hyperparameters: DEFAULT_HYPERPARAMETERS,
  accuracy: 0.8,
  own_style_share: 0.4,
  forgetting: 0.05,
  seconds: 60,
  device: 'a device',
  ...changes,
});

describe('the search for hyperparameters', () => {
  it('prefers what is understood and shown better, as long as the gate would allow it', () => {
    expect(isBetter(trial({ own_style_share: 0.5 }), trial({}))).toBe(true);
    expect(isBetter(trial({ accuracy: 0.9, own_style_share: 0.2 }), trial({}))).toBe(false);
    expect(isBetter(trial({}), trial({}))).toBe(false);
    // Below the limit forgetting does not count, above it nothing else does.
    expect(isBetter(trial({ forgetting: 0.01 }), trial({}))).toBe(false);
    expect(isBetter(trial({ accuracy: 1, forgetting: 0.2 }), trial({}))).toBe(false);
    expect(isBetter(trial({ accuracy: 0.5, forgetting: 0.1 }), trial({ forgetting: 0.2 }))).toBe(true);
  });

  it('reports every trial and the one that was chosen', () => {
    const best = trial({ changed: 'beta 0.06', hyperparameters: { ...DEFAULT_HYPERPARAMETERS, beta: 0.06 } });
    const trials = [trial({}), best];
    const text = searchMarkdown(trials, best, 'npm run cli');
    expect(text).toContain('| as before | 0.800 | 40 % | 0.050 | 0.600 | 60 |');
    expect(text).toContain('| **beta 0.06** |');
    expect(text).toMatch(/Chosen: .*beta 0\.06/);
    const [head, ...lines] = searchCsv(trials).trimEnd().split('\n');
    expect(lines).toHaveLength(2);
    expect(new Set([head, ...lines].map((line) => line?.split(',').length)).size).toBe(1);
  });
});
