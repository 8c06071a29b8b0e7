import { expect } from 'vitest';
import type { AttentionShape } from '../../src/kernels/attention';
import { packBatch, TOKEN_WORDS, type Group } from '../../src/model/packed-batch';
import type { Visibility } from '../reference/attention';
import { expectClose, type Tolerance } from '../reference/check';
import { at } from '../reference/vector';
import { UNTOUCHED } from './kernel';

export interface Tokens {
  name: string;
  /** Token [rows] */
  words: Uint32Array<ArrayBuffer>;
}

/** Replies of those lengths to a prompt of that length. */
function group(prompt: number, ...replies: number[]): Group {
  const ids = (length: number): number[] => Array.from({ length }, (_, i) => i);
  return { prompt: ids(prompt), replies: replies.map(ids) };
}

/** Shared prompts, lone replies and prompts of one token. */
export const PACKED_BATCHES: Tokens[] = [
  [group(1, 1)],
  [group(5, 4, 9), group(1, 3), group(8, 2, 1, 3)],
  [group(40, 30, 50), group(100, 20), group(1, 10, 9)],
].map((groups) => {
  const { rows, tokens } = packBatch(groups);
  return { name: `${rows} rows of packed sequences`, words: tokens };
});

/** Tokens of a chat that goes on after `before` rows of its cache. */
export function continuation(before: number, rows: number): Tokens {
  const tokens = Array.from({ length: rows }, (_, i) => [
    i,
    before + i,
    0,
    0,
    0,
    before + i,
    before + rows,
    0,
  ]);
  return { name: `${rows} rows of a chat after ${before}`, words: Uint32Array.from(tokens.flat()) };
}

/** What the tokens' words say of rows and positions. */
export function tokensOf({ words }: Tokens): (Visibility & { position: number })[] {
  return Array.from({ length: words.length / TOKEN_WORDS }, (_, t) => {
    const [, position = NaN, prefix_start = NaN, prefix_end = NaN, own_start = NaN, row = NaN] =
      words.subarray(t * TOKEN_WORDS);
    return { position, prefix_start, prefix_end, own_start, row };
  });
}

type CacheShape = Pick<AttentionShape, 'kvHeads' | 'headDim' | 'capacity'>;

/** Index in a cache [kvHeads, capacity, headDim] of each value of rows [T, kvHeads · headDim] at those rows. */
function cacheIndices(rows: readonly number[], { kvHeads, headDim, capacity }: CacheShape): number[] {
  const width = kvHeads * headDim;
  return rows.flatMap((row) =>
    Array.from(
      { length: width },
      (_, i) => (Math.floor(i / headDim) * capacity + row) * headDim + (i % headDim),
    ),
  );
}

/** A cache with `values` [T, kvHeads · headDim] at `rows` and NaN elsewhere. */
export function cacheOf(
  values: Float64Array,
  rows: readonly number[],
  shape: CacheShape,
): Float32Array<ArrayBuffer> {
  const cache = new Float32Array(shape.kvHeads * shape.capacity * shape.headDim).fill(NaN);
  cacheIndices(rows, shape).forEach((index, i) => (cache[index] = at(values, i)));
  return cache;
}

/** The cache holds `values` [T, kvHeads · headDim] at `rows`, and nothing was written elsewhere. */
export function expectCache(
  cache: Float32Array,
  values: Float64Array,
  rows: readonly number[],
  shape: CacheShape,
  what: string,
  tolerance: Tolerance,
): void {
  const indices = cacheIndices(rows, shape);
  const written = indices.map((index) => cache[index] ?? NaN);
  expectClose(written, values, tolerance, what);
  expect(cache.filter((value) => value !== UNTOUCHED).length, `${what}: values written`).toBe(indices.length);
}
