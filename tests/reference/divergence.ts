import { at, logSumExp, rowOf } from './vector';

/**
 * KL(softmax p ‖ softmax q) (Kullback & Leibler 1951) and the entropies of both, in nats, for each row.
 *
 * @param p [R, vocabulary]
 * @param q [R, vocabulary]
 * @returns [R, 4]: divergence, entropy of p, entropy of q, 0
 */
export function divergence(p: Float64Array, q: Float64Array, vocabulary: number): Float64Array {
  const rows = p.length / vocabulary;
  const result = new Float64Array(rows * 4);
  for (let r = 0; r < rows; r++) {
    const [a, b] = [rowOf(p, r, vocabulary), rowOf(q, r, vocabulary)];
    const [totalA, totalB] = [logSumExp(a), logSumExp(b)];
    for (let i = 0; i < vocabulary; i++) {
      const [logA, logB] = [at(a, i) - totalA, at(b, i) - totalB];
      result[4 * r] = at(result, 4 * r) + Math.exp(logA) * (logA - logB);
      result[4 * r + 1] = at(result, 4 * r + 1) - Math.exp(logA) * logA;
      result[4 * r + 2] = at(result, 4 * r + 2) - Math.exp(logB) * logB;
    }
  }
  return result;
}
