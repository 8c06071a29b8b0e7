import { rowOf } from './vector';

/** [first, second, headDim] → [second, first, headDim]: rows of activations to the cache's layout and back. */
export function swapHeadsAndRows(
  x: Float64Array,
  first: number,
  second: number,
  headDim: number,
): Float64Array {
  const y = new Float64Array(x.length);
  for (let i = 0; i < first; i++) {
    for (let j = 0; j < second; j++) y.set(rowOf(x, i * second + j, headDim), (j * first + i) * headDim);
  }
  return y;
}

/** x[rows, Σ widths] → one matrix [rows, width] for each width. */
export function splitColumns(x: Float64Array, widths: readonly number[]): Float64Array[] {
  const total = widths.reduce((a, b) => a + b, 0);
  const rows = x.length / total;
  let start = 0;
  return widths.map((width) => {
    const part = new Float64Array(rows * width);
    for (let row = 0; row < rows; row++) {
      part.set(rowOf(x, row, total).subarray(start, start + width), row * width);
    }
    start += width;
    return part;
  });
}

/** The inverse of `splitColumns`. */
export function joinColumns(rows: number, parts: readonly Float64Array[]): Float64Array {
  const total = parts.reduce((n, part) => n + part.length, 0) / rows;
  const x = new Float64Array(rows * total);
  let start = 0;
  for (const part of parts) {
    const width = part.length / rows;
    for (let row = 0; row < rows; row++) x.set(rowOf(part, row, width), row * total + start);
    start += width;
  }
  return x;
}
