/**
 * One-sided exact sign test: how likely at least `wins` of `count` fair coins are heads,
 * Σ_{k ≥ wins} C(count, k) / 2^count (Conover 1999, section 3.4).
 * @returns a probability; 1 where there is nothing to count.
 */
export function signTest(wins: number, count: number): number {
  // C(count, k) / 2^count, from k = 0 on.
  let term = 2 ** -count;
  let tail = 0;
  for (let k = 0; k <= count; k++) {
    if (k >= wins) tail += term;
    term *= (count - k) / (k + 1);
  }
  return Math.min(1, tail);
}
