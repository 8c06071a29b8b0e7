import { at, logSumExp, rowOf } from './vector';

/**
 * Natural log-probability of each row's target: logp[r] = logits[r, target] − log Σ_v e^logits[r,v].
 *
 * @param logits [R, vocabulary]
 * @param targets [R]
 * @returns [R]
 */
export function tokenLogprob(logits: Float64Array, targets: readonly number[]): Float64Array {
  const vocabulary = logits.length / targets.length;
  return Float64Array.from(targets, (target, r) => {
    const row = rowOf(logits, r, vocabulary);
    return at(row, target) - logSumExp(row);
  });
}

/**
 * Gradient of each row's log-probability with coefficient 1: onehot(target) − softmax(logits).
 *
 * @returns [R, vocabulary]
 */
export function tokenLogprobBackward(logits: Float64Array, targets: readonly number[]): Float64Array {
  const vocabulary = logits.length / targets.length;
  const dlogits = new Float64Array(logits.length);
  targets.forEach((target, r) => {
    const row = rowOf(logits, r, vocabulary);
    const total = logSumExp(row);
    row.forEach((logit, n) => {
      dlogits[r * vocabulary + n] = (n === target ? 1 : 0) - Math.exp(logit - total);
    });
  });
  return dlogits;
}
