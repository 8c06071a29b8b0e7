/** Geometry of the small line plots. */

export interface PlotScale {
  least: number;
  most: number;
}

export interface PlotBox {
  /** Steps that the whole width stands for: at least as many as there are values. */
  steps: number;
  width: number;
  height: number;
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
 * The values as an SVG path, one step apart, the first at the left edge. A value that is not finite breaks the line.
 *
 * @param aside Steps that the line passes over.
 */
export function linePath(values: readonly number[], box: PlotBox, aside: readonly boolean[] = []): string {
  let path = '';
  let broken = true;
  for (const [step, place] of placesOf(values, box).entries()) {
    if (aside[step]) continue;
    if (place !== null) path += `${broken ? 'M' : 'L'}${place}`;
    broken = place === null;
  }
  return path;
}

/** A path of no length at each value that is wanted: a round cap makes a dot of it. */
export function dotsPath(values: readonly number[], box: PlotBox, wanted: readonly boolean[]): string {
  return placesOf(values, box)
    .map((place, step) => (wanted[step] && place !== null ? `M${place}h0` : ''))
    .join('');
}

/** Where the values lie; null where they are not finite. */
function placesOf(values: readonly number[], { steps, width, height }: PlotBox): (string | null)[] {
  const scale = scaleOf(values);
  return values.map((value, step) => {
    if (scale === null || !Number.isFinite(value)) return null;
    const x = steps > 1 ? (step / (steps - 1)) * width : width / 2;
    const y = height - ((value - scale.least) / (scale.most - scale.least)) * height;
    return `${x.toFixed(1)} ${y.toFixed(1)}`;
  });
}
