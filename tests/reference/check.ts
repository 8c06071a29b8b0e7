/** Comparison of a result with its reference, hard to pass by accident. */

export interface Tolerance {
  /** Error allowed relative to each reference value. */
  rtol: number;
  /** Error allowed relative to the largest magnitude of the reference. */
  atolScale: number;
  /** Accept a reference that is zero everywhere (then every actual value must be zero too). */
  allowZero?: boolean;
}

/** Directions must agree this well besides the values. */
const MIN_COSINE = 0.999;

/**
 * Throws unless every value satisfies |actual − expected| ≤ atolScale·max|expected| + rtol·|expected| *and* the cosine of
 * both is above 0.999. NaN, infinities, different lengths and, unless allowed, an all-zero reference fail.
 */
export function expectClose(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  tolerance: Tolerance,
  what = 'result',
): void {
  if (actual.length !== expected.length) {
    throw new Error(`${what}: ${actual.length} values, expected ${expected.length}`);
  }
  const max = largestMagnitude(expected, what);
  if (max === 0 && tolerance.allowZero !== true) throw new Error(`${what}: the reference is zero everywhere`);
  let worst = { excess: 0, index: -1 };
  for (let i = 0; i < expected.length; i++) {
    const reference = expected[i] ?? NaN;
    const error = Math.abs((actual[i] ?? NaN) - reference);
    if (!Number.isFinite(error)) throw new Error(`${what}[${i}] is ${actual[i]}, expected ${reference}`);
    const excess = error - (tolerance.atolScale * max + tolerance.rtol * Math.abs(reference));
    if (excess > worst.excess) worst = { excess, index: i };
  }
  if (worst.index >= 0) {
    const { index } = worst;
    throw new Error(`${what}[${index}] is ${actual[index]}, expected ${expected[index]} (largest ${max})`);
  }
  if (max === 0) return;
  const similarity = cosine(actual, expected);
  if (!(similarity > MIN_COSINE)) throw new Error(`${what}: cosine ${similarity} with the reference`);
}

/** a·b / (‖a‖·‖b‖); NaN when either is zero. */
export function cosine(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let ab = 0;
  let aa = 0;
  let bb = 0;
  for (let i = 0; i < b.length; i++) {
    const x = a[i] ?? NaN;
    const y = b[i] ?? NaN;
    ab += x * y;
    aa += x * x;
    bb += y * y;
  }
  return ab / Math.sqrt(aa * bb);
}

/** ‖actual − expected‖ / ‖expected‖. */
export function relativeL2(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (actual.length !== expected.length) return NaN;
  let error = 0;
  let total = 0;
  for (let i = 0; i < expected.length; i++) {
    const reference = expected[i] ?? NaN;
    error += ((actual[i] ?? NaN) - reference) ** 2;
    total += reference ** 2;
  }
  return Math.sqrt(error / total);
}

/**
 * Central differences of a scalar function: (f(x + h·eᵢ) − f(x − h·eᵢ)) / 2h for each of `indices` (all by default).
 * Restores `x`.
 */
export function centralDifferences(
  f: () => number,
  x: Float64Array,
  indices: Iterable<number> = x.keys(),
  h = 1e-5,
): Float64Array {
  return Float64Array.from(indices, (i) => {
    const value = x[i] ?? NaN;
    x[i] = value + h;
    const above = f();
    x[i] = value - h;
    const below = f();
    x[i] = value;
    return (above - below) / (2 * h);
  });
}

function largestMagnitude(values: ArrayLike<number>, what: string): number {
  let max = 0;
  for (let i = 0; i < values.length; i++) {
    const magnitude = Math.abs(values[i] ?? NaN);
    if (!Number.isFinite(magnitude)) throw new Error(`${what}: the reference has ${values[i]} at ${i}`);
    if (magnitude > max) max = magnitude;
  }
  return max;
}
