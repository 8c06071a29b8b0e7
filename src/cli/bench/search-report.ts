import { isDeepStrictEqual } from 'node:util';
import { GATE_LIMITS } from '../../adaptation/gate';
import { mean } from '../../adaptation/margins';
import { stepsFor } from '../../adaptation/plan';
import type { Hyperparameters } from '../../training/types';
import { csvOf } from './csv';
import type { BenchRow } from './personalize';
import { devicesOf, type Done, grouped, sameRun } from './runs';
import { nameOf, type SimulatedUser, USER_COLUMNS } from './users';

/** What some hyperparameters did for simulated users. */
export interface Trial {
  hyperparameters: Hyperparameters;
  /** One a user and seed. */
  rows: readonly BenchRow[];
}

interface Figures {
  /** Those who differ in their seed only are one. */
  users: number;
  /** Means over the runs. */
  accuracy: number;
  own_style_share: number;
  /** Bits a token on the anchors: of the user where it is worst, the mean over seeds. */
  forgetting: number;
  /** Accuracy is what the model has understood, the style of its own replies what people see of it: both count alike. */
  score: number;
  /** Of the training. */
  seconds: number;
}

/** What runs came to. */
export function figuresOf(rows: readonly BenchRow[]): Figures {
  const users = [...grouped(rows, (row) => nameOf({ ...row, seed: 0 })).values()];
  const forgotten = users.map((alike) =>
    mean(alike.map(({ anchor_bits, anchor_bits_base }) => anchor_bits - anchor_bits_base)),
  );
  const accuracy = mean(rows.map((row) => row.accuracy));
  const own_style_share = mean(rows.map((row) => row.own_style_share));
  return {
    users: users.length,
    accuracy,
    own_style_share,
    forgetting: Math.max(...forgotten),
    score: (accuracy + own_style_share) / 2,
    seconds: mean(rows.map(({ steps, seconds_per_step }) => steps * seconds_per_step)),
  };
}

/** Every setting that finished runs of `personalize` tell of, with those of the users whom they served. */
export function knownTrials(done: readonly Done<BenchRow>[], users: readonly SimulatedUser[]): Trial[] {
  const settings = grouped(done, ({ conditions }) => JSON.stringify(conditions['hyperparameters']));
  return [...settings].flatMap(([setting, runs]) => {
    const rows = users.flatMap((user) => runs.find((row) => sameRun<SimulatedUser>(user, row)) ?? []);
    return rows.length === 0 ? [] : [{ hyperparameters: JSON.parse(setting) as Hyperparameters, rows }];
  });
}

/** A trial's rows of users whom the other has too. */
function inCommon(one: Trial, other: Trial): BenchRow[] {
  const names = new Set(other.rows.map(nameOf));
  return one.rows.filter((row) => names.has(nameOf(row)));
}

/** Over the users of both: within the gate's limit the better score, beyond it whoever forgets less. */
export function isBetter(one: Trial, other: Trial): boolean {
  const [ones, others] = [figuresOf(inCommon(one, other)), figuresOf(inCommon(other, one))];
  if (ones.users === 0) return false;
  const harm = ({ forgetting }: Figures): number => Math.max(0, forgetting - GATE_LIMITS.forgetting);
  if (harm(ones) !== harm(others)) return harm(ones) < harm(others);
  return ones.score > others.score;
}

/** Whether `--steps` gave a run more than the page takes for so many signals: what it came to, the page cannot have. */
function outran({ hyperparameters, rows }: Trial): boolean {
  return rows.some(({ k, steps }) => steps > stepsFor(k, hyperparameters));
}

/** Of those that served most users and seeds, the best that the page can train; nothing without trials. */
export function bestOf(trials: readonly Trial[]): Trial | undefined {
  const able = trials.filter((trial) => !outran(trial));
  const most = Math.max(...able.map(({ rows }) => rows.length));
  return able
    .filter(({ rows }) => rows.length === most)
    .reduce<Trial | undefined>((best, trial) => (best && !isBetter(trial, best) ? best : trial), undefined);
}

/** How hyperparameters differ from the model's own. */
export function changesFrom(own: Hyperparameters, hyperparameters: Hyperparameters): string {
  const changes = Object.entries(hyperparameters).filter(
    ([name, value]) => own[name as keyof Hyperparameters] !== value,
  );
  return changes.map(([name, value]) => `${name} ${String(value)}`).join(' ') || "the model's own";
}

const COLUMNS = [
  ...USER_COLUMNS,
  'accuracy',
  'own_style_share',
  'anchor_bits_base',
  'anchor_bits',
  'steps',
  'seconds_per_step',
  'device',
] as const satisfies readonly (keyof BenchRow)[];

/** One line a run: enough to choose anew. */
export function searchCsv(trials: readonly Trial[]): string {
  const names = Object.keys(trials[0]?.hyperparameters ?? {}) as (keyof Hyperparameters)[];
  return csvOf(
    ['trial', ...COLUMNS, ...names.map((name) => (name === 'steps' ? 'most_steps' : name))],
    trials.flatMap(({ hyperparameters, rows }, i) =>
      rows.map((row) => [
        i + 1,
        ...COLUMNS.map((column) => row[column]),
        // As text: they are not rounded.
        ...names.map((name) => String(hyperparameters[name])),
      ]),
    ),
  );
}

/** The trials in their order, and what is best. */
export function searchMarkdown(
  trials: readonly Trial[],
  { best, own, command }: { best: Trial; own: Hyperparameters; command: string },
): string {
  const lines = trials.map((trial, i) => {
    const figures = figuresOf(trial.rows);
    const shared = inCommon(best, trial);
    const changed = `${changesFrom(own, trial.hyperparameters)}${outran(trial) ? ' †' : ''}`;
    const cells = [
      i + 1,
      trial === best ? `**${changed}**` : changed,
      figures.users,
      trial.rows.length,
      figures.accuracy.toFixed(3),
      `${Math.round(figures.own_style_share * 100)} %`,
      `${figures.forgetting.toFixed(3)}${figures.forgetting > GATE_LIMITS.forgetting ? ' ‡' : ''}`,
      figures.score.toFixed(3),
      shared.length === 0 ? '–' : figuresOf(shared).score.toFixed(3),
      figures.seconds.toFixed(0),
      devicesOf(trial.rows),
    ];
    return `| ${cells.join(' | ')} |`;
  });
  const within = figuresOf(best.rows).forgetting <= GATE_LIMITS.forgetting;
  return `# Which hyperparameters serve best

Written by \`${command}\`. Each trial trains simulated users with other hyperparameters; told is what differs from the model's
own. Score: the mean of held-out accuracy and of the share of own replies in the wanted style, over all runs. Forgetting:
bits a token, of the user where it is worst, a mean over seeds. ‡: more than the ${GATE_LIMITS.forgetting} that the gate allows, which loses to
less. Trials are compared over the users and seeds that both have; “best there” is the score of the best one over a trial's.
Only one that has all can be the best. †: run with more steps than the page takes for so many signals, so never the best.

| trial | changed | users | runs | accuracy | own style | forgetting | score | best there | seconds | device |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |
${lines.join('\n')}

Best${within ? ' within the limit' : '; no trial with as many users is within the limit, and this one forgets least'}: ${Object.entries(
    best.hyperparameters,
  )
    .map(([name, value]) => `${name} ${String(value)}`)
    .join(', ')}.
`;
}

/** With a trial of the same hyperparameters replaced, or one more. */
export function withTrial(trials: readonly Trial[], trial: Trial): Trial[] {
  const others = trials.filter(
    ({ hyperparameters }) => !isDeepStrictEqual(hyperparameters, trial.hyperparameters),
  );
  return [...others, trial];
}
