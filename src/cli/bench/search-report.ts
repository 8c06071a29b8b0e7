import { GATE_LIMITS } from '../../adaptation/gate';
import type { Hyperparameters } from '../../training/types';
import { csvOf } from './csv';
import { devicesOf } from './runs';

/** What some hyperparameters did for all users. */
export interface Trial {
  /** What differs from the best before. */
  changed: string;
  hyperparameters: Hyperparameters;
  /** Means over the users. */
  accuracy: number;
  own_style_share: number;
  /** Bits a token on the anchors: of the user where it is worst, the mean over seeds. */
  forgetting: number;
  /** Of the training. */
  seconds: number;
  device: string;
}

/** Accuracy is what the model has understood, the style of its own replies what people see of it: both count alike. */
function score({ accuracy, own_style_share }: Trial): number {
  return (accuracy + own_style_share) / 2;
}

/** Within the gate's limit the better score, beyond it whoever forgets less. */
export function isBetter(one: Trial, other: Trial): boolean {
  const harm = ({ forgetting }: Trial): number => Math.max(0, forgetting - GATE_LIMITS.forgetting);
  if (harm(one) !== harm(other)) return harm(one) < harm(other);
  return score(one) > score(other);
}

const FIGURES = [
  'accuracy',
  'own_style_share',
  'forgetting',
  'seconds',
] as const satisfies readonly (keyof Trial)[];

/** One line a trial. */
export function searchCsv(trials: readonly Trial[]): string {
  const names = Object.keys(trials[0]?.hyperparameters ?? {}) as (keyof Hyperparameters)[];
  return csvOf(
    ['changed', ...FIGURES, ...names],
    trials.map((trial) => [
      trial.changed,
      ...FIGURES.map((figure) => trial[figure]),
      // As text: they are not rounded.
      ...names.map((name) => String(trial.hyperparameters[name])),
    ]),
  );
}

/** The trials in their order, and what was chosen. */
export function searchMarkdown(trials: readonly Trial[], best: Trial, command: string): string {
  const rows = trials.map((trial) => {
    const cells = [
      trial === best ? `**${trial.changed}**` : trial.changed,
      trial.accuracy.toFixed(3),
      `${Math.round(trial.own_style_share * 100)} %`,
      trial.forgetting.toFixed(3),
      score(trial).toFixed(3),
      trial.seconds.toFixed(0),
    ];
    return `| ${cells.join(' | ')} |`;
  });
  return `# Which hyperparameters serve best

Written by \`${command}\` on ${devicesOf(trials)}. Each trial trains all simulated users anew with one hyperparameter changed from the
best so far. Score: the mean of held-out accuracy and of the share of own replies in the wanted style, over all users;
forgetting (bits a token, of the user where it is worst, a mean over seeds) beyond ${GATE_LIMITS.forgetting} loses to less.

| changed | accuracy | own style | forgetting | score | seconds |
| --- | --- | --- | --- | --- | --- |
${rows.join('\n')}

Chosen: ${Object.entries(best.hyperparameters)
    .map(([name, value]) => `${name} ${String(value)}`)
    .join(', ')}.
`;
}
