import { expect, test } from 'vitest';
import { linePath, scaleOf } from '../../src/app/components/plot';

test('the scale spans the finite values, and gives a flat line room', () => {
  expect(scaleOf([3, -1, Number.NaN, 2])).toEqual({ least: -1, most: 3 });
  expect(scaleOf([2, 2])).toEqual({ least: 1.8, most: 2.2 });
  expect(scaleOf([0])).toEqual({ least: -0.01, most: 0.01 });
  expect(scaleOf([])).toBeNull();
  expect(scaleOf([Number.NaN])).toBeNull();
});

test('the line runs from the left, the largest value on top', () => {
  expect(linePath([0, 1, 0.5], 3, 100, 40)).toBe('M0.0 40.0L50.0 0.0L100.0 20.0');
});

test('an unfinished line leaves room for the steps to come', () => {
  expect(linePath([0, 1], 5, 100, 40)).toBe('M0.0 40.0L25.0 0.0');
  expect(linePath([5], 1, 100, 40)).toBe('M50.0 20.0');
});

test('a value that is not finite breaks the line', () => {
  expect(linePath([0, Number.NaN, 1, 0], 4, 90, 10)).toBe('M0.0 10.0M60.0 0.0L90.0 10.0');
  expect(linePath([], 4, 90, 10)).toBe('');
});
