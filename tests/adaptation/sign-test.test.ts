import { describe, expect, it } from 'vitest';
import { signTest } from '../../src/adaptation/sign-test';

describe('the sign test', () => {
  it.each([
    [0, 0, 1],
    [0, 5, 1],
    [5, 5, 1 / 32],
    [4, 5, 6 / 32],
    [15, 20, 21700 / 2 ** 20],
  ])('finds the chance of %i or more heads in %i throws', (wins, count, p) => {
    expect(signTest(wins, count)).toBeCloseTo(p, 12);
  });

  it('does not overflow where there are many', () => {
    expect(signTest(500, 1000)).toBeCloseTo(0.5126, 4);
    expect(signTest(600, 1000)).toBeLessThan(1e-9);
  });
});
