import { addAt, at, dot } from './vector';

/**
 * Root mean square layer normalization (Zhang & Sennrich 2019).
 *
 * y[t,i] = x[t,i]·weight[i] / rms(x[t]), rms(x[t]) = √(Σ_i x[t,i]²/d + eps)
 *
 * @param x [T, d]
 * @param weight [d]
 * @returns [T, d]
 */
export function rmsNorm(x: Float64Array, weight: Float64Array, eps: number): Float64Array {
  const d = weight.length;
  const y = new Float64Array(x.length);
  for (let start = 0; start < x.length; start += d) {
    const scale = inverseRms(x, start, d, eps);
    for (let i = 0; i < d; i++) y[start + i] = at(x, start + i) * scale * at(weight, i);
  }
  return y;
}

/**
 * Gradient of the input; the weight is frozen. With g = dy·weight and s = 1/rms(x):
 *
 * dx[i] = s·g[i] − x[i]·s³/d·Σ_j g[j]·x[j]
 *
 * @param dy [T, d]
 * @returns dx [T, d]
 */
export function rmsNormBackward(
  x: Float64Array,
  weight: Float64Array,
  eps: number,
  dy: Float64Array,
): Float64Array {
  const d = weight.length;
  const dx = new Float64Array(x.length);
  for (let start = 0; start < x.length; start += d) {
    const scale = inverseRms(x, start, d, eps);
    let gx = 0;
    for (let i = 0; i < d; i++) gx += at(dy, start + i) * at(weight, i) * at(x, start + i);
    for (let i = 0; i < d; i++) {
      addAt(dx, start + i, at(dy, start + i) * at(weight, i) * scale);
      addAt(dx, start + i, (-at(x, start + i) * scale ** 3 * gx) / d);
    }
  }
  return dx;
}

function inverseRms(x: Float64Array, start: number, d: number, eps: number): number {
  return 1 / Math.sqrt(dot(x, start, x, start, d) / d + eps);
}
