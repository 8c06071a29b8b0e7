import { describe, expect, it } from 'vitest';
import { attention, attentionBackward, type AttentionShape } from '../../src/kernels/attention';
import { required } from '../../src/shared/assert';
import * as twin from '../reference/attention';
import { expectClose } from '../reference/check';
import { swapHeadsAndRows } from '../reference/layout';
import { HashRandom } from '../reference/random';
import { dot } from '../reference/vector';
import {
  expectRows,
  KernelBench,
  paddedRows,
  randomRows,
  tileForms,
  UNTOUCHED,
  untouchedRows,
} from '../support/kernel';
import { cacheOf, continuation, expectCache, PACKED_BATCHES, type Tokens, tokensOf } from '../support/packed';

const bench = await KernelBench.open();
const CAPACITY = 272;

/** Scores lie between about −10 and 10: float32's exp of their differences is as good as that. */
const TOLERANCE = { rtol: 2e-5, atolScale: 2e-5 };

const SHAPES = [
  { heads: 4, kvHeads: 2, headDim: 16, capacity: CAPACITY },
  { heads: 3, kvHeads: 1, headDim: 8, capacity: CAPACITY },
];
const random = new HashRandom(7);
const upTo = (count: number): number[] => Array.from({ length: count }, (_, row) => row);

/** Random queries for the tokens, keys and values for all rows up to the last token's; NaN in the cache's others. */
function inputs(tokens: Tokens, shape: AttentionShape) {
  const visibility = tokensOf(tokens);
  const cacheRows = upTo((visibility.at(-1)?.row ?? NaN) + 1);
  const width = shape.kvHeads * shape.headDim;
  const cache = (scale: number) =>
    cacheOf(randomRows(random, cacheRows.length, width, scale), cacheRows, shape);
  const q = randomRows(random, visibility.length, shape.heads * shape.headDim, 3);
  const [keys, values] = [cache(3), cache(1)];
  const input = { q, k: Float64Array.from(keys), v: Float64Array.from(values), visibility, shape };
  return { input, q, keys, values, rows: visibility.length };
}

const FORMS = SHAPES.flatMap((shape) =>
  tileForms(bench.gpu.forms.batch).map(({ name, tile }) => ({ ...shape, name, tile, shape })),
);

describe.each(FORMS)('attention of $heads heads on $kvHeads of $headDim, $name', ({ shape, tile }) => {
  const { heads, kvHeads, headDim } = shape;
  const width = heads * headDim;

  it.each([...PACKED_BATCHES, continuation(13, 33)])('attends in $name', async (tokens) => {
    const { input, q, keys, values, rows } = inputs(tokens, shape);
    const result = await bench.run({
      storage: {
        q: paddedRows(q, width),
        keys,
        values,
        tokens: tokens.words,
        out: untouchedRows(rows, width),
        statistics: untouchedRows(rows, 2 * heads),
      },
      size: { tokens: rows },
      dispatches: (b) => [attention(tile, shape, b)],
    });
    const expected = twin.attention(input);
    expectRows(result.out, expected.out, 'out', TOLERANCE);
    const [lse, delta] = pairs(result.statistics);
    expectRows(lse, expected.lse, 'lse', TOLERANCE);
    expect(delta.every((value) => value === UNTOUCHED)).toBe(true);
  });

  async function gradients(tokens: Tokens) {
    const { input, q, keys, values, rows } = inputs(tokens, shape);
    const dOut = randomRows(random, rows, width);
    const { out, lse } = twin.attention(input);
    const statistics = untouchedRows(rows, 2 * heads);
    lse.forEach((value, i) => (statistics[2 * i] = value));
    const result = await bench.run({
      storage: {
        q: paddedRows(q, width),
        keys,
        values,
        tokens: tokens.words,
        out: paddedRows(out, width),
        statistics,
        dOut: paddedRows(dOut, width),
        dq: untouchedRows(rows, width),
        dk: untouchedRows(kvHeads * CAPACITY, headDim),
        dv: untouchedRows(kvHeads * CAPACITY, headDim),
      },
      size: { tokens: rows },
      dispatches: (b) => attentionBackward(tile, shape, b, b),
    });
    const [lseAfter, delta] = pairs(result.statistics);
    expectRows(lseAfter, lse, 'lse', TOLERANCE);
    return { ...result, delta, out, dOut, rows, expected: twin.attentionBackward(input, dOut) };
  }

  it.each(PACKED_BATCHES.slice(1))('has the gradients of $name', async (tokens) => {
    const { dq, delta, out, dOut, rows, expected, ...result } = await gradients(tokens);
    expectRows(dq, expected.dq, 'dq', TOLERANCE);
    const sums = upTo(rows * heads).map((i) => dot(dOut, i * headDim, out, i * headDim, headDim));
    expectRows(delta, sums, 'δ', TOLERANCE);
    for (const name of ['dk', 'dv'] as const) {
      const byRow = swapHeadsAndRows(expected[name], kvHeads, CAPACITY, headDim);
      const own = byRow.subarray(0, rows * kvHeads * headDim);
      expectCache(result[name], own, upTo(rows), shape, name, TOLERANCE);
    }
  });

  it('gives nothing to the query and the key of a token that sees only itself', async () => {
    const [alone] = PACKED_BATCHES;
    const { dq, dk, dv, expected } = await gradients(required(alone, 'batch of one row'));
    for (const zeros of [dq.subarray(0, width), dk.subarray(0, headDim)]) {
      expect(Math.max(...zeros.map(Math.abs))).toBeLessThan(1e-5);
    }
    expectClose(dv.subarray(0, headDim), expected.dv.subarray(0, headDim), TOLERANCE, 'dv');
  });
});

/** The first and the second of every two values. */
function pairs(values: Float32Array): [Float32Array, Float32Array] {
  return [values.filter((_, i) => i % 2 === 0), values.filter((_, i) => i % 2 === 1)];
}
