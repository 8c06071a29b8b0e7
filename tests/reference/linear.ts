import { matmulTransposed } from './int4';
import { addScaled, at, dot } from './vector';

/** LoRA (Hu et al. 2021) of stacked projections, e.g. q, k, v: each part has an A of its own and its rows of B. */
export interface StackedLora {
  rank: number;
  /** lora_alpha / rank, times the adapter's strength. */
  scale: number;
  /** Rows of each part; their sum is `out`. */
  parts: readonly number[];
  /** [parts·rank, in] */
  a: Float64Array;
  /** [out, rank] */
  b: Float64Array;
}

export interface LinearGradients {
  /** [T, in] */
  dx: Float64Array;
  /** [parts·rank, in] */
  da: Float64Array;
  /** [out, rank] */
  db: Float64Array;
}

/** xa[t, g·rank + j] = Σ_i x[t,i]·A[g·rank + j, i]. @param x [T, in] @returns [T, parts·rank] */
export function loraDown(x: Float64Array, lora: StackedLora): Float64Array {
  return matmulTransposed(x, lora.a, lora.a.length / (lora.parts.length * lora.rank));
}

/** dxb[t, g·rank + j] = Σ_{o in part g} dy[t,o]·B[o,j]. @param dy [T, out] @returns [T, parts·rank] */
export function loraUpBackward(dy: Float64Array, { parts, rank, b }: StackedLora): Float64Array {
  const partOf = partOfRows(parts);
  const out = partOf.length;
  const width = parts.length * rank;
  const dxb = new Float64Array((dy.length / out) * width);
  for (let t = 0; t < dy.length / out; t++) {
    partOf.forEach((part, o) => {
      addScaled(dxb, t * width + part * rank, at(dy, t * out + o), b, o * rank, rank);
    });
  }
  return dxb;
}

/**
 * Y = X·Wᵀ + s·(X·Aᵀ)·Bᵀ, part by part:
 *
 * y[t,o] = Σ_i x[t,i]·w[o,i] + s·Σ_j xa[t, part(o)·rank + j]·B[o,j]
 *
 * @param x [T, columns]
 * @param w [out, columns]
 * @returns [T, out]
 */
export function linear(
  x: Float64Array,
  w: Float64Array,
  columns: number,
  lora: StackedLora | null,
): Float64Array {
  const y = matmulTransposed(x, w, columns);
  if (lora === null) return y;
  const { rank, scale, b } = lora;
  const out = w.length / columns;
  const xa = loraDown(x, lora);
  const width = lora.parts.length * rank;
  const partOf = partOfRows(lora.parts);
  for (let t = 0; t < x.length / columns; t++) {
    for (let o = 0; o < out; o++) {
      const delta = dot(xa, t * width + (partOf[o] ?? NaN) * rank, b, o * rank, rank);
      y[t * out + o] = at(y, t * out + o) + scale * delta;
    }
  }
  return y;
}

/**
 * With dxb of `loraUpBackward`:
 *
 * dX = dY·W + s·dxb·A, dB[o,j] = s·Σ_t dy[t,o]·xa[t, part(o)·rank + j], dA = s·dxbᵀ·X
 *
 * @param x [T, columns]
 * @param w [out, columns], frozen
 * @param dy [T, out]
 */
export function linearBackward(
  x: Float64Array,
  w: Float64Array,
  columns: number,
  lora: StackedLora | null,
  dy: Float64Array,
): LinearGradients {
  const tokens = x.length / columns;
  const out = w.length / columns;
  const dx = new Float64Array(x.length);
  for (let o = 0; o < out; o++) {
    for (let t = 0; t < tokens; t++) addScaled(dx, t * columns, at(dy, t * out + o), w, o * columns, columns);
  }
  if (lora === null) return { dx, da: new Float64Array(0), db: new Float64Array(0) };
  const { rank, scale, a, b } = lora;
  const width = lora.parts.length * rank;
  const xa = loraDown(x, lora);
  const partOf = partOfRows(lora.parts);
  const da = new Float64Array(a.length);
  const db = new Float64Array(b.length);
  const dxb = loraUpBackward(dy, lora);
  for (let t = 0; t < tokens; t++) {
    for (let o = 0; o < out; o++) {
      const start = t * width + (partOf[o] ?? NaN) * rank;
      addScaled(db, o * rank, scale * at(dy, t * out + o), xa, start, rank);
    }
    for (let j = 0; j < width; j++) {
      const coefficient = scale * at(dxb, t * width + j);
      addScaled(dx, t * columns, coefficient, a, j * columns, columns);
      addScaled(da, j * columns, coefficient, x, t * columns, columns);
    }
  }
  return { dx, da, db };
}

/** The part that each output row belongs to. */
function partOfRows(parts: readonly number[]): number[] {
  return parts.flatMap((rows, part) => new Array<number>(rows).fill(part));
}
