import { expect, test } from 'vitest';
import {
  formatBytes,
  formatExcerpt,
  formatNumber,
  formatPercent,
  formatSeconds,
  formatSpeed,
} from '../../src/app/format';

test('bytes in decimal units with one decimal below a hundred', () => {
  expect([0, 999, 1000, 3_140_000, 99_949_999, 150_000_000, 2.5e9].map(formatBytes)).toEqual([
    '0 B',
    '999 B',
    '1.0 kB',
    '3.1 MB',
    '99.9 MB',
    '150 MB',
    '2.5 GB',
  ]);
  expect(formatBytes(999_960)).toBe('1.0 MB');
  expect(formatSpeed(12_000_000)).toBe('12.0 MB/s');
});

test('seconds, minutes, hours', () => {
  expect([0.2, 8.4, 89, 90, 3540, 3600, 4800].map(formatSeconds)).toEqual([
    '1 s',
    '8 s',
    '89 s',
    '2 min',
    '59 min',
    '1 h',
    '1 h 20 min',
  ]);
});

test('percent and numbers', () => {
  expect(formatPercent(0.875)).toBe('88 %');
  expect(formatNumber(-0.1234, 2)).toBe('−0.12');
  expect(formatNumber(-0.0004, 2)).toBe('0.00');
  expect(formatNumber(1, 3)).toBe('1.000');
});

test('an excerpt is one line, and says where it breaks off', () => {
  expect(formatExcerpt(' One.\n\n Two. ')).toBe('One. Two.');
  expect(formatExcerpt('One two', 4)).toBe('One…');
  expect(formatExcerpt('x'.repeat(90))).toBe('x'.repeat(90));
});
