import { beforeAll, describe, expect, it } from 'vitest';
import {
  prefers,
  readStyles,
  simulate,
  type StyledPrompt,
  STYLES,
  wordsOf,
} from '../../../src/cli/bench/styles';

let data: Record<'train' | 'held', StyledPrompt[]>;

beforeAll(async () => {
  data = await readStyles('models/recipe/data/thumbling_styles.jsonl.gz');
});

describe('the styles', () => {
  it('hold a ninth of the prompts back, none of them trained on', () => {
    expect([data.train.length, data.held.length]).toEqual([528, 66]);
    const trained = new Set(data.train.map(({ prompt }) => prompt.toLowerCase().trim()));
    expect(data.held.filter(({ prompt }) => trained.has(prompt.toLowerCase().trim()))).toEqual([]);
  });
});

describe('a simulated user', () => {
  const texts = (prompt: string): StyledPrompt['replies'] | undefined =>
    data.train.find((candidate) => candidate.prompt === prompt)?.replies;

  it.each(STYLES)('who likes %s prefers it to any other style, on different prompts', (style) => {
    const signals = simulate(data.train, style, 'pairs', 50, 3);
    expect(new Set(signals.map(({ prompt }) => prompt)).size).toBe(50);
    const rivals = new Set<string | undefined>();
    for (const signal of signals) {
      if (!('chosen' in signal)) throw new Error('not a pair');
      const replies = texts(signal.prompt);
      expect(signal.chosen).toBe(replies?.[style]);
      rivals.add(STYLES.find((other) => replies?.[other] === signal.rejected));
    }
    expect(rivals).toEqual(new Set(STYLES.filter((other) => other !== style)));
  });

  it('gives half of the lone thumbs up, only to the own style', () => {
    const signals = simulate(data.train, 'warm', 'thumbs', 20, 3);
    const ups = signals.filter((signal) => 'up' in signal && signal.up);
    expect([signals.length, ups.length]).toEqual([20, 10]);
    for (const signal of signals) {
      if (!('reply' in signal)) throw new Error('not a thumb');
      expect(signal.reply === texts(signal.prompt)?.warm).toBe(signal.up);
    }
  });

  it('who likes what is shorter says so of any two replies', () => {
    const pairs = simulate(data.train, 'shorter', 'pairs', 50, 3);
    const styles = new Set<string | undefined>();
    for (const signal of pairs) {
      if (!('chosen' in signal)) throw new Error('not a pair');
      expect(wordsOf(signal.chosen)).toBeLessThanOrEqual(wordsOf(signal.rejected));
      styles.add(STYLES.find((style) => texts(signal.prompt)?.[style] === signal.chosen));
    }
    expect(styles.size).toBeGreaterThan(3);
    const thumbs = simulate(data.train, 'shorter', 'thumbs', 50, 3);
    const words = (up: boolean): number =>
      thumbs.reduce((sum, one) => sum + ('up' in one && one.up === up ? wordsOf(one.reply) : 0), 0);
    expect(words(true)).toBeLessThan(words(false));
    const [first] = data.train;
    if (!first) throw new Error('no prompts');
    expect(STYLES.filter((style) => prefers('shorter', first.replies, style, style))).toEqual([]);
  });

  it('says the same for the same seed, something else for another', () => {
    const once = simulate(data.train, 'list', 'pairs', 20, 1);
    expect(simulate(data.train, 'list', 'pairs', 20, 1)).toEqual(once);
    expect(simulate(data.train, 'list', 'pairs', 20, 2)).not.toEqual(once);
    // A longer run begins with the shorter one, so that a curve over K grows from the same signals.
    expect(simulate(data.train, 'list', 'pairs', 50, 1).slice(0, 20)).toEqual(once);
  });
});
