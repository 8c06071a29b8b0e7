import { mean } from '../../adaptation/margins';
import { chart } from './chart';
import { csvOf } from './csv';
import { devicesOf, grouped, missingMarkdown } from './runs';
import type { Preference } from './styles';

export interface SwitchRun {
  from: Preference;
  to: Preference;
  signals: 'pairs' | 'thumbs';
  /** Whether older signals count less once the taste seems to have changed. */
  detector: 'on' | 'off';
  seed: number;
}

/** After one update of a user's. */
export interface SwitchRow extends SwitchRun {
  /** Signals so far. */
  given: number;
  kept: boolean;
  scale: number;
  reason: string;
  /** Signals that the detector takes for out of date. */
  outdated: number;
  /** Held-out accuracy of the version in use for the old taste and the new one. */
  accuracy_from: number;
  accuracy_to: number;
  device: string;
}

/** What counts as having learned the new taste. */
const GOAL = 0.8;

const COLUMNS = [
  'from',
  'to',
  'signals',
  'detector',
  'seed',
  'given',
  'kept',
  'scale',
  'outdated',
  'accuracy_from',
  'accuracy_to',
] as const satisfies readonly (keyof SwitchRow)[];

/** One line an update. */
export function switchCsv(rows: readonly SwitchRow[]): string {
  return csvOf(
    COLUMNS,
    rows.map((row) => COLUMNS.map((column) => row[column])),
  );
}

/** The user in words, but for the seed. */
export function nameOfSwitch({ from, to, signals, detector }: SwitchRun): string {
  return `${from} to ${to}, ${signals}, detector ${detector}`;
}

/** How many signals of the new taste it takes, with and without the detector. */
export function switchMarkdown(
  rows: readonly SwitchRow[],
  { command, before, missing }: { command: string; before: number; missing: readonly SwitchRun[] },
): string {
  const body = [...kinds(rows)].map(([kind, members]) => {
    const users = [...grouped(members, ({ seed }) => String(seed)).values()];
    const needed = users.map((user) => {
      const reached = user.find(({ given, accuracy_to }) => given > before && accuracy_to >= GOAL);
      return reached ? reached.given - before : null;
    });
    const last = users.flatMap((user) => user.at(-1)?.accuracy_to ?? []);
    const noticed = users.map((user) => {
      const found = user.find(({ outdated }) => outdated > 0);
      return found ? found.given - before : null;
    });
    const list = (counts: readonly (number | null)[]): string =>
      counts.map((count) => (count === null ? '–' : String(count))).join(', ');
    return `| ${kind} | ${list(needed)} | ${list(noticed)} | ${mean(last).toFixed(3)} |`;
  });
  return `# When the user changes their mind

Written by \`${command}\` on ${devicesOf(rows)}. Simulated users give ${before} signals of one taste, then signals of another, and the
page's own updates run in between. Needed: signals of the new taste until its held-out accuracy is ${GOAL}, a figure
for each seed, – where they were not enough. Noticed: signals after which the detector found the change; a negative figure
is a false alarm. Last: accuracy for the new taste at the end.

| from | to | signals | detector | needed | noticed | last |
| --- | --- | --- | --- | --- | --- | --- |
${body.join('\n')}

![Held-out accuracy for the old and the new taste](switch.svg)
${missingMarkdown(
  missing,
  ({ signals, detector }) => `${signals}, detector ${detector}`,
  ({ from, to }) => `${from} to ${to}`,
)}`;
}

function kinds(rows: readonly SwitchRow[]): Map<string, SwitchRow[]> {
  return grouped(rows, ({ from, to, signals, detector }) => [from, to, signals, detector].join(' | '));
}

/** The new taste drawn through, the old one dashed. */
export function switchChart(rows: readonly SwitchRow[], before: number): string {
  const series = [...kinds(rows).values()].flatMap((members, colour) => {
    const { from = 'list', to = 'short', detector = 'on' } = members[0] ?? {};
    const of = (key: 'accuracy_from' | 'accuracy_to') =>
      members.map((row) => ({ k: row.given, accuracy: row[key] }));
    return [
      { name: `${to}, ${detector}`, measured: of('accuracy_to'), colour, dashed: false },
      { name: `${from}, ${detector}`, measured: of('accuracy_from'), colour, dashed: true },
    ];
  });
  return chart(series, {
    title: 'Held-out accuracy for the new and the old taste, detector on or off',
    logarithmic: false,
    mark: { k: before, text: 'new taste' },
  });
}
