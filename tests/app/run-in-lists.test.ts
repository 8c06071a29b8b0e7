import { expect, it } from 'vitest';
import { breakRunInLists } from '../../src/app/markdown/run-in-lists';

it('gives each item of a list in one line a line of its own', () => {
  expect(breakRunInLists('1. Warm some milk. 2. Read a book. 3. Sleep.')).toBe(
    '1. Warm some milk.\n2. Read a book.\n3. Sleep.',
  );
  expect(breakRunInLists('Do this:\n1) Wait 2) Go')).toBe('Do this:\n1) Wait\n2) Go');
});

it('leaves alone what is no list, and numbers that do not come next', () => {
  for (const text of [
    'It was 1. then 2. came.',
    '1. Wait 3. minutes',
    '1. Step 2) is later',
    '1. It costs 2.',
    '1. One\n2. Two',
    '```\n1. a 2. b\n```',
  ]) {
    expect(breakRunInLists(text)).toBe(text);
  }
  expect(breakRunInLists('1. Take 4. Put 2. Eat 2. Sleep')).toBe('1. Take 4. Put\n2. Eat 2. Sleep');
});

it('breaks lists after a fence has ended', () => {
  expect(breakRunInLists('```\n1. a 2. b\n```\n1. a 2. b')).toBe('```\n1. a 2. b\n```\n1. a\n2. b');
});
