import { mean } from '../../adaptation/margins';
import { GATE_FIGURES, type GateFigure } from '../../shared/records';
import { csvOf } from './csv';
import { devicesOf, grouped } from './runs';
import type { SimulatedUser } from './users';

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
  const columns = ['style', 'signals', 'labels', 'k', 'seed', 'kept', 'scale', 'p', ...GATE_FIGURES];
  const lines = rows.map(({ style, signals, labels, k, seed, kept, scale, figures }) => {
    const measured = GATE_FIGURES.map((name) => figures.find((figure) => figure.name === name)?.after);
    const p = figures.find(({ name }) => name === 'unseen_gain')?.p;
    return [style, signals, labels, k, seed, kept, scale, p, ...measured];
  });
  return csvOf(columns, lines);
}

/** Shares kept, and what the others failed by. */
export function gateMarkdown(rows: readonly GateRow[], command: string): string {
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
    const time = mean(members.map((row) => row.gate_seconds / row.training_seconds));
    return `| ${group} | ${share} | ${failed.join(', ') || '–'} | ${time.toFixed(2)} |`;
  });
  return `# What the gate keeps

Written by \`${command}\` on ${devicesOf(rows)}. The first update of simulated users who like one style: honest ones, and ones who
judge by tossing a coin (of whom nothing can be learned) or get one judgement in five wrong. An update can fail by several
figures. Time: the gate's beside that of the training it judges.

| labels | signals | K | kept | failed by | time |
| --- | --- | --- | --- | --- | --- |
${body.join('\n')}

| figure | least | median | largest |
| --- | --- | --- | --- |
${GATE_FIGURES.flatMap((name) => distribution(name, rows)).join('\n')}

The second table is of honest users.
`;
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
