import { addScaled, at } from './vector';

/** y[n] = x[rows[n]]: also an embedding, whose rows are tokens. @param x [·, columns] @returns [rows.length, columns] */
export function gatherRows(x: Float64Array, rows: readonly number[], columns: number): Float64Array {
  const y = new Float64Array(rows.length * columns);
  rows.forEach((row, n) => addScaled(y, n * columns, 1, x, row * columns, columns));
  return y;
}

/**
 * y[rows[n]] = coefficients[n]·x[n], zero where nothing comes; rows are distinct.
 *
 * @param x [rows.length, columns]
 * @returns [count, columns]
 */
export function scatterRows(
  x: Float64Array,
  rows: readonly number[],
  coefficients: Float64Array,
  count: number,
): Float64Array {
  const columns = x.length / rows.length;
  const y = new Float64Array(count * columns);
  rows.forEach((row, n) => addScaled(y, row * columns, at(coefficients, n), x, n * columns, columns));
  return y;
}
