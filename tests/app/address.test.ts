import { expect, test } from 'vitest';
import { hashOf, placeOf, type Place } from '../../src/app/state/address';

test.each<[string, Place]>([
  ['#learning', { page: 'learning' }],
  ['#adapters', { page: 'adapters' }],
  ['#chat=abc', { page: 'chat', id: 'abc' }],
  ['#', { page: 'chat', id: null }],
])('%s names a place, and is how it is named', (hash, place) => {
  expect(placeOf(hash)).toEqual(place);
  expect(hashOf(place)).toBe(hash);
});

test('what names nothing is a new chat', () => {
  for (const hash of ['', '#learn', '#learning=1']) expect(placeOf(hash)).toEqual({ page: 'chat', id: null });
});
