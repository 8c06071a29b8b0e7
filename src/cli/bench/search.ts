import { hyperparametersFile } from '../../adaptation/hyperparameters';
import { mean } from '../../adaptation/margins';
import type { Hyperparameters } from '../../training/types';
import { parseOptions } from '../args';
import { modelHyperparameters } from '../hyperparameters';
import { log, writeFiles } from '../io';
import { type BenchRow, openBench, runOrResume } from './personalize';
import { devicesOf, grouped, listOption, readDone, withoutResume } from './runs';
import { isBetter, searchCsv, searchMarkdown, type Trial } from './search-report';
import { nameOf, USER_OPTIONS, usersOf } from './users';

/**
 * What is tried for each hyperparameter, in this order: those first that change most. Where a value is better, the next
 * hyperparameter is tried beside it. A learning rate suits one model only: others are tried around its own.
 */
function triedFor({ learning_rate }: Hyperparameters) {
  return {
    learning_rate: [0.75, 1.35].map((share) => rounded(share * learning_rate)),
    sft_weight: [0, 0.5, 1],
    beta: [0.01, 0.03, 0.1],
    steps: [24],
    layer_decay: [0.6, 0.85],
    ema_decay: [0, 0.8, 0.9],
    rehearsal_weight: [0.5, 0.8],
    rehearsal: [2, 6],
    margin_stop: [2.5, 6],
    kl_stop: [0.2, 0.3, 0.4],
    label_smoothing: [0.1],
    rank: [4, 16],
  } satisfies Partial<Record<keyof Hyperparameters, readonly number[]>>;
}

type Tried = keyof ReturnType<typeof triedFor>;

function rounded(rate: number): number {
  return Number(rate.toPrecision(2));
}

/**
 * With one hyperparameter changed. At the same rate an adapter of four times the rank moves twice as far, its scale alpha/r
 * being the same (Kalajdzievski 2023, rank-stabilized LoRA): so the rate goes with 1/√r.
 */
function changedBy(before: Hyperparameters, name: Tried, value: number): Hyperparameters {
  const after = { ...before, [name]: value };
  if (name !== 'rank') return after;
  return { ...after, learning_rate: rounded(before.learning_rate * Math.sqrt(before.rank / value)) };
}

/**
 * `bench search`: which hyperparameters serve simulated users best, one changed at a time from the model's own. Every user
 * is a run of `bench personalize`, and a JSON line as there: --resume takes the lines of either. A report with --out, and
 * with --save the best ones in the model's folder.
 */
export async function bench(args: readonly string[]): Promise<void> {
  const { options } = parseOptions(
    args,
    {
      model: 'string',
      ...USER_OPTIONS,
      only: 'string',
      held: 'number',
      resume: 'string',
      out: 'string',
      save: 'boolean',
    },
    1,
  );
  const { model = 'models/thumbling', held = 24 } = options;
  const before = await modelHyperparameters(model);
  const tried = triedFor(before);
  const names = listOption(options.only ?? Object.keys(tried).join(','), Object.keys(tried) as Tried[]);
  const users = usersOf(options, {
    styles: 'list,short,warm',
    signals: 'pairs,thumbs',
    labels: 'honest',
    k: '20',
    seeds: 1,
  });
  const rank = Math.max(before.rank, ...(names.includes('rank') ? tried.rank : []));
  const workbench = await openBench({ model, held, rank });
  const conditions = { model: workbench.identity.sha256, held: workbench.held };
  const done = options.resume === undefined ? [] : await readDone<BenchRow>(options.resume, conditions);
  const trials: Trial[] = [];

  const tryOut = async (hyperparameters: Hyperparameters, changed: string): Promise<Trial> => {
    const rows: BenchRow[] = [];
    for (const user of users) rows.push(await runOrResume(workbench, user, hyperparameters, done));
    const forgotten = (alike: readonly BenchRow[]): number =>
      mean(alike.map(({ anchor_bits, anchor_bits_base }) => anchor_bits - anchor_bits_base));
    // Those who differ in their seed only are the same user.
    const sameUser = grouped(rows, (row) => nameOf({ ...row, seed: 0 }));
    const trial = {
      changed,
      hyperparameters,
      accuracy: mean(rows.map(({ accuracy }) => accuracy)),
      own_style_share: mean(rows.map(({ own_style_share }) => own_style_share)),
      forgetting: Math.max(...[...sameUser.values()].map(forgotten)),
      seconds: mean(rows.map(({ steps, seconds_per_step }) => steps * seconds_per_step)),
      device: devicesOf(rows),
    };
    trials.push(trial);
    log(
      `${changed}: accuracy ${trial.accuracy.toFixed(3)}, own style ${trial.own_style_share.toFixed(3)}, forgetting ${trial.forgetting.toFixed(3)}`,
    );
    return trial;
  };

  let best = await tryOut(before, 'as before');
  for (const name of names) {
    let leader = best;
    for (const value of tried[name]) {
      if (value === best.hyperparameters[name]) continue;
      const trial = await tryOut(changedBy(best.hyperparameters, name, value), `${name} ${value}`);
      if (isBetter(trial, leader)) leader = trial;
    }
    best = leader;
  }
  if (options.out !== undefined) {
    await writeFiles(options.out, {
      'search.csv': searchCsv(trials),
      'search.md': searchMarkdown(trials, best, `npm run cli -- bench ${withoutResume(args).join(' ')}`),
    });
  }
  if (options.save) await writeFiles(model, hyperparametersFile(best.hyperparameters));
}
