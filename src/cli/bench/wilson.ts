/** 97.5 % quantile of the normal distribution. */
const Z = 1.959963984540054;

/** 95 % score interval of a share of `count` trials (Wilson 1927). Without trials it is [0, 1]. */
export function wilson95(share: number, count: number): { low: number; high: number } {
  if (count === 0) return { low: 0, high: 1 };
  const scale = 1 + Z ** 2 / count;
  const centre = (share + Z ** 2 / (2 * count)) / scale;
  const half = (Z / scale) * Math.sqrt((share * (1 - share)) / count + Z ** 2 / (4 * count ** 2));
  return { low: Math.max(0, centre - half), high: Math.min(1, centre + half) };
}
