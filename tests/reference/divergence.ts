import { at, logSumExp, rowOf } from './vector';

/**
 * KL(softmax p ‖ softmax q) (Kullback & Leibler 1951) and the entropies of both, in nats, and both probabilities of a
 * token, for each row.
 *
 * @param p [R, vocabulary]
 * @param q [R, vocabulary]
 * @param ends [R], tokens
 * @returns [R, 5]: divergence, entropy of p, entropy of q, the token's probability in p, in q
 */
export function divergence(
  p: Float64Array,
  q: Float64Array,
  ends: readonly number[],
  vocabulary: number,
): Float64Array {
  const rows = p.length / vocabulary;
  const result = new Float64Array(rows * 5);
  for (let r = 0; r < rows; r++) {
    const [a, b] = [rowOf(p, r, vocabulary), rowOf(q, r, vocabulary)];
    const [totalA, totalB] = [logSumExp(a), logSumExp(b)];
    for (let i = 0; i < vocabulary; i++) {
      const [logA, logB] = [at(a, i) - totalA, at(b, i) - totalB];
      result[5 * r] = at(result, 5 * r) + Math.exp(logA) * (logA - logB);
      result[5 * r + 1] = at(result, 5 * r + 1) - Math.exp(logA) * logA;
      result[5 * r + 2] = at(result, 5 * r + 2) - Math.exp(logB) * logB;
    }
    const end = ends[r] ?? 0;
    result[5 * r + 3] = Math.exp(at(a, end) - totalA);
    result[5 * r + 4] = Math.exp(at(b, end) - totalB);
  }
  return result;
}
