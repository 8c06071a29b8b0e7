import { hyperparametersFile } from '../../adaptation/hyperparameters';
import type { Hyperparameters } from '../../training/types';
import { ThumbprintError } from '../../shared/errors';
import { parseOptions } from '../args';
import { modelIdentity } from '../engine';
import { modelHyperparameters } from '../hyperparameters';
import { log, writeFiles } from '../io';
import { type BenchRow, collectUsers, openBench } from './personalize';
import { commandOf, listOption, readDone, REPORT_OPTIONS } from './runs';
import {
  bestOf,
  changesFrom,
  figuresOf,
  isBetter,
  knownTrials,
  searchCsv,
  searchMarkdown,
  type Trial,
  withTrial,
} from './search-report';
import { readStyles, STYLES_FILE } from './styles';
import { USER_OPTIONS, usersOf } from './users';

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
 * `bench search`: which hyperparameters serve simulated users best, one changed at a time from the model's own or, with
 * `--from best`, the best known. Every user is a run of `bench personalize`, and a JSON line as there. Every setting in the
 * lines of `--resume` is a trial made already; `--measured` makes no other. A report with --out, and with --save the best
 * ones in the model's folder.
 */
export async function bench(args: readonly string[]): Promise<void> {
  const { options } = parseOptions(
    args,
    {
      model: 'string',
      ...USER_OPTIONS,
      ...REPORT_OPTIONS,
      from: 'string',
      only: 'string',
      held: 'number',
      save: 'boolean',
    },
    1,
  );
  const { model = 'models/thumbling', out } = options;
  const own = await modelHyperparameters(model);
  const users = usersOf(options, {
    styles: 'list,short,warm',
    signals: 'pairs,thumbs',
    labels: 'honest',
    k: '20',
    seeds: 1,
  });
  const held = (await readStyles(STYLES_FILE)).held.slice(0, options.held ?? 24).length;
  const { sha256 } = await modelIdentity(model);
  const done = await readDone<BenchRow>(options, 'personalize', { model: sha256, held });
  let trials = knownTrials(done, users);

  const [from] = listOption(options.from ?? 'own', ['own', 'best'] as const);
  const start = from === 'best' ? (bestOf(trials)?.hyperparameters ?? own) : own;
  const tried = triedFor(start);
  const all = Object.keys(tried) as Tried[];
  const names = listOption(options.only ?? all.join(','), all);
  if (!options.measured) {
    const rank = Math.max(start.rank, ...(names.includes('rank') ? tried.rank : []));
    const workbench = await openBench({ model, held, rank });
    const tryOut = async (hyperparameters: Hyperparameters): Promise<Trial> => {
      const { rows } = await collectUsers(workbench, users, hyperparameters, { done });
      const trial = { hyperparameters, rows };
      trials = withTrial(trials, trial);
      const { accuracy, own_style_share, forgetting } = figuresOf(rows);
      log(
        `${changesFrom(own, hyperparameters)}: accuracy ${accuracy.toFixed(3)}, own style ${own_style_share.toFixed(3)}, forgetting ${forgetting.toFixed(3)}`,
      );
      return trial;
    };
    await walk(start, names, tryOut);
  }
  const best = bestOf(trials);
  if (!best) {
    throw new ThumbprintError(
      'bad-input',
      'The files of --resume have no run of these users; name others with --styles, --signals, --labels, --k and --seeds.',
    );
  }
  if (out !== undefined) {
    await writeFiles(out, {
      'search.csv': searchCsv(trials),
      'search.md': searchMarkdown(trials, { best, own, command: commandOf(args) }),
    });
  }
  if (options.save) await writeFiles(model, hyperparametersFile(best.hyperparameters));
}

/** Tries one hyperparameter after the other, each beside the best of those before. */
async function walk(
  start: Hyperparameters,
  names: readonly Tried[],
  tryOut: (hyperparameters: Hyperparameters) => Promise<Trial>,
): Promise<void> {
  const tried = triedFor(start);
  let best = await tryOut(start);
  for (const name of names) {
    let leader = best;
    for (const value of tried[name]) {
      if (value === best.hyperparameters[name]) continue;
      const trial = await tryOut(changedBy(best.hyperparameters, name, value));
      if (isBetter(trial, leader)) leader = trial;
    }
    best = leader;
  }
}
