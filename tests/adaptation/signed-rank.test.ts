import { describe, expect, it } from 'vitest';
import { signedRankTest } from '../../src/adaptation/signed-rank';

/** 1 to `count`, those of the given ranks negative. */
const ranked = (count: number, negative: readonly number[]): number[] =>
  Array.from({ length: count }, (_, i) => (negative.includes(i + 1) ? -(i + 1) : i + 1));

describe('the signed-rank test', () => {
  // Of 5: all, all but the smallest, half of the ranks' sum and more.
  it.each([
    [[], 1],
    [[1, 2, 3, 4, 5], 1 / 32],
    [[-1, 2, 3, 4, 5], 2 / 32],
    [[-1, -2, -3, -4, -5], 1],
  ])('finds the chance of %j', (values, p) => {
    expect(signedRankTest(values)).toBeCloseTo(p, 12);
  });

  // Wilcoxon and Wilcox 1964, critical values for 0.025, one-sided: sums of the negative ranks.
  it.each([
    [10, [8], 0.0244],
    [15, [12, 13], 0.024],
    [20, [20, 17, 15], 0.0242],
  ])('of %i values has the published chances', (count, negative, p) => {
    expect(signedRankTest(ranked(count, negative))).toBeCloseTo(p, 4);
  });

  it('is exact where values are equally large, and knows no zeros', () => {
    // One of five equal ones is negative: as likely as four or more heads of five coins.
    expect(signedRankTest([3, 3, 3, 3, -3])).toBeCloseTo(6 / 32, 12);
    expect(signedRankTest([0, 3, 3, 3, 3, -3, 0])).toBeCloseTo(6 / 32, 12);
  });

  it('does not care in which order they come, but for their sizes', () => {
    const small = [-1, 9, 4, 6, 7];
    expect(signedRankTest(small.toReversed())).toBe(signedRankTest(small));
    expect(signedRankTest([1, -9, 4, 6, 7])).toBeGreaterThan(signedRankTest(small));
  });

  it('does not underflow where there are many', () => {
    const many = Array.from({ length: 1200 }, (_, i) => (i % 2 === 0 ? i + 1 : -i - 1));
    expect(signedRankTest(many)).toBeCloseTo(0.5, 1);
    expect(signedRankTest(many.map(Math.abs))).toBeLessThan(1e-9);
  });
});
