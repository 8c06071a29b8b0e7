import type { Int4Matrix } from '../../src/formats/tensors';
import { dot } from './vector';

/** Columns that share a scale. */
const GROUP = 32;

/** Value of an IEEE 754 half, from its 16 bits. */
export function halfToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/**
 * W of MLC's q4f16_1 / q4f32_1: w[row, 8k + i] = (nibble i of word k of the row − 7)·scale[row, ⌊column/32⌋].
 *
 * @returns [rows, columns]
 */
export function dequantize(matrix: Int4Matrix): Float64Array {
  const { rows, columns, weight, scale } = matrix;
  const w = new Float64Array(rows * columns);
  const isHalf = scale instanceof Uint16Array;
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const word = weight[(row * columns + column) >> 3] ?? NaN;
      const stored = scale[((row * columns + column) / GROUP) | 0] ?? NaN;
      const quantum = (word >>> (4 * (column % 8))) & 15;
      w[row * columns + column] = (quantum - 7) * (isHalf ? halfToNumber(stored) : stored);
    }
  }
  return w;
}

/**
 * Y = X·Wᵀ: y[t,o] = Σ_i x[t,i]·w[o,i]
 *
 * @param x [T, in]
 * @param w [out, in]
 * @returns [T, out]
 */
export function matmulTransposed(x: Float64Array, w: Float64Array, columns: number): Float64Array {
  const tokens = x.length / columns;
  const out = w.length / columns;
  const y = new Float64Array(tokens * out);
  for (let o = 0; o < out; o++) {
    for (let t = 0; t < tokens; t++) y[t * out + o] = dot(x, t * columns, w, o * columns, columns);
  }
  return y;
}

/** Y = X·Wᵀ with W in int4. @param x [T, columns] @returns [T, rows] */
export function int4Matmul(x: Float64Array, matrix: Int4Matrix): Float64Array {
  return matmulTransposed(x, dequantize(matrix), matrix.columns);
}
