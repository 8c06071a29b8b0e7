import { describe, it } from 'vitest';
import { ropeAppend, ropeBackward } from '../../src/kernels/rope';
import { rotationTable } from '../../src/model/weights';
import { joinColumns } from '../reference/layout';
import { HashRandom } from '../reference/random';
import * as twin from '../reference/rope';
import { TINY_CONFIG } from '../reference/seeded-model';
import { expectRows, FLOAT32, KernelBench, paddedRows, randomRows, untouchedRows } from '../support/kernel';
import { cacheOf, continuation, expectCache, PACKED_BATCHES, tokensOf } from '../support/packed';

const bench = await KernelBench.open();
const CAPACITY = 272;

describe.each([
  { heads: 4, kvHeads: 2, headDim: 32 },
  { heads: 3, kvHeads: 1, headDim: 8 },
])('rope of $heads heads on $kvHeads of $headDim', ({ heads, kvHeads, headDim }) => {
  const random = new HashRandom(headDim);
  const shape = { heads, kvHeads, headDim, capacity: CAPACITY };
  const rotation = rotationTable({ ...TINY_CONFIG, head_dim: headDim, context_window_size: CAPACITY });
  const width = (heads + 2 * kvHeads) * headDim;
  const rotated = (count: number) => ({ heads: count, headDim, theta: TINY_CONFIG.rope_theta });

  // In packed batches a token's position is not its row, in a chat its row is not its index.
  describe.each([...PACKED_BATCHES, continuation(13, 33)])('$name', (tokens) => {
    const positions = tokensOf(tokens).map(({ position }) => position);
    const cacheRows = tokensOf(tokens).map(({ row }) => row);
    const rows = positions.length;

    it('rotates and appends to the cache', async () => {
      const q = randomRows(random, rows, heads * headDim);
      const k = randomRows(random, rows, kvHeads * headDim);
      const v = randomRows(random, rows, kvHeads * headDim);
      const result = await bench.run({
        storage: {
          qkv: paddedRows(joinColumns(rows, [q, k, v]), width),
          tokens: tokens.words,
          rotation,
          q: untouchedRows(rows, heads * headDim),
          keys: untouchedRows(kvHeads * CAPACITY, headDim),
          values: untouchedRows(kvHeads * CAPACITY, headDim),
        },
        size: { tokens: rows },
        dispatches: (b) => [ropeAppend({ shape, ...b })],
      });
      const keys = twin.rope(k, positions, rotated(kvHeads));
      expectRows(result.q, twin.rope(q, positions, rotated(heads)), 'q');
      expectCache(result.keys, keys, cacheRows, shape, 'keys', FLOAT32);
      expectCache(result.values, v, cacheRows, shape, 'values', FLOAT32);
    });

    it('rotates gradients back', async () => {
      const dq = randomRows(random, rows, heads * headDim);
      const dk = randomRows(random, rows, kvHeads * headDim);
      const dv = randomRows(random, rows, kvHeads * headDim);
      const result = await bench.run({
        storage: {
          dq: paddedRows(dq, heads * headDim),
          dk: cacheOf(dk, cacheRows, shape),
          dv: cacheOf(dv, cacheRows, shape),
          tokens: tokens.words,
          rotation,
          dqkv: untouchedRows(rows, width),
        },
        size: { tokens: rows },
        dispatches: (b) => [ropeBackward({ shape, ...b })],
      });
      const expected = joinColumns(rows, [
        twin.ropeBackward(dq, positions, rotated(heads)),
        twin.ropeBackward(dk, positions, rotated(kvHeads)),
        dv,
      ]);
      expectRows(result.dqkv, expected, 'dqkv');
    });
  });
});
