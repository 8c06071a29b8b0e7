import type { Hyperparameters } from '../../training/types';
import { csvOf } from './csv';
import type { BenchRow } from './personalize';
import { goalsMarkdown } from './personalize-goals';
import { devicesOf, grouped } from './runs';
import { missingUsers, type SimulatedUser, USER_COLUMNS } from './users';

const COLUMNS = [
  ...USER_COLUMNS,
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

interface ReportOptions {
  /** What was typed. */
  command: string;
  hyperparameters: Hyperparameters;
  /** Held-out accuracy of the classifier that judges the replies' style. */
  classifierAccuracy: number;
  /** Users not measured yet. */
  missing: readonly SimulatedUser[];
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

/** What belongs together, in the order of the report. */
const SECTIONS: readonly { title: string; holds: (user: SimulatedUser) => boolean }[] = [
  {
    title: 'Users who like a style',
    holds: ({ style, labels }) => style !== 'shorter' && labels === 'honest',
  },
  {
    title: 'Users who like what is shorter',
    holds: ({ style, labels }) => style === 'shorter' && labels === 'honest',
  },
  { title: 'One judgement in five the wrong way round', holds: ({ labels }) => labels === 'flipped' },
  { title: 'Judgements by the toss of a coin', holds: ({ labels }) => labels === 'coin' },
];

/** The goals, means over seeds with the least and largest accuracy, what the model now says, and what is missing. */
export function personalizeMarkdown(
  rows: readonly BenchRow[],
  { command, hyperparameters, classifierAccuracy, missing }: ReportOptions,
): string {
  const sections = SECTIONS.flatMap(({ title, holds }) => {
    const groups = grouped(
      rows.filter(holds),
      ({ style, signals, labels, k }) => `${style} ${signals} ${labels} ${k}`,
    );
    return groups.size === 0
      ? []
      : [`## ${title}\n\n${HEAD}\n${[...groups.values()].map(line).join('\n')}\n`];
  });
  // Of each user those after the most signals.
  const told = [
    ...grouped(rows, ({ style, signals, labels }) => `${style} ${signals} ${labels}`).values(),
  ].flatMap((group) => group.toSorted((a, b) => b.k - a.k || a.seed - b.seed)[0] ?? []);
  const seeds = new Set(rows.map((row) => row.seed)).size;
  return `# What K signals of a simulated user do

Written by \`${command}\` on ${devicesOf(rows)}: the int4 model, trained by the WGSL kernels. Means over ${seeds} seed(s); in
brackets the range, or the base model's figure. Accuracy: of all held-out pairs (the style's reply beside each other
style's; for a user who likes what is shorter, any two replies) the share that the implicit reward log π/π_ref orders as the user would; the base has 0.5 by construction.
Own style, lists and words: own greedy replies to all held-out prompts. Own style is judged by a logistic regression on
character n-grams, which names ${percent(classifierAccuracy)} of the held-out replies rightly; of a user who likes what is shorter
it is the share of replies with fewer words than the base's; lists are counted by their numbers. Forgetting: bits per token
on the 64 anchor texts, more than under the base, which the gate judges by; the next column has that of their replies alone.
KL: nats a token by which the predictions of judged replies have moved from the base's.

![Held-out accuracy over K](personalize.svg)

${goalsMarkdown(rows)}
${sections.join('\n')}
Hyperparameters: ${Object.entries(hyperparameters)
    .map(([name, value]) => `${name} ${String(value)}`)
    .join(', ')}.

## Replies to held-out prompts

${told.map(samples).join('\n')}${missingUsers(missing)}`;
}

const HEAD = `| user likes | signals | K | accuracy | own style | lists | words | forgetting | on replies | KL | steps | s a step |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |`;

/** Those who differ in their seed only. */
function line(group: readonly BenchRow[]): string {
  const [first] = group;
  const mean = (key: Figure): number => group.reduce((sum, row) => sum + row[key], 0) / group.length;
  const forgetting = (key: 'anchor_reply_bits' | 'anchor_bits'): string => {
    const bits = mean(key) - (first?.[`${key}_base`] ?? 0);
    return `${bits >= 0 ? '+' : ''}${bits.toFixed(3)}`;
  };
  const accuracies = group.map((row) => row.accuracy);
  const cells = [
    first?.style,
    first?.signals,
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
  ];
  return `| ${cells.join(' | ')} |`;
}

function samples(row: BenchRow): string {
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
