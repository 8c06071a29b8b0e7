import type { Int4Matrix } from '../../src/formats/tensors';
import type { Tile } from '../../src/gpu/device';
import type { BufferSlice } from '../../src/gpu/program';
import { linear, linearBackward } from '../../src/kernels/linear';
import { type LoraBuffers, loraDown } from '../../src/kernels/lora';
import { dequantize } from '../reference/int4';
import * as twin from '../reference/linear';
import { HashRandom } from '../reference/random';
import { sum } from '../reference/vector';
import {
  expectRows,
  int4Buffers,
  type KernelBench,
  paddedRows,
  randomInt4,
  randomRows,
  UNTOUCHED,
  untouchedRows,
} from './kernel';

/** A matrix, its LoRA if it has one, and whether a residual is added. */
export interface LinearCase {
  name: string;
  in: number;
  scale: 'f16' | 'f32';
  /** Rows of the stacked parts; their sum is `out`. */
  parts: readonly number[];
  rank: number | null;
  residual: boolean;
}

/**
 * All ranks, numbers of parts and formats of scales. A workgroup takes 256 rows of the matrix forwards and 256 columns
 * backwards; 3 groups a row put every other row's first half-precision scale into the upper half of a word.
 */
export const LINEAR_CASES: LinearCase[] = [
  { name: 'f16, no LoRA', in: 96, scale: 'f16', parts: [288], rank: null, residual: false },
  { name: 'f32, rank 4', in: 288, scale: 'f32', parts: [96], rank: 4, residual: true },
  { name: 'f16, two of rank 8', in: 64, scale: 'f16', parts: [96, 64], rank: 8, residual: false },
  { name: 'f32, three of rank 16', in: 160, scale: 'f32', parts: [64, 32, 32], rank: 16, residual: true },
];

/** Floats in front of A and of B in their arena, and behind. */
const GAP = 128;

/** A LoRA of random weights with gaps of a known value around them in one buffer, as an adapter's arena has them. */
export function randomLora(random: HashRandom, parts: readonly number[], rank: number, columns: number) {
  const round = (rows: number): number => Math.ceil(rows / GAP) * GAP;
  const lora: twin.StackedLora = {
    rank,
    scale: 1.75,
    parts,
    a: randomRows(random, parts.length * rank, columns),
    b: randomRows(
      random,
      parts.reduce((total, part) => total + part, 0),
      rank,
    ),
  };
  const aStart = GAP;
  const bStart = round(aStart + lora.a.length) + GAP;
  const size = round(bStart + lora.b.length) + GAP;
  const arena = (a: Float64Array, b: Float64Array): Float32Array<ArrayBuffer> => {
    const floats = new Float32Array(size).fill(UNTOUCHED);
    floats.set(a, aStart);
    floats.set(b, bStart);
    return floats;
  };
  const slices = (buffer: GPUBuffer, bytes = 4): { a: BufferSlice; b: BufferSlice } => ({
    a: { buffer, offset: aStart * bytes, size: lora.a.length * bytes },
    b: { buffer, offset: bStart * bytes, size: lora.b.length * bytes },
  });
  /** A and B of such an arena, and what lies around them. */
  const split = (floats: Float32Array) => {
    const [aEnd, bEnd] = [aStart + lora.a.length, bStart + lora.b.length];
    return {
      a: floats.subarray(aStart, aEnd),
      b: floats.subarray(bStart, bEnd),
      around: floats.filter((_, i) => i < aStart || (i >= aEnd && i < bStart) || i >= bEnd),
    };
  };
  const buffers = (buffer: GPUBuffer, bytes = 4): LoraBuffers => ({
    rank,
    parts,
    ...slices(buffer, bytes),
  });
  return { lora, arena, split, slices, buffers, uniform: Float32Array.of(lora.scale) };
}

/** `linear` and `linearBackward` beside their twins. */
export async function checkLinear(
  bench: KernelBench,
  tile: Tile,
  options: LinearCase,
  rows: number,
  change: (lora: twin.StackedLora) => void = () => undefined,
): Promise<void> {
  const { in: columns, parts, rank } = options;
  const random = new HashRandom(columns + rows);
  const out = parts.reduce((total, part) => total + part, 0);
  const matrix: Int4Matrix = randomInt4(random, out, columns, options.scale);
  const w = dequantize(matrix);
  const adapter = rank === null ? null : randomLora(random, parts, rank, columns);
  const lora = adapter?.lora ?? null;
  if (lora) change(lora);
  const x = randomRows(random, rows, columns);
  const dy = randomRows(random, rows, out);
  const residual = options.residual ? randomRows(random, rows, out) : null;
  const none = Float32Array.of(NaN);
  const result = await bench.run({
    storage: {
      weight: matrix.weight,
      scale: matrix.scale,
      x: paddedRows(x, columns),
      xa: lora ? paddedRows(twin.loraDown(x, lora), lora.rank * parts.length) : none,
      arena: adapter && lora ? adapter.arena(lora.a, lora.b) : none,
      residual: residual ? paddedRows(residual, out) : none,
      y: untouchedRows(rows, out),
      dy: paddedRows(dy, out),
      dxb: lora ? paddedRows(twin.loraUpBackward(dy, lora), lora.rank * parts.length) : none,
      dx: untouchedRows(rows, columns),
    },
    uniforms: { loraUniform: Float32Array.of(lora?.scale ?? NaN) },
    size: { tokens: rows },
    dispatches: (b) => {
      const buffers = adapter?.buffers(b.arena);
      const common = { tile, matrix: int4Buffers(matrix, b.weight, b.scale), loraUniform: b.loraUniform };
      const forward = {
        ...common,
        lora: buffers ? { buffers, xa: b.xa } : null,
        x: b.x,
        ...(residual ? { residual: b.residual } : {}),
      };
      return [
        linear({ ...forward, y: b.y, batch: b.batch }),
        linearBackward({
          ...common,
          lora: buffers ? { buffers, dxb: b.dxb } : null,
          dy: b.dy,
          dx: b.dx,
          batch: b.batch,
        }),
      ];
    },
  });
  const product = twin.linear(x, w, columns, lora);
  const y = residual ? sum(product, residual) : product;
  expectRows(result.y, y, 'y');
  expectRows(result.dx, twin.linearBackward(x, w, columns, lora, dy).dx, 'dx');
}

/** `loraDown` beside its twin. */
export async function checkLoraDown(
  bench: KernelBench,
  tile: Tile,
  options: { in: number; parts: readonly number[]; rank: number },
  rows: number,
): Promise<void> {
  const { in: columns, parts, rank } = options;
  const random = new HashRandom(columns + rows);
  const { lora, arena, buffers } = randomLora(random, parts, rank, columns);
  const x = randomRows(random, rows, columns);
  const { xa } = await bench.run({
    storage: {
      x: paddedRows(x, columns),
      arena: arena(lora.a, lora.b),
      xa: untouchedRows(rows, rank * parts.length),
    },
    size: { tokens: rows },
    dispatches: (b) => [
      loraDown({ tile, lora: buffers(b.arena), in: columns, x: b.x, xa: b.xa, batch: b.batch }),
    ],
  });
  expectRows(xa, twin.loraDown(x, lora), 'xa');
}
