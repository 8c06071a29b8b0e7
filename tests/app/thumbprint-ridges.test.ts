import { expect, test } from 'vitest';
import { RIDGE_PATHS, inkOfRidges } from '../../src/app/components/thumbprint-ridges';

test('ink rises from the core outwards and covers the whole print at 1', () => {
  expect(inkOfRidges(0, 4)).toEqual([0, 0, 0, 0]);
  expect(inkOfRidges(0.375, 4)).toEqual([1, 0.5, 0, 0]);
  expect(inkOfRidges(1, 4)).toEqual([1, 1, 1, 1]);
  expect(inkOfRidges(0.5)).toHaveLength(RIDGE_PATHS.length);
});

test('progress out of range is clamped', () => {
  expect(inkOfRidges(-1, 2)).toEqual([0, 0]);
  expect(inkOfRidges(7, 2)).toEqual([1, 1]);
});

test('each ridge is one open arc inside the view box', () => {
  for (const path of RIDGE_PATHS) {
    const numbers = [...path.matchAll(/-?\d+(?:\.\d+)?/g)].map(([number]) => Number(number));
    expect(numbers).toHaveLength(9);
    const [startX, startY, , , , , , endX, endY] = numbers;
    for (const value of [startX, startY, endX, endY]) {
      expect(value).toBeGreaterThan(0);
      expect(value).toBeLessThan(64);
    }
    expect([startX, startY]).not.toEqual([endX, endY]);
  }
});
