/** Dense float64 arithmetic of the reference twins: row-major matrices in flat arrays. */

/** Element `i`. @throws RangeError outside of the array: a reference must not read past its data. */
export function at(x: Float64Array, i: number): number {
  const value = x[i];
  if (value === undefined) throw new RangeError(`index ${i} outside of ${x.length} elements`);
  return value;
}

/** y[i] += value. */
export function addAt(y: Float64Array, i: number, value: number): void {
  y[i] = at(y, i) + value;
}

/** Σ_i a[aStart + i]·b[bStart + i] over `n` elements. */
export function dot(a: Float64Array, aStart: number, b: Float64Array, bStart: number, n: number): number {
  if (aStart + n > a.length || bStart + n > b.length) throw new RangeError('dot: outside of an array');
  let sum = 0;
  for (let i = 0; i < n; i++) sum += (a[aStart + i] ?? NaN) * (b[bStart + i] ?? NaN);
  return sum;
}

/** y[yStart + i] += scale·x[xStart + i] over `n` elements. */
export function addScaled(
  y: Float64Array,
  yStart: number,
  scale: number,
  x: Float64Array,
  xStart: number,
  n: number,
): void {
  if (yStart + n > y.length || xStart + n > x.length) throw new RangeError('addScaled: outside of an array');
  for (let i = 0; i < n; i++) y[yStart + i] = (y[yStart + i] ?? NaN) + scale * (x[xStart + i] ?? NaN);
}

/** a + b, element by element. */
export function sum(a: Float64Array, b: Float64Array): Float64Array {
  if (a.length !== b.length) throw new RangeError(`sum: lengths ${a.length} and ${b.length}`);
  return a.map((value, i) => value + at(b, i));
}

/** Row `row` of x[rows, columns], without copying. */
export function rowOf(x: Float64Array, row: number, columns: number): Float64Array {
  if ((row + 1) * columns > x.length) throw new RangeError(`row ${row} outside of the matrix`);
  return x.subarray(row * columns, (row + 1) * columns);
}

/** Euclidean norm. */
export function norm(x: Float64Array): number {
  return Math.sqrt(dot(x, 0, x, 0, x.length));
}

/** σ(x) = 1 / (1 + e^−x), without overflow. */
export function sigmoid(x: number): number {
  if (x >= 0) return 1 / (1 + Math.exp(-x));
  const e = Math.exp(x);
  return e / (1 + e);
}

/** log σ(x), without overflow. */
export function logSigmoid(x: number): number {
  return x >= 0 ? -Math.log1p(Math.exp(-x)) : x - Math.log1p(Math.exp(x));
}

/** log Σ_i e^x[i], without overflow. */
export function logSumExp(x: Float64Array): number {
  const max = x.reduce((a, b) => Math.max(a, b), -Infinity);
  let total = 0;
  for (const value of x) total += Math.exp(value - max);
  return max + Math.log(total);
}
