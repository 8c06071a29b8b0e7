/** Geometry of the small line plots. */

export interface PlotScale {
  least: number;
  most: number;
}

/** Least and most of the values, widened so that a flat line lies in the middle. Null without finite values. */
export function scaleOf(values: readonly number[]): PlotScale | null {
  const finite = values.filter(Number.isFinite);
  if (finite.length === 0) return null;
  const least = Math.min(...finite);
  const most = Math.max(...finite);
  if (most > least) return { least, most };
  const room = Math.max(Math.abs(least) * 0.1, 0.01);
  return { least: least - room, most: most + room };
}

/**
 * The values as an SVG path in a box of `width` × `height`, one step apart, the first at the left edge. A value that is
 * not finite breaks the line.
 *
 * @param steps Steps that the whole width stands for: at least as many as there are values.
 */
export function linePath(values: readonly number[], steps: number, width: number, height: number): string {
  const scale = scaleOf(values);
  if (scale === null) return '';
  const { least, most } = scale;
  let path = '';
  let broken = true;
  for (const [index, value] of values.entries()) {
    if (!Number.isFinite(value)) {
      broken = true;
      continue;
    }
    const x = steps > 1 ? (index / (steps - 1)) * width : width / 2;
    const y = height - ((value - least) / (most - least)) * height;
    path += `${broken ? 'M' : 'L'}${x.toFixed(1)} ${y.toFixed(1)}`;
    broken = false;
  }
  return path;
}
