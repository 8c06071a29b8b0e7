import { examplesOf } from '../../adaptation/examples';
import { planUpdate } from '../../adaptation/plan';
import { readModelTexts } from '../../adaptation/texts';
import { foresee, type Past, runUpdate } from '../../adaptation/update';
import type { AdapterWeights } from '../../formats/tensors';
import type { Signal } from '../../shared/records';
import { Trainer } from '../../training/trainer';
import { addReferences } from '../../training/train';
import type { Hyperparameters, TrainingExample } from '../../training/types';
import { parseOptions } from '../args';
import { modelIdentity, openEngine } from '../engine';
import { modelHyperparameters } from '../hyperparameters';
import { readJson, writeFiles } from '../io';
import { countCorrect, heldSequences } from './held-out';
import {
  collect,
  commandOf,
  crossed,
  listOption,
  readDone,
  REPORT_OPTIONS,
  type ReportOptions,
  sameRun,
} from './runs';
import { PREFERENCES, readStyles, simulate, type SimulatedSignal, STYLES_FILE } from './styles';
import { seedsOf } from './users';
import {
  nameOfSwitch,
  switchChart,
  switchCsv,
  switchMarkdown,
  type SwitchRow,
  type SwitchRun,
} from './switch-report';

/** How many signals there are of the old taste and of the new one, and of how many each update is. */
interface Course {
  before: number;
  after: number;
  every: number;
}

/**
 * `bench switch`: users who change their mind. Signals come a few at a time, each few an update, as the page trains: from
 * the version in use, with all earlier signals, through the gate. One JSON line an update; with --out a report.
 */
export async function bench(args: readonly string[]): Promise<void> {
  const { options } = parseOptions(
    args,
    {
      model: 'string',
      from: 'string',
      to: 'string',
      signals: 'string',
      detector: 'string',
      before: 'number',
      after: 'number',
      every: 'number',
      seeds: 'number',
      held: 'number',
      ...REPORT_OPTIONS,
    },
    1,
  );
  const runs = crossed<SwitchRun>({
    from: listOption(options.from ?? 'list', PREFERENCES),
    to: listOption(options.to ?? 'short', PREFERENCES),
    signals: listOption(options.signals ?? 'pairs', ['pairs', 'thumbs'] as const),
    detector: listOption(options.detector ?? 'on,off', ['on', 'off'] as const),
    seed: seedsOf(options.seeds ?? 3),
  });
  const { model = 'models/thumbling', ...rest } = options;
  await switchTaste(runs, { ...rest, model, command: commandOf(args) });
}

/**
 * Follows users who change their mind, and writes the report.
 * @param options.held how many held-out prompts to measure on; all when absent.
 */
export async function switchTaste(
  runs: readonly SwitchRun[],
  options: ReportOptions & { [Name in keyof Course]?: number | undefined } & {
    model: string;
    command: string;
    held?: number | undefined;
  },
): Promise<void> {
  const { model, command, out, before = 20, after = 20, every = 4 } = options;
  const course = { before, after, every };
  const hyperparameters = await modelHyperparameters(model);
  const { sha256 } = await modelIdentity(model);
  const data = await readStyles(STYLES_FILE);
  const held = data.held.slice(0, options.held);
  const conditions = { model: sha256, hyperparameters, held: held.length, ...course };
  const done = await readDone<SwitchRow>(options, 'switch', conditions);
  const updates = Array.from({ length: Math.floor((before + after) / every) }, (_, i) => (i + 1) * every);
  const open = () => openUpdates(model, hyperparameters, { train: data.train, held }, course);
  let opened: ReturnType<typeof open> | undefined;
  const { rows, missing } = await collect(runs, {
    measured: options.measured,
    conditions,
    known: (run) => {
      const known = updates.flatMap(
        (given) => done.find((row) => row.given === given && sameRun<SwitchRun>(run, row)) ?? [],
      );
      return known.length === updates.length ? known : undefined;
    },
    measure: async (run) => (await (opened ??= open()))(run),
    told: (row) =>
      `${nameOfSwitch(row)}, seed ${row.seed}, ${row.given} given: ${row.accuracy_from.toFixed(3)} and ` +
      `${row.accuracy_to.toFixed(3)}, ${row.outdated} outdated. ${row.reason}`,
  });
  if (out === undefined || rows.length === 0) return;
  await writeFiles(out, {
    'switch.csv': switchCsv(rows),
    'switch.md': switchMarkdown(rows, { command, before, missing }),
    'switch.svg': switchChart(rows, before),
  });
}

/** Opens the device. @returns what runs all updates of a user. */
async function openUpdates(
  model: string,
  hyperparameters: Hyperparameters,
  { train: prompts, held }: Awaited<ReturnType<typeof readStyles>>,
  { before, after, every }: Course,
): Promise<(run: SwitchRun) => Promise<SwitchRow[]>> {
  const { identity, runtime, tokenizer } = await openEngine({ model, rank: hyperparameters.rank });
  const trainer = await Trainer.create(runtime, { rows: 512 });
  const sequences = heldSequences(tokenizer, held);
  const base = await trainer.score(sequences, 'base');
  const texts = await readModelTexts((file) => readJson(`${model}/${file}`), tokenizer);
  return async (run) => {
    const rows: SwitchRow[] = [];
    const first = simulate(prompts, run.from, run.signals, before, run.seed);
    // Other prompts than before.
    const rest = prompts.filter(({ prompt }) => !first.some((signal) => signal.prompt === prompt));
    const second = simulate(rest, run.to, run.signals, after, run.seed);
    const signals = [...first, ...second].map((signal, index) => recordOf(signal, index, identity.sha256));
    const receipts: Past['receipts'][number][] = [];
    let current: AdapterWeights | null = null;
    let learned = new Set<string>();
    let version = 0;
    for (let given = every; given <= signals.length; given += every) {
      const all = signals.slice(0, given);
      const plan = planUpdate(all, all, hyperparameters);
      const options = {
        tokenizer,
        model: identity.sha256,
        contextLength: identity.config.context_window_size,
      };
      const examples = async (of: readonly Signal[]): Promise<TrainingExample[]> =>
        addReferences(trainer, examplesOf(of, options).examples);
      const [train, heldOut] = [await examples(plan.train), await examples(plan.heldOut)];
      const past = {
        current,
        parentVersion: version,
        learned,
        signals: all,
        receipts,
        model: identity.sha256,
      };
      const { predictions, outdatedIds } = await foresee(trainer, [...train, ...heldOut], past);
      const outdated = new Set(run.detector === 'on' ? outdatedIds : []);
      const outcome = await runUpdate(runtime, trainer, {
        current,
        train,
        heldOut,
        learned,
        outdated,
        texts,
        hyperparameters: plan.hyperparameters,
        seed: run.seed + given,
      });
      const receipt = { model: identity.sha256, parentVersion: version, predictions };
      receipts.push(outcome.kept ? { ...receipt, version: version + 1 } : receipt);
      if (outcome.kept) {
        current = outcome.candidate;
        learned = new Set(train.map(({ id }) => id));
        version++;
      }
      trainer.slot.load(current);
      const scores = await trainer.score(sequences, 'adapter');
      const accuracy = (which: 'from' | 'to'): number => {
        const { correct, pairs } = countCorrect(run[which], held, scores, base);
        return correct / pairs;
      };
      rows.push({
        ...run,
        given,
        kept: outcome.kept,
        scale: outcome.scale,
        reason: outcome.reason,
        outdated: outdated.size,
        accuracy_from: accuracy('from'),
        accuracy_to: accuracy('to'),
        device: runtime.gpu.info.description,
      });
    }
    return rows;
  };
}

/** A signal as the page would store it. */
function recordOf(signal: SimulatedSignal, index: number, model: string): Signal {
  const id = String(index).padStart(4, '0');
  const judged = { id, createdAt: index, conversationId: id, messageId: id, adapter: 0, model };
  const context = [{ role: 'user' as const, content: signal.prompt }];
  if ('chosen' in signal) {
    return { ...judged, context, kind: 'choose', chosen: signal.chosen, rejected: signal.rejected };
  }
  return signal.up
    ? { ...judged, context, kind: 'up', chosen: signal.reply }
    : { ...judged, context, kind: 'down', rejected: signal.reply };
}
