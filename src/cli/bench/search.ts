import { hyperparametersFile } from '../../adaptation/hyperparameters';
import { mean } from '../../adaptation/margins';
import { stepsFor } from '../../adaptation/plan';
import type { Hyperparameters } from '../../training/types';
import { parseOptions } from '../args';
import { modelHyperparameters } from '../hyperparameters';
import { log, printJson, writeFiles } from '../io';
import { openBench } from './personalize';
import { devicesOf, listOption, readDone, sameRun, withoutResume } from './runs';
import { isBetter, searchCsv, searchMarkdown, type Trial } from './search-report';
import { USER_OPTIONS, usersOf } from './users';

/**
 * What is tried for each hyperparameter, in this order: those first that change most. Where a value is better, the next
 * hyperparameter is tried beside it. A learning rate suits one model only: others are tried around its own.
 */
function triedFor({ learning_rate }: Hyperparameters) {
  return {
    learning_rate: [0.75, 1.35].map((share) => Number((share * learning_rate).toPrecision(3))),
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

/**
 * `bench search`: which hyperparameters serve simulated users best, one changed at a time from the model's own. One JSON
 * line a trial, a report with --out, and with --save the best ones in the model's folder.
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
  const conditions = { model: workbench.identity.sha256, held, users };
  const done = options.resume === undefined ? [] : await readDone<Trial>(options.resume, conditions);
  const trials: Trial[] = [];

  const tryOut = async (hyperparameters: Hyperparameters, changed: string): Promise<Trial> => {
    const measure = async (): Promise<Trial> => {
      const rows = [];
      for (const user of users) {
        // As many steps as the page would take.
        const steps = stepsFor(user.k, hyperparameters);
        rows.push(await workbench.run(user, { ...hyperparameters, steps }));
      }
      return {
        changed,
        hyperparameters,
        accuracy: mean(rows.map(({ accuracy }) => accuracy)),
        own_style_share: mean(rows.map(({ own_style_share }) => own_style_share)),
        forgetting: Math.max(
          ...rows.map(({ anchor_bits, anchor_bits_base }) => anchor_bits - anchor_bits_base),
        ),
        seconds: mean(rows.map(({ steps, seconds_per_step }) => steps * seconds_per_step)),
        device: devicesOf(rows),
      };
    };
    const known = done.find((trial) => sameRun<Hyperparameters>(hyperparameters, trial.hyperparameters));
    const trial = known ?? (await measure());
    trials.push(trial);
    printJson({ ...trial, conditions });
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
      const trial = await tryOut({ ...best.hyperparameters, [name]: value }, `${name} ${value}`);
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
