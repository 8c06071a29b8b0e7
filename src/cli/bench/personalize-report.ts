import type { Hyperparameters } from '../../training/types';
import type { BenchRow } from './personalize';
import { chart } from './chart';
import { csvOf } from './csv';
import { devicesOf, grouped } from './runs';

const COLUMNS = [
  'style',
  'signals',
  'labels',
  'k',
  'seed',
  'accuracy',
  'pairs',
  'accuracy_low',
  'accuracy_high',
  'anchor_bits_base',
  'anchor_bits',
  'anchor_reply_bits_base',
  'anchor_reply_bits',
  'own_style_share_base',
  'own_style_share',
  'list_share_base',
  'list_share',
  'mean_words_base',
  'mean_words',
  'questions_base',
  'questions',
  'own_kl',
  'steps',
  'seconds_per_step',
] as const satisfies readonly (keyof BenchRow)[];

/** One line a run. */
export function personalizeCsv(rows: readonly BenchRow[]): string {
  return csvOf(
    COLUMNS,
    rows.map((row) => COLUMNS.map((column) => row[column])),
  );
}

export interface ReportOptions {
  /** What was typed. */
  command: string;
  hyperparameters: Hyperparameters;
  /** Held-out accuracy of the classifier that judges the replies' style. */
  classifierAccuracy: number;
}

/** A line for each user and kind of signals, dashed for lone thumbs. */
export function personalizeChart(rows: readonly BenchRow[]): string {
  const users = [...grouped(rows, ({ style, labels }) => `${style} ${labels}`).keys()];
  const series = [
    ...grouped(rows, ({ style, labels, signals }) => `${style} ${labels} ${signals}`).values(),
  ].map((measured) => {
    const { style = 'list', labels = 'honest', signals = 'pairs' } = measured[0] ?? {};
    return {
      name: [style, signals, ...(labels === 'honest' ? [] : [labels])].join(' '),
      measured,
      colour: users.indexOf(`${style} ${labels}`),
      dashed: signals === 'thumbs',
    };
  });
  return chart(series, { title: 'Held-out preference accuracy over K signals', logarithmic: true });
}

type Figure =
  | 'accuracy'
  | 'own_style_share'
  | 'list_share'
  | 'mean_words'
  | 'anchor_reply_bits'
  | 'anchor_bits'
  | 'own_kl'
  | 'steps'
  | 'seconds_per_step';

/** Means over seeds, with the least and largest accuracy, and what the model now says. */
export function personalizeMarkdown(
  rows: readonly BenchRow[],
  { command, hyperparameters, classifierAccuracy }: ReportOptions,
): string {
  const groups = grouped(rows, ({ style, signals, labels, k }) => `${style} ${signals} ${labels} ${k}`);
  const body = [...groups.values()].map((group) => {
    const [first] = group;
    const mean = (key: Figure): number => group.reduce((sum, row) => sum + row[key], 0) / group.length;
    const forgetting = (key: 'anchor_reply_bits' | 'anchor_bits'): string => {
      const bits = mean(key) - (first?.[`${key}_base`] ?? 0);
      return `${bits >= 0 ? '+' : ''}${bits.toFixed(3)}`;
    };
    const accuracies = group.map((row) => row.accuracy);
    return [
      first?.style,
      first?.signals,
      first?.labels,
      first?.k,
      `${mean('accuracy').toFixed(3)} (${Math.min(...accuracies).toFixed(3)}–${Math.max(...accuracies).toFixed(3)})`,
      `${percent(mean('own_style_share'))} (${percent(first?.own_style_share_base ?? 0)})`,
      `${percent(mean('list_share'))} (${percent(first?.list_share_base ?? 0)})`,
      `${mean('mean_words').toFixed(1)} (${(first?.mean_words_base ?? 0).toFixed(1)})`,
      forgetting('anchor_bits'),
      forgetting('anchor_reply_bits'),
      mean('own_kl').toFixed(3),
      mean('steps').toFixed(0),
      mean('seconds_per_step').toFixed(2),
    ].join(' | ');
  });
  const seeds = new Set(rows.map((row) => row.seed)).size;
  return `# What K signals of a simulated user do

Written by \`${command}\` on ${devicesOf(rows)}: the int4 model, trained by the WGSL kernels. Means over ${seeds} seed(s); in
brackets the range, or the base model's figure. Accuracy: of all held-out pairs (the style's reply beside each other
style's; for a user who likes what is shorter, any two replies) the share that the implicit reward log π/π_ref orders as the user would; the base has 0.5 by construction.
Own style, lists and words: own greedy replies to all held-out prompts. Own style is judged by a logistic regression on
character n-grams, which names ${percent(classifierAccuracy)} of the held-out replies rightly; lists are counted by their
numbers. Labels: honest, one in five the wrong way round (flipped), or tossed (coin). Forgetting: bits per token on the 64
anchor texts, more than under the base, which the gate judges by; the next column has that of their replies alone. KL: nats
a token by which the predictions of judged replies have moved from the base's.

| user likes | signals | labels | K | accuracy | own style | lists | words | forgetting | on replies | KL | steps | s a step |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |
${body.map((line) => `| ${line} |`).join('\n')}

Hyperparameters: ${Object.entries(hyperparameters)
    .map(([name, value]) => `${name} ${String(value)}`)
    .join(', ')}.

## Replies to held-out prompts

${[...groups.values()].map((group) => samples(group[0])).join('\n')}`;
}

function samples(row: BenchRow | undefined): string {
  if (!row) return '';
  const lines = row.samples.map(
    ({ prompt, base, adapted }) => `| ${cell(prompt)} | ${cell(base)} | ${cell(adapted)} |`,
  );
  return `### ${row.style}, ${row.k} ${row.signals}, ${row.labels}, seed ${row.seed}

| prompt | base | adapted |
| --- | --- | --- |
${lines.join('\n')}
`;
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll(/\s+/g, ' ');
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}
