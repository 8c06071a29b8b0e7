import { expect, test } from 'vitest';
import { leafBelow, newestLeaf, pathTo, siblingsOf } from '../../src/app/state/tree';
import type { Message, Role } from '../../src/shared/records';

/** "id<parent" lines, in order of creation; users are u…, replies are a…. */
function tree(...lines: string[]): Map<string, Message> {
  const messages = lines.map((line, index): Message => {
    const [id = '', parent] = line.split('<');
    const role: Role = id.startsWith('u') ? 'user' : 'assistant';
    return {
      id,
      conversationId: 'c',
      parentId: parent ?? null,
      role,
      content: id,
      createdAt: index,
      state: 'done',
    };
  });
  // Reversed, so that no function can lean on the order of the map.
  return new Map(messages.reverse().map((message) => [message.id, message]));
}

const ids = (messages: Message[]): string[] => messages.map(({ id }) => id);
const forked = tree('u1', 'a1<u1', 'a2<u1', 'u2<a1', 'a3<u2', 'u3<a2', 'a4<u3', 'a5<u3');

test('the path runs from the root to the head', () => {
  expect(ids(pathTo(forked, 'a3'))).toEqual(['u1', 'a1', 'u2', 'a3']);
  expect(ids(pathTo(forked, 'a5'))).toEqual(['u1', 'a2', 'u3', 'a5']);
  expect(pathTo(forked, null)).toEqual([]);
  expect(pathTo(forked, 'unknown')).toEqual([]);
});

test('a path through a circle of damaged records ends', () => {
  expect(ids(pathTo(tree('u1<a1', 'a1<u1'), 'a1'))).toEqual(['u1', 'a1']);
  expect(['u1', 'a1']).toContain(leafBelow(tree('u1<a1', 'a1<u1'), 'a1'));
});

test('siblings are the branches at one place, oldest first', () => {
  expect(ids(siblingsOf(forked, 'a2'))).toEqual(['a1', 'a2']);
  expect(ids(siblingsOf(forked, 'a4'))).toEqual(['a4', 'a5']);
  expect(ids(siblingsOf(forked, 'u2'))).toEqual(['u2']);
  expect(siblingsOf(forked, 'unknown')).toEqual([]);
});

test('first messages are siblings of each other', () => {
  expect(ids(siblingsOf(tree('u1', 'u2', 'a1<u1'), 'u2'))).toEqual(['u1', 'u2']);
});

test('a branch is entered at its newest leaf', () => {
  expect(leafBelow(forked, 'a1')).toBe('a3');
  expect(leafBelow(forked, 'a2')).toBe('a5');
  expect(leafBelow(forked, 'a4')).toBe('a4');
});

test('the newest leaf ends the newest branch', () => {
  expect(newestLeaf(forked)).toBe('a5');
  expect(newestLeaf(new Map())).toBeNull();
});
