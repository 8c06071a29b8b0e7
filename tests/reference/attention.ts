import { addAt, addScaled, at, dot, logSumExp } from './vector';

export interface AttentionShape {
  heads: number;
  /** A divisor of `heads`: query head h reads key head ⌊h·kvHeads/heads⌋ (Ainslie et al. 2023). */
  kvHeads: number;
  headDim: number;
  /** Rows that the cache holds for each key head. */
  capacity: number;
}

/** The key rows j that a token sees: prefix_start ≤ j < prefix_end, or own_start ≤ j ≤ row. */
export interface Visibility {
  prefix_start: number;
  prefix_end: number;
  own_start: number;
  /** The row of the cache where the token's own key lies. */
  row: number;
}

export interface AttentionInput {
  /** [T, heads, headDim] */
  q: Float64Array;
  /** [kvHeads, capacity, headDim] */
  k: Float64Array;
  /** [kvHeads, capacity, headDim] */
  v: Float64Array;
  /** [T] */
  visibility: readonly Visibility[];
  shape: AttentionShape;
}

export interface AttentionOutput {
  /** [T, heads·headDim] */
  out: Float64Array;
  /** [T, heads], log Σ_j e^score[j] */
  lse: Float64Array;
}

/**
 * Grouped-query scaled dot-product attention (Vaswani et al. 2017, Ainslie et al. 2023):
 *
 * score[j] = q·k[j]/√headDim, p = softmax(score) over the visible rows, out = Σ_j p[j]·v[j]
 */
export function attention(input: AttentionInput): AttentionOutput {
  const { v, visibility, shape } = input;
  const { heads, headDim } = shape;
  const out = new Float64Array(visibility.length * heads * headDim);
  const lse = new Float64Array(visibility.length * heads);
  forEachHead(input, (t, head, qStart, keys, scores) => {
    const total = logSumExp(scores);
    lse[t * heads + head] = total;
    keys.forEach((key, n) => addScaled(out, qStart, Math.exp(at(scores, n) - total), v, key, headDim));
  });
  return { out, lse };
}

/**
 * Gradients of attention. With dp[j] = dout·v[j] and D = Σ_j p[j]·dp[j]:
 *
 * ds[j] = p[j]·(dp[j] − D), dq = Σ_j ds[j]·k[j]/√headDim, dk[j] += ds[j]·q/√headDim, dv[j] += p[j]·dout
 *
 * @param dout [T, heads·headDim]
 * @returns dq shaped as q; dk, dv shaped as the cache, summed over the query heads of a group
 */
export function attentionBackward(
  input: AttentionInput,
  dout: Float64Array,
): { dq: Float64Array; dk: Float64Array; dv: Float64Array } {
  const { q, k, v, shape } = input;
  const { headDim } = shape;
  const scale = 1 / Math.sqrt(headDim);
  const dq = new Float64Array(q.length);
  const dk = new Float64Array(k.length);
  const dv = new Float64Array(v.length);
  forEachHead(input, (_t, _head, qStart, keys, scores) => {
    const total = logSumExp(scores);
    const p = scores.map((score) => Math.exp(score - total));
    const dp = Float64Array.from(keys, (key) => dot(dout, qStart, v, key, headDim));
    const mean = dot(p, 0, dp, 0, p.length);
    keys.forEach((key, n) => {
      const ds = at(p, n) * (at(dp, n) - mean) * scale;
      addScaled(dq, qStart, ds, k, key, headDim);
      addScaled(dk, key, ds, q, qStart, headDim);
      addScaled(dv, key, at(p, n), dout, qStart, headDim);
    });
  });
  return { dq, dk, dv };
}

type Visit = (t: number, head: number, qStart: number, keys: number[], scores: Float64Array) => void;

/** Calls `visit` for each token and head with the offsets of the visible keys in the cache and their scores. */
function forEachHead({ q, k, visibility, shape }: AttentionInput, visit: Visit): void {
  const { heads, kvHeads, headDim, capacity } = shape;
  visibility.forEach((view, t) => {
    const rows = visibleRows(view);
    for (let head = 0; head < heads; head++) {
      const qStart = (t * heads + head) * headDim;
      const group = Math.floor((head * kvHeads) / heads);
      const keys = rows.map((row) => (group * capacity + row) * headDim);
      const scores = new Float64Array(keys.length);
      keys.forEach((key, n) => addAt(scores, n, dot(q, qStart, k, key, headDim) / Math.sqrt(headDim)));
      visit(t, head, qStart, keys, scores);
    }
  });
}

/** Visible rows in ascending order, each once. */
export function visibleRows(view: Visibility): number[] {
  const rows = new Set<number>();
  for (let j = view.prefix_start; j < view.prefix_end; j++) rows.add(j);
  for (let j = view.own_start; j <= view.row; j++) rows.add(j);
  return [...rows].sort((a, b) => a - b);
}
