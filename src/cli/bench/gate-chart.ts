import { at, COLOURS, PLOT, sheet } from './chart';
import type { GateRow } from './gate-report';
import { grouped } from './runs';

/** Nothing is less likely than the foot of the axis. */
const LEAST = 1e-6;
const DECADES = Math.log10(1 / LEAST);

/** A dot an update: how likely what it learned is chance, by what its user's labels are; filled where it was kept. */
export function gateChart(rows: readonly GateRow[]): string {
  const tested = rows.flatMap((row) => {
    const figure = row.figures.find(({ name }) => name === 'unseen_gain');
    return figure?.p === undefined ? [] : [{ ...row, p: figure.p, limit: figure.limit }];
  });
  const y = (p: number): number =>
    PLOT.top - (Math.log10(Math.max(LEAST, p)) / DECADES) * (PLOT.bottom - PLOT.top);
  const axis = Array.from({ length: DECADES + 1 }, (_, decade) => {
    const top = y(10 ** -decade);
    const tick = decade === 0 ? '1' : `1e-${decade}`;
    return `<line x1="${PLOT.left}" x2="${PLOT.right}" y1="${at(top)}" y2="${at(top)}" stroke="#ddd"/><text x="${PLOT.left - 8}" y="${at(top + 4)}" text-anchor="end">${tick}</text>`;
  });
  const limits = [...new Set(tested.map(({ limit }) => limit))].map(
    (limit) =>
      `<line x1="${PLOT.left}" x2="${PLOT.right}" y1="${at(y(limit))}" y2="${at(y(limit))}" stroke="#222" stroke-dasharray="6 4"/><text x="${PLOT.right + 8}" y="${at(y(limit) + 4)}">limit ${limit}</text>`,
  );
  const groups = [...grouped(rows, ({ labels }) => labels)];
  const width = (PLOT.right - PLOT.left) / groups.length;
  const columns = groups.map(([labels, all], column) => {
    const members = tested.filter((row) => row.labels === labels);
    const left = PLOT.left + width * column;
    const dots = members.map(({ p, kept }, i) => {
      // Side by side in their order, so that equal ones do not hide each other.
      const x = left + width * (0.1 + (0.8 * (i + 0.5)) / members.length);
      return `<circle cx="${at(x)}" cy="${at(y(p))}" r="3.5" fill-opacity="${kept ? 1 : 0}"/>`;
    });
    const colour = COLOURS[column] ?? '#000';
    const centre = at(left + width / 2);
    return `<g stroke="${colour}" fill="${colour}" stroke-width="1.5">${dots.join('')}</g><text x="${centre}" y="${PLOT.bottom + 20}" text-anchor="middle">${labels}</text><text x="${centre}" y="${PLOT.bottom + 38}" text-anchor="middle">${members.length} of ${all.length} tested</text>`;
  });
  const legend = ['kept', 'refused'].map(
    (name, i) =>
      `<circle cx="${PLOT.right + 14}" cy="${PLOT.top + 8 + 22 * i}" r="3.5" stroke="#222" stroke-width="1.5" fill-opacity="${1 - i}"/><text x="${PLOT.right + 26}" y="${PLOT.top + 12 + 22 * i}">${name}</text>`,
  );
  return sheet('How likely what each update learned is chance: p of unseen_gain', [
    ...axis,
    ...limits,
    ...columns,
    ...legend,
  ]);
}
