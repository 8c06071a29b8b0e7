import { expect, test } from 'vitest';
import { dotsPath, linePath, scaleOf } from '../../src/app/components/plot';

test('the scale spans the finite values, and gives a flat line room', () => {
  expect(scaleOf([3, -1, Number.NaN, 2])).toEqual({ least: -1, most: 3 });
  expect(scaleOf([2, 2])).toEqual({ least: 1.8, most: 2.2 });
  expect(scaleOf([0])).toEqual({ least: -0.01, most: 0.01 });
  expect(scaleOf([])).toBeNull();
  expect(scaleOf([Number.NaN])).toBeNull();
});

test('the line runs from the left, the largest value on top', () => {
  expect(linePath([0, 1, 0.5], { steps: 3, width: 100, height: 40 })).toBe('M0.0 40.0L50.0 0.0L100.0 20.0');
});

test('an unfinished line leaves room for the steps to come', () => {
  expect(linePath([0, 1], { steps: 5, width: 100, height: 40 })).toBe('M0.0 40.0L25.0 0.0');
  expect(linePath([5], { steps: 1, width: 100, height: 40 })).toBe('M50.0 20.0');
});

test('a value that is not finite breaks the line', () => {
  expect(linePath([0, Number.NaN, 1, 0], { steps: 4, width: 90, height: 10 })).toBe(
    'M0.0 10.0M60.0 0.0L90.0 10.0',
  );
  expect(linePath([], { steps: 4, width: 90, height: 10 })).toBe('');
});

test('the line passes over what is aside, which is a dot of its own', () => {
  const box = { steps: 4, width: 90, height: 10 };
  const aside = [false, true, false, true];
  expect(linePath([0, 4, 1, 2], box, aside)).toBe('M0.0 10.0L60.0 7.5');
  expect(dotsPath([0, 4, 1, 2], box, aside)).toBe('M30.0 0.0h0M90.0 5.0h0');
  expect(dotsPath([0, Number.NaN], box, [true, true])).toBe('M0.0 5.0h0');
});
