import type { BenchRow } from './personalize';

const WIDTH = 720;
const HEIGHT = 400;
const PLOT = { left: 56, right: 530, top: 40, bottom: 344 };
/** Okabe & Ito's colours, told apart by people who see fewer. */
const COLOURS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9'];
const LEAST = 0.4;

interface Point {
  k: number;
  mean: number;
  low: number;
  high: number;
}

/**
 * Accuracy over K as an SVG: a line for each style and kind of signals, dashed for lone thumbs, the bar from the worst
 * seed to the best. K stands on a logarithmic axis; the dotted line is the base model, which knows nothing of the user.
 */
export function plot(rows: readonly BenchRow[]): string {
  const sizes = [...new Set(rows.map(({ k }) => k))].sort((a, b) => a - b);
  const styles = [...new Set(rows.map(({ style }) => style))];
  const [first, last] = [Math.log(sizes[0] ?? 1), Math.log(sizes.at(-1) ?? 1)];
  const x = (k: number): number => {
    const share = last > first ? (Math.log(k) - first) / (last - first) : 0.5;
    return PLOT.left + 16 + share * (PLOT.right - PLOT.left - 32);
  };
  const y = (accuracy: number): number => {
    const share = (Math.max(LEAST, accuracy) - LEAST) / (1 - LEAST);
    return PLOT.bottom - share * (PLOT.bottom - PLOT.top);
  };
  const series = [...new Set(rows.map(({ style, signals }) => `${style} ${signals}`))].map((name) => ({
    name,
    points: pointsOf(rows.filter(({ style, signals }) => `${style} ${signals}` === name)),
    colour: COLOURS[styles.findIndex((style) => name.startsWith(`${style} `)) % COLOURS.length] ?? '#000',
    dashed: name.endsWith(' thumbs'),
  }));
  const lines = series.map(({ points, colour, dashed }) => {
    const dash = dashed ? ' stroke-dasharray="6 4"' : '';
    const path = points.map(({ k, mean }) => `${at(x(k))},${at(y(mean))}`).join(' ');
    const marks = points.map(
      ({ k, mean, low, high }) =>
        `<line x1="${at(x(k))}" x2="${at(x(k))}" y1="${at(y(low))}" y2="${at(y(high))}" opacity="0.4"/>` +
        `<circle cx="${at(x(k))}" cy="${at(y(mean))}" r="3.5" fill="${dashed ? '#fff' : colour}"/>`,
    );
    return `<g stroke="${colour}" stroke-width="2" fill="none"><polyline points="${path}"${dash}/>${marks.join('')}</g>`;
  });
  const legend = series.map(({ name, colour, dashed }, i) => {
    const top = PLOT.top + 8 + 22 * i;
    const dash = dashed ? ' stroke-dasharray="6 4"' : '';
    return `<line x1="548" x2="576" y1="${top}" y2="${top}" stroke="${colour}" stroke-width="2"${dash}/><text x="584" y="${top + 4}">${name}</text>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="system-ui, sans-serif" font-size="12" fill="#222" role="img" aria-label="Held-out preference accuracy over the number of signals">
<rect width="${WIDTH}" height="${HEIGHT}" fill="#fff"/>
<text x="${PLOT.left}" y="22" font-size="14">Held-out preference accuracy over K signals</text>
${axes(sizes, x, y)}
${lines.join('\n')}
${legend.join('\n')}
</svg>
`;
}

function axes(sizes: readonly number[], x: (k: number) => number, y: (accuracy: number) => number): string {
  const shares = [0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1].map((share) => {
    const dots = share === 0.5 ? ' stroke-dasharray="2 3" stroke="#555"' : ' stroke="#ddd"';
    return `<line x1="${PLOT.left}" x2="${PLOT.right}" y1="${at(y(share))}" y2="${at(y(share))}"${dots}/><text x="${PLOT.left - 8}" y="${at(y(share) + 4)}" text-anchor="end">${share.toFixed(1)}</text>`;
  });
  const ticks = sizes.map(
    (k) => `<text x="${at(x(k))}" y="${PLOT.bottom + 20}" text-anchor="middle">${k}</text>`,
  );
  const title = `<text x="${(PLOT.left + PLOT.right) / 2}" y="${PLOT.bottom + 42}" text-anchor="middle">K, signals given</text>`;
  return [...shares, ...ticks, title].join('\n');
}

/** Mean and range over the seeds of each K. */
function pointsOf(rows: readonly BenchRow[]): Point[] {
  const sizes = [...new Set(rows.map(({ k }) => k))].sort((a, b) => a - b);
  return sizes.map((k) => {
    const accuracies = rows.filter((row) => row.k === k).map(({ accuracy }) => accuracy);
    const mean = accuracies.reduce((sum, accuracy) => sum + accuracy, 0) / accuracies.length;
    return { k, mean, low: Math.min(...accuracies), high: Math.max(...accuracies) };
  });
}

/** Tenths of a unit are enough, and keep the file the same on every machine. */
function at(position: number): string {
  return String(Math.round(position * 10) / 10);
}
