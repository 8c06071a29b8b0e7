/** Values nearer to zero say nothing. */
const ZERO = 1e-9;

/**
 * One-sided exact signed-rank test (Wilcoxon 1945; Conover 1999, section 5.7): how likely the positive values would rank
 * as high by size as they do if every sign were tossed. Values of the same size share their ranks, zeros are left out.
 * A sign test counts them all alike, and needs half as many values again to see as much.
 * @returns a probability; 1 where there is nothing to rank.
 */
export function signedRankTest(values: readonly number[]): number {
  const sorted = values.filter((value) => Math.abs(value) > ZERO).sort((a, b) => Math.abs(a) - Math.abs(b));
  // Twice the ranks: shared ones are halves.
  const ranks = sorted.map((value) => {
    const size = Math.abs(value);
    const first = sorted.findIndex((other) => Math.abs(other) === size);
    return first + 1 + sorted.findLastIndex((other) => Math.abs(other) === size) + 1;
  });
  const observed = ranks.reduce((sum, rank, i) => sum + ((sorted[i] ?? 0) > 0 ? rank : 0), 0);
  // Probability of each sum of the ranks seen so far that are positive.
  const all = ranks.reduce((sum, rank) => sum + rank, 0);
  const chances = new Float64Array(all + 1);
  chances[0] = 1;
  let largest = 0;
  for (const rank of ranks) {
    largest += rank;
    for (let sum = largest; sum >= 0; sum--) {
      const without = chances[sum] ?? 0;
      chances[sum] = (without + (sum >= rank ? (chances[sum - rank] ?? 0) : 0)) / 2;
    }
  }
  return Math.min(
    1,
    chances.subarray(observed).reduce((sum, chance) => sum + chance, 0),
  );
}
