import { mean } from '../../adaptation/margins';
import { GATE_FIGURES, type GateFigure } from '../../shared/records';
import { csvOf } from './csv';
import { devicesOf, grouped } from './runs';
import { missingUsers, type SimulatedUser, USER_COLUMNS } from './users';
import { wilson95 } from './wilson';

/** What the gate made of a simulated user's first update. */
export interface GateRow extends SimulatedUser {
  kept: boolean;
  scale: number;
  reason: string;
  figures: GateFigure[];
  training_seconds: number;
  gate_seconds: number;
  device: string;
}

/** One line an update. */
export function gateCsv(rows: readonly GateRow[]): string {
  const columns = [...USER_COLUMNS, 'kept', 'scale', 'p', ...GATE_FIGURES];
  const lines = rows.map((row) => {
    const { kept, scale, figures } = row;
    const measured = GATE_FIGURES.map((name) => figures.find((figure) => figure.name === name)?.after);
    const p = figures.find(({ name }) => name === 'unseen_gain')?.p;
    return [...USER_COLUMNS.map((column) => row[column]), kept, scale, p, ...measured];
  });
  return csvOf(columns, lines);
}

/** Shares kept, and what the others failed by. */
export function gateMarkdown(
  rows: readonly GateRow[],
  { command, missing }: { command: string; missing: readonly SimulatedUser[] },
): string {
  const groups = grouped(rows, ({ labels, signals, k }) => `${labels} | ${signals} | ${k}`);
  const body = [...groups].map(([group, members]) => {
    const kept = members.filter((row) => row.kept);
    const weakened = kept.filter(({ scale }) => scale < 1).length;
    const share = `${kept.length} of ${members.length}${weakened > 0 ? ` (${weakened} at less than full strength)` : ''}`;
    const failed = GATE_FIGURES.flatMap((name) => {
      const count = members.filter(({ figures }) =>
        figures.some((figure) => figure.name === name && !figure.passed),
      ).length;
      return count > 0 ? [`${name} ${count}`] : [];
    });
    const { low, high } = wilson95(kept.length / members.length, members.length);
    const times = members.map((row) => row.gate_seconds / row.training_seconds);
    const cells = [
      group,
      share,
      `${percent(low)}–${percent(high)} %`,
      failed.join(', ') || '–',
      `${mean(times).toFixed(2)} (${Math.max(...times).toFixed(2)})`,
    ];
    return `| ${cells.join(' | ')} |`;
  });
  return `# What the gate keeps

Written by \`${command}\` on ${devicesOf(rows)}. The first update of simulated users who like one style: honest ones, and ones who
judge by tossing a coin (of whom nothing can be learned) or get one judgement in five wrong. An update can fail by several
figures. 95 %: Wilson's interval of the share kept. Time: the gate's beside that of the training it judges, the mean and in
brackets the largest.

| labels | signals | K | kept | 95 % | failed by | time |
| --- | --- | --- | --- | --- | --- | --- |
${body.join('\n')}

| figure | least | median | largest |
| --- | --- | --- | --- |
${GATE_FIGURES.flatMap((name) => distribution(name, rows)).join('\n')}

The second table is of honest users.

![How likely what each update learned is chance](gate.svg)
${missingUsers(missing)}`;
}

function percent(share: number): string {
  return (100 * share).toFixed(0);
}

function distribution(name: GateFigure['name'], rows: readonly GateRow[]): string[] {
  const values = rows
    .filter(({ labels }) => labels === 'honest')
    .flatMap(({ figures }) => figures.filter((figure) => figure.name === name))
    .map(({ before, after }) =>
      name.endsWith('_log_odds') || name.startsWith('anchor') ? after - before : after,
    )
    .toSorted((a, b) => a - b);
  const at = (share: number): string => (values[Math.round(share * (values.length - 1))] ?? NaN).toFixed(3);
  return values.length === 0 ? [] : [`| ${name} | ${at(0)} | ${at(0.5)} | ${at(1)} |`];
}
