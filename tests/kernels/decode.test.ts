import { describe, it } from 'vitest';
import { halfToFloat } from '../../src/formats/half';
import type { Tile } from '../../src/gpu/device';
import type { AttentionShape } from '../../src/kernels/attention';
import { attentionRow, embedRow, packHalves, rowBlock } from '../../src/kernels/decode';
import { rotationTable } from '../../src/model/weights';
import * as twin from '../reference/attention';
import { expectClose } from '../reference/check';
import { dequantize } from '../reference/int4';
import { HashRandom } from '../reference/random';
import { rope } from '../reference/rope';
import { gatherRows } from '../reference/rows';
import { TINY_CONFIG } from '../reference/seeded-model';
import {
  checkLinearRow,
  expectShares,
  randomReader,
  ROW_CASES,
  sharesBuffer,
  sharesOf,
  sharesOffsets,
} from '../support/decode';
import {
  expectRows,
  int4Buffers,
  KernelBench,
  randomInt4,
  randomRows,
  tileForms,
  untouchedRows,
} from '../support/kernel';
import { cacheOf, continuation } from '../support/packed';

const bench = await KernelBench.open();
const NONE = new Float64Array(0);
const own = bench.gpu.forms.row;
// Of a form's sizes only the lanes count here, and how many threads share a sum.
const LANES = tileForms(own).filter(({ tile }, i) => i === 0 || tile.lanes !== own.lanes);
const FORMS = [
  ...LANES,
  ...([8, 32] as const).map((split) => ({ name: `sums shared by ${split}`, tile: { ...own, split } })),
];

describe.each(FORMS)('one row, $name', ({ tile }) => {
  it.each(ROW_CASES)('the product of $name', (options) => checkLinearRow(bench, tile, options));

  it.each(ROW_CASES.filter(({ rank }) => rank !== null))('scaled to zero, the LoRA of $name', (options) =>
    checkLinearRow(bench, tile, options, (lora) => void (lora.scale = 0)),
  );

  it.each([
    { columns: 96, id: 3, scale: 'f16' },
    { columns: 160, id: 7, scale: 'f32' },
    { columns: 288, id: 99, scale: 'f16' },
  ] as const)('embedding of $columns columns, token $id', async ({ columns, id, scale }) => {
    const random = new HashRandom(columns);
    const embedding = randomInt4(random, 20, columns, scale);
    const { words: tokens } = continuation(0, 1);
    tokens[0] = id;
    const next = randomReader(random, columns, {
      norm: true,
      parts: [64, 32, 32],
      rank: 8,
      block: rowBlock(tile),
    });
    // Beyond the vocabulary it is the last token's.
    const expected = gatherRows(dequantize(embedding), [Math.min(id, 19)], columns);
    const shares = sharesOf(expected, next.reader);
    const result = await bench.run({
      storage: {
        weight: embedding.weight,
        scale: embedding.scale,
        tokens,
        values: untouchedRows(1, columns),
        shares: sharesBuffer(NONE, shares),
        arena: next.arena(),
        norm: next.norm,
      },
      uniforms: { loraUniform: Float32Array.of(next.reader.lora?.scale ?? NaN) },
      size: { tokens: 1 },
      dispatches: (b) => [
        embedRow({
          tile,
          loraUniform: b.loraUniform,
          embedding: int4Buffers(embedding, b.weight, b.scale),
          tokens: b.tokens,
          x: next.input(b, sharesOffsets(NONE).second),
        }),
      ],
    });
    expectRows(result.values, expected);
    expectShares(result.shares, NONE, shares);
  });
});

/** Scores lie between about −10 and 10: float32's exp of their differences is as good as that. */
const TOLERANCE = { rtol: 2e-5, atolScale: 2e-5 };
const CAPACITY = 272;
const SHAPES: AttentionShape[] = [
  { heads: 4, kvHeads: 2, headDim: 32, capacity: CAPACITY },
  { heads: 3, kvHeads: 1, headDim: 8, capacity: CAPACITY },
  // More columns than the 64 threads that a workgroup has at least.
  { heads: 2, kvHeads: 2, headDim: 72, capacity: CAPACITY },
];

describe.each(SHAPES)('attention of one row, $heads heads on $kvHeads of $headDim', (shape) => {
  const { heads, kvHeads, headDim } = shape;

  // A step of the loop takes 64 rows of the cache.
  it.each([0, 5, 32, 63, 64, 65, 200, 256])('attends from the token at row %i', async (row) => {
    for (const { tile } of LANES) await attends(row, tile);
  });

  async function attends(row: number, tile: Tile): Promise<void> {
    const random = new HashRandom(row + headDim);
    const { words: tokens } = continuation(row, 1);
    // A chat's position is its row; kernels take each for what it says.
    const position = row + 3;
    tokens[1] = position;
    const parts = [heads, kvHeads, kvHeads].map((count, i) =>
      randomRows(random, 1, count * headDim, i === 2 ? 1 : 3),
    );
    const [q, k, v] = parts as [Float64Array, Float64Array, Float64Array];
    const rotated = (x: Float64Array, count: number): Float64Array =>
      rope(x, [position], { heads: count, headDim, theta: TINY_CONFIG.rope_theta });
    const before = Array.from({ length: row }, (_, i) => i);
    const cache = (scale: number) =>
      cacheOf(randomRows(random, row, kvHeads * headDim, scale), before, shape);
    const [keys, values] = [cache(3), cache(1)];
    const extended = (old: Float32Array, last: Float64Array): Float64Array => {
      const all = Float64Array.from(old);
      for (let head = 0; head < kvHeads; head++) {
        all.set(last.subarray(head * headDim, (head + 1) * headDim), (head * CAPACITY + row) * headDim);
      }
      return all;
    };
    const [allKeys, allValues] = [extended(keys, rotated(k, kvHeads)), extended(values, v)];
    const { out: expected } = twin.attention({
      q: rotated(q, heads),
      k: allKeys,
      v: allValues,
      visibility: [{ prefix_start: 0, prefix_end: 0, own_start: 0, row }],
      shape,
    });
    const next = randomReader(random, heads * headDim, {
      norm: false,
      parts: [32],
      rank: 8,
      block: (heads / kvHeads) * headDim,
    });
    const shares = sharesOf(expected, next.reader);
    const rotation = rotationTable({ ...TINY_CONFIG, head_dim: headDim, context_window_size: CAPACITY + 3 });
    const result = await bench.run({
      storage: {
        qkv: Float32Array.from([...q, ...k, ...v]),
        keys,
        values,
        tokens,
        rotation,
        out: untouchedRows(1, heads * headDim),
        shares: sharesBuffer(NONE, shares),
        arena: next.arena(),
        norm: next.norm,
      },
      uniforms: { loraUniform: Float32Array.of(next.reader.lora?.scale ?? NaN) },
      size: { tokens: 1 },
      dispatches: (b) => [
        attentionRow({
          tile,
          shape,
          ...b,
          out: next.input({ ...b, values: b.out }, sharesOffsets(NONE).second),
        }),
      ],
    });
    expectRows(result.out, expected, 'out', TOLERANCE);
    expectShares(result.shares, NONE, shares);
    // NaN where nothing was and nothing is.
    const written = (cache: ArrayLike<number>): number[] =>
      Array.from(cache).filter((value) => !Number.isNaN(value));
    expectClose(written(result.keys), written(allKeys), TOLERANCE, 'keys');
    expectClose(written(result.values), written(allValues), TOLERANCE, 'values');
  }
});

it.each([128, 64 * 1024 * 2 + 256])('packs %i numbers into halves', async (count) => {
  const random = new HashRandom(count);
  const floats = Float32Array.from(random.array(count, 3));
  const { halves } = await bench.run({
    storage: { floats, halves: new Float32Array(count / 2) },
    size: { tokens: 1 },
    dispatches: (b) => [packHalves({ count, floats: b.floats, halves: b.halves })],
  });
  // Devices may round either way.
  const unpacked = Float32Array.from(new Uint16Array(halves.buffer), halfToFloat);
  expectClose(unpacked, floats, { rtol: 2 ** -10, atolScale: 2 ** -22 });
});
