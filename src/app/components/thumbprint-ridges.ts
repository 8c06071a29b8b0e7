/** The ridges of the ornament, from the core outwards, as SVG paths in a 64 × 64 view box. Drawn for this project. */

const CENTER_X = 32;
const RIDGES = 8;

/** Where each ridge is broken, in degrees clockwise from the top, and how wide: what makes it a print and no target. */
const GAPS: readonly (readonly [number, number])[] = [
  [200, 120],
  [318, 48],
  [128, 40],
  [236, 34],
  [62, 26],
  [296, 24],
  [180, 60],
  [180, 104],
];

export const RIDGE_PATHS: readonly string[] = Array.from({ length: RIDGES }, (_, ridge) => ridgePath(ridge));

function ridgePath(ridge: number): string {
  const radiusX = 2.6 + 3.25 * ridge;
  const radiusY = 3.4 + 3.75 * ridge;
  // A print is no ellipse: its ridges sit lower the further in they are.
  const centerY = 34 - 0.35 * ridge;
  const [middle, width] = GAPS[ridge] ?? [180, 30];
  const at = (degrees: number): string => {
    const angle = ((degrees - 90) * Math.PI) / 180;
    const x = CENTER_X + radiusX * Math.cos(angle);
    const y = centerY + radiusY * Math.sin(angle);
    return `${x.toFixed(2)} ${y.toFixed(2)}`;
  };
  const large = 360 - width > 180 ? 1 : 0;
  return `M${at(middle + width / 2)}A${radiusX.toFixed(2)} ${radiusY.toFixed(2)} 0 ${large} 1 ${at(middle - width / 2)}`;
}

/**
 * How much of each ridge is inked when a share of the whole print is, from the core outwards.
 *
 * @param progress 0…1.
 * @param ridges How many ridges are drawn.
 */
export function inkOfRidges(progress: number, ridges: number = RIDGES): number[] {
  const inked = Math.min(1, Math.max(0, progress)) * ridges;
  return Array.from({ length: ridges }, (_, ridge) => Math.min(1, Math.max(0, inked - ridge)));
}
