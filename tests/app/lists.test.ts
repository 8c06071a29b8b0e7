import { expect, it } from 'vitest';
import { separateItems } from '../../src/app/markdown/lists';

it('gives each item of a list on one line its own line', () => {
  expect(separateItems('1. Boil it. 2. Cool it. 3. Peel it.')).toBe('1. Boil it.\n2. Cool it.\n3. Peel it.');
  expect(separateItems('Do this:\n1) Stop 2) Wait')).toBe('Do this:\n1) Stop\n2) Wait');
});

it('follows the numbers in order only', () => {
  expect(separateItems('1. Take 3. 4. of them 2. Rest')).toBe('1. Take 3. 4. of them\n2. Rest');
  expect(separateItems('1. Wait 2 days. 3. No.')).toBe('1. Wait 2 days. 3. No.');
});

it('leaves other text and code alone', () => {
  const text = 'In chapter 1. 2. comes later.\n```\n1. a 2. b\n```\n';
  expect(separateItems(text)).toBe(text);
});

it('splits again after a code block', () => {
  expect(separateItems('```\n1. a 2. b\n```\n1. a 2. b')).toBe('```\n1. a 2. b\n```\n1. a\n2. b');
});
