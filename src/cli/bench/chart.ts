import { mean } from '../../adaptation/margins';

const WIDTH = 720;
const HEIGHT = 400;
/** The axes' frame. */
export const PLOT = { left: 56, right: 530, top: 40, bottom: 344 };
/** Okabe & Ito's colours, told apart by people who see fewer, and a grey. */
export const COLOURS = [
  '#0072b2',
  '#d55e00',
  '#009e73',
  '#cc79a7',
  '#e69f00',
  '#56b4e9',
  '#777777',
  '#000000',
];
const LEAST = 0.4;

/** A measurement, and how many signals had been given. */
export interface Measured {
  k: number;
  accuracy: number;
}

export interface Series {
  name: string;
  /** Several of one K are drawn as their mean, with a bar from the least to the largest. */
  measured: readonly Measured[];
  /** Series of one colour belong together. */
  colour: number;
  dashed: boolean;
  /** A fine line, without the range. */
  thin?: boolean;
}

interface Point {
  k: number;
  mean: number;
  low: number;
  high: number;
}

/** Accuracies over K as an SVG. The dotted line is the base model, which knows nothing of the user. */
export function chart(
  series: readonly Series[],
  {
    title,
    logarithmic,
    mark,
    goals = [],
  }: {
    title: string;
    logarithmic: boolean;
    mark?: { k: number; text: string };
    /** Each a small mark, with a line to twice its K. */
    goals?: readonly Measured[];
  },
): string {
  const sizes = [...new Set(series.flatMap(({ measured }) => measured.map(({ k }) => k)))].sort(
    (a, b) => a - b,
  );
  const place = (k: number): number => (logarithmic ? Math.log(k) : k);
  const [first, last] = [place(sizes[0] ?? 1), place(sizes.at(-1) ?? 1)];
  const x = (k: number): number => {
    const share = last > first ? (place(k) - first) / (last - first) : 0.5;
    return PLOT.left + 16 + share * (PLOT.right - PLOT.left - 32);
  };
  const y = (accuracy: number): number => {
    const share = (Math.max(LEAST, accuracy) - LEAST) / (1 - LEAST);
    return PLOT.bottom - share * (PLOT.bottom - PLOT.top);
  };
  const colourOf = (colour: number): string => COLOURS[colour % COLOURS.length] ?? '#000';
  const lines = series.map(({ measured, colour, dashed, thin = false }) => {
    const points = pointsOf(measured);
    const dash = dashed ? ' stroke-dasharray="6 4"' : '';
    const path = points.map(({ k, mean }) => `${at(x(k))},${at(y(mean))}`).join(' ');
    const marks = points.map(({ k, mean, low, high }) => {
      const range = `<line x1="${at(x(k))}" x2="${at(x(k))}" y1="${at(y(low))}" y2="${at(y(high))}" opacity="0.4"/>`;
      const fill = dashed ? '#fff' : colourOf(colour);
      return `${thin ? '' : range}<circle cx="${at(x(k))}" cy="${at(y(mean))}" r="${thin ? 2 : 3.5}" fill="${fill}"/>`;
    });
    return `<g stroke="${colourOf(colour)}" stroke-width="${thin ? 1 : 2}" fill="none"><polyline points="${path}"${dash}/>${marks.join('')}</g>`;
  });
  const legendAt = (i: number): number =>
    PLOT.top + 8 + Math.min(22, (PLOT.bottom - PLOT.top) / series.length) * i;
  const legend = series.map(({ name, colour, dashed, thin = false }, i) => {
    const top = at(legendAt(i));
    const dash = dashed ? ' stroke-dasharray="6 4"' : '';
    return `<line x1="548" x2="576" y1="${top}" y2="${top}" stroke="${colourOf(colour)}" stroke-width="${thin ? 1 : 2}"${dash}/><text x="584" y="${at(legendAt(i) + 4)}">${name}</text>`;
  });
  const aims = goals
    .filter(({ k }) => k >= (sizes[0] ?? Infinity) && k <= (sizes.at(-1) ?? 0))
    .map(({ k, accuracy }) => {
      const twice = Math.min(2 * k, sizes.at(-1) ?? k);
      const [left, top] = [at(x(k)), at(y(accuracy))];
      return `<path d="M${left},${at(y(accuracy) - 6)}l6,6l-6,6l-6,-6z" fill="#fff"/><line x1="${at(x(k) + 6)}" x2="${at(Math.max(x(k) + 6, x(twice)))}" y1="${top}" y2="${top}"/>`;
    });
  const aimed =
    aims.length > 0
      ? [
          `<g stroke="#222" fill="none">${aims.join('')}</g><text x="548" y="${PLOT.bottom + 20}">◇ goal for pairs,</text><text x="548" y="${PLOT.bottom + 36}">line: until there for thumbs</text>`,
        ]
      : [];
  const marked = mark
    ? [
        `<line x1="${at(x(mark.k))}" x2="${at(x(mark.k))}" y1="${PLOT.top}" y2="${PLOT.bottom}" stroke="#555"/><text x="${at(x(mark.k) + 6)}" y="${PLOT.top + 10}">${mark.text}</text>`,
      ]
    : [];
  return sheet(title, [axes(sizes, x, y), ...marked, ...lines, ...aimed, ...legend]);
}

/** An SVG with a title, on white paper: it is read on dark pages too. */
export function sheet(title: string, parts: readonly string[]): string {
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="system-ui, sans-serif" font-size="12" fill="#222" role="img" aria-label="${title}">
<rect width="${WIDTH}" height="${HEIGHT}" fill="#fff"/>
<text x="${PLOT.left}" y="22" font-size="14">${title}</text>
${parts.join('\n')}
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

/** Mean and range of the measurements of each K. */
function pointsOf(measured: readonly Measured[]): Point[] {
  const sizes = [...new Set(measured.map(({ k }) => k))].sort((a, b) => a - b);
  return sizes.map((k) => {
    const accuracies = measured.filter((one) => one.k === k).map(({ accuracy }) => accuracy);
    return { k, mean: mean(accuracies), low: Math.min(...accuracies), high: Math.max(...accuracies) };
  });
}

/** Tenths of a unit are enough, and keep the file the same on every machine. */
export function at(position: number): string {
  return String(Math.round(position * 10) / 10);
}
