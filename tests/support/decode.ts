import { floatToHalf, halfToFloat } from '../../src/formats/half';
import type { Tile } from '../../src/gpu/device';
import { linearRow, rowBlock, type RowInput } from '../../src/kernels/decode';
import { dequantize, matmulTransposed } from '../reference/int4';
import * as twin from '../reference/linear';
import { HashRandom } from '../reference/random';
import { rmsNorm } from '../reference/rms-norm';
import { swiglu } from '../reference/swiglu';
import { at, dot, sum } from '../reference/vector';
import {
  expectRows,
  int4Buffers,
  type KernelBench,
  randomInt4,
  randomRows,
  UNTOUCHED,
  untouchedRows,
} from './kernel';
import { randomLora } from './linear';

const EPS = 1e-5;

/** Floats between the shares of one row and those of another. */
const GAP = 5;

/** What reads a row: its norm's weights, its LoRA and how many of the row's values a workgroup makes. */
export interface Reader {
  norm: Float64Array | null;
  lora: twin.StackedLora | null;
  block: number;
}

function rounded(value: number): number {
  return halfToFloat(floatToHalf(value));
}

/** A reader with a random norm, a random LoRA of that rank, or without. */
export function randomReader(
  random: HashRandom,
  size: number,
  {
    norm,
    parts,
    rank,
    block,
  }: { norm: boolean; parts: readonly number[]; rank: number | null; block: number },
) {
  const lora = rank === null ? null : randomLora(random, parts, rank, size);
  if (lora) {
    lora.lora.a = lora.lora.a.map(rounded);
    lora.lora.b = lora.lora.b.map(rounded);
  }
  const reader: Reader = {
    norm: norm ? randomRows(random, 1, size).map((value) => 1 + value / 5) : null,
    lora: lora?.lora ?? null,
    block,
  };
  const none = Float32Array.of(NaN);
  return {
    reader,
    /** A and B in halves, as they are by now. */
    arena: (): Uint16Array<ArrayBuffer> =>
      Uint16Array.from(lora?.arena(lora.lora.a, lora.lora.b) ?? none, floatToHalf),
    norm: reader.norm ? new Float32Array(reader.norm) : none,
    /** The reader on the device, its shares from `offset` of `shares` on. */
    input: (
      buffers: { values: GPUBuffer; shares: GPUBuffer; arena: GPUBuffer; norm: GPUBuffer },
      offset: number,
    ): RowInput => ({
      values: buffers.values,
      in: size,
      norm: reader.norm ? { weight: buffers.norm, size, eps: EPS } : null,
      lora: lora?.buffers(buffers.arena, 2) ?? null,
      shares: { buffer: buffers.shares, offset, block },
    }),
  };
}

/** [blocks, inner products (+ 1)]: for each block of x that of (x·norm)·Aᵀ, and with a norm that of x·x. */
export function sharesOf(x: Float64Array, { norm, lora, block }: Reader): Float64Array {
  const shares: number[] = [];
  for (let start = 0; start < x.length; start += block) {
    const own = x.map((value, i) => (i >= start && i < start + block ? value : 0));
    const normed = norm ? own.map((value, i) => value * at(norm, i)) : own;
    if (lora) shares.push(...matmulTransposed(normed, lora.a, x.length));
    if (norm) shares.push(dot(own, 0, own, 0, own.length));
  }
  return Float64Array.from(shares);
}

/** Whether a share is that of an inner product. */
function isInner(index: number, { norm, lora }: Reader): boolean {
  const inner = lora ? lora.rank * lora.parts.length : 0;
  return index % (inner + (norm ? 1 : 0)) < inner;
}

/** Shares in front, room for others behind, nothing else. */
export function sharesBuffer(first: Float64Array, second: Float64Array): Float32Array<ArrayBuffer> {
  const floats = new Float32Array(first.length + second.length + 3 * GAP).fill(UNTOUCHED);
  floats.set(first, GAP);
  return floats;
}

/** Offset of the first and the second shares in `sharesBuffer`. */
export function sharesOffsets(first: Float64Array): { first: number; second: number } {
  return { first: GAP, second: first.length + 2 * GAP };
}

/** Both shares as expected, and nothing around them. */
export function expectShares(actual: Float32Array, first: Float64Array, second: Float64Array): void {
  const expected = Float64Array.from(sharesBuffer(first, second));
  expected.set(second, sharesOffsets(first).second);
  const tail = expected.length - GAP;
  expectRows(actual, expected.subarray(0, tail), 'shares');
}

/** A product of one row and what stands around it. */
export interface RowCase {
  name: string;
  in: number;
  scale: 'f16' | 'f32';
  parts: readonly number[];
  rank: number | null;
  norm: boolean;
  /** What the product is followed by. */
  then: 'nothing' | 'swiglu' | 'add';
  /** Who reads the result, if anyone that its shares are for. */
  next: { norm: boolean; parts: readonly number[]; rank: number | null } | null;
}

/** A workgroup makes 128, 64 or 16 columns; the results of some cases end within one. */
export const ROW_CASES: RowCase[] = [
  {
    name: 'q, k, v',
    in: 160,
    scale: 'f32',
    parts: [64, 32, 32],
    rank: 16,
    norm: true,
    then: 'nothing',
    next: null,
  },
  {
    name: 'gate and up',
    in: 96,
    scale: 'f16',
    parts: [160, 160],
    rank: 8,
    norm: true,
    then: 'swiglu',
    next: { norm: false, parts: [96], rank: 4 },
  },
  {
    name: 'down',
    in: 288,
    scale: 'f16',
    parts: [160],
    rank: 4,
    norm: false,
    then: 'add',
    next: { norm: true, parts: [96, 32, 32], rank: 12 },
  },
  {
    name: 'the last down',
    in: 64,
    scale: 'f32',
    parts: [96],
    rank: 8,
    norm: false,
    then: 'add',
    next: { norm: true, parts: [], rank: null },
  },
  {
    name: 'the head',
    in: 160,
    scale: 'f16',
    parts: [288],
    rank: null,
    norm: true,
    then: 'nothing',
    next: null,
  },
];

/** `linearRow` beside its twins. */
export async function checkLinearRow(
  bench: KernelBench,
  tile: Tile,
  options: RowCase,
  change: (lora: twin.StackedLora) => void = () => undefined,
): Promise<void> {
  const { in: columns, parts, rank, norm, then } = options;
  const random = new HashRandom(columns);
  const rows = parts.reduce((total, part) => total + part, 0);
  const out = then === 'swiglu' ? rows / 2 : rows;
  const matrix = randomInt4(random, rows, columns, options.scale);
  const block = rowBlock(tile);
  const own = randomReader(random, columns, { norm, parts, rank, block });
  const next = randomReader(random, out, {
    ...(options.next ?? { norm: false, parts: [], rank: null }),
    block,
  });
  if (own.reader.lora) change(own.reader.lora);
  const x = randomRows(random, 1, columns);
  const before = randomRows(random, 1, out);
  const y = untouchedRows(1, out);
  if (then === 'add') y.set(before);

  const normed = own.reader.norm ? rmsNorm(x, own.reader.norm, EPS) : x;
  const product = twin.linear(normed, dequantize(matrix), columns, own.reader.lora);
  const expected = {
    nothing: () => product,
    swiglu: () => swiglu(product, out),
    add: () => sum(product, before),
  }[then]();
  const shares = sharesOf(x, own.reader);
  const scale = own.reader.lora?.scale ?? 1;
  const nextShares = sharesOf(expected, next.reader);
  // One scale counts for all of an adapter: at zero nobody needs inner products, and none are made.
  if (scale === 0)
    nextShares.forEach((_, i) => isInner(i, next.reader) && nextShares.fill(UNTOUCHED, i, i + 1));
  const offsets = sharesOffsets(shares);
  const result = await bench.run({
    storage: {
      weight: matrix.weight,
      scale: matrix.scale,
      x: new Float32Array(x),
      y,
      shares: sharesBuffer(shares, nextShares),
      arena: own.arena(),
      norm: own.norm,
      nextArena: next.arena(),
      nextNorm: next.norm,
    },
    uniforms: { loraUniform: Float32Array.of(scale) },
    size: { tokens: 1 },
    dispatches: (b) => [
      linearRow({
        tile,
        matrix: int4Buffers(matrix, b.weight, b.scale),
        loraUniform: b.loraUniform,
        x: own.input({ ...b, values: b.x }, offsets.first),
        y: options.next
          ? next.input(
              { shares: b.shares, values: b.y, arena: b.nextArena, norm: b.nextNorm },
              offsets.second,
            )
          : b.y,
        add: then === 'add',
        swiglu: then === 'swiglu',
      }),
    ],
  });
  expectRows(result.y, expected, 'y');
  expectShares(result.shares, shares, nextShares);
}
