import { examplesOf } from '../../adaptation/examples';
import { planUpdate } from '../../adaptation/plan';
import { readModelTexts } from '../../adaptation/texts';
import { foresee, type Past, runUpdate } from '../../adaptation/update';
import type { AdapterWeights } from '../../formats/tensors';
import type { Signal } from '../../shared/records';
import { Trainer } from '../../training/trainer';
import { addReferences } from '../../training/train';
import type { TrainingExample } from '../../training/types';
import { parseOptions } from '../args';
import { openEngine } from '../engine';
import { modelHyperparameters } from '../hyperparameters';
import { log, printJson, readJson, writeFiles } from '../io';
import { countCorrect, heldSequences } from './held-out';
import { crossed, listOption, readDone, sameRun, withoutResume } from './runs';
import { PREFERENCES, readStyles, simulate, type SimulatedSignal, STYLES_FILE } from './styles';
import { seedsOf } from './users';
import { switchChart, switchCsv, switchMarkdown, type SwitchRow, type SwitchRun } from './switch-report';

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
      resume: 'string',
      out: 'string',
    },
    1,
  );
  const { before = 20, after = 20, every = 4, model = 'models/thumbling' } = options;
  const runs = crossed<SwitchRun>({
    from: listOption(options.from ?? 'list', PREFERENCES),
    to: listOption(options.to ?? 'short', PREFERENCES),
    signals: listOption(options.signals ?? 'pairs', ['pairs', 'thumbs'] as const),
    detector: listOption(options.detector ?? 'on,off', ['on', 'off'] as const),
    seed: seedsOf(options.seeds ?? 3),
  });
  const hyperparameters = await modelHyperparameters(model);
  const { identity, runtime, tokenizer } = await openEngine({ model, rank: hyperparameters.rank });
  const trainer = await Trainer.create(runtime, { rows: 512 });
  const data = await readStyles(STYLES_FILE);
  const held = data.held.slice(0, options.held ?? data.held.length);
  const sequences = heldSequences(tokenizer, held);
  const base = await trainer.score(sequences, 'base');
  const texts = await readModelTexts((file) => readJson(`${model}/${file}`), tokenizer);
  const conditions = {
    model: identity.sha256,
    hyperparameters,
    held: held.length,
    ...{ before, after, every },
  };
  const done = options.resume === undefined ? [] : await readDone<SwitchRow>(options.resume, conditions);

  const live = async (run: SwitchRun): Promise<SwitchRow[]> => {
    const rows: SwitchRow[] = [];
    const first = simulate(data.train, run.from, run.signals, before, run.seed);
    // Other prompts than before.
    const rest = data.train.filter(({ prompt }) => !first.some((signal) => signal.prompt === prompt));
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

  const rows: SwitchRow[] = [];
  const updates = Math.floor((before + after) / every);
  for (const run of runs) {
    const known = done.filter((row) => sameRun<SwitchRun>(run, row));
    for (const row of known.length === updates ? known : await live(run)) {
      rows.push(row);
      printJson({ ...row, conditions });
      log(
        `${run.from} to ${run.to}, detector ${run.detector}, seed ${run.seed}, ${row.given} given: ` +
          `${row.accuracy_from.toFixed(3)} and ${row.accuracy_to.toFixed(3)}, ${row.outdated} outdated. ${row.reason}`,
      );
    }
  }
  if (options.out === undefined) return;
  await writeFiles(options.out, {
    'switch.csv': switchCsv(rows),
    'switch.md': switchMarkdown(rows, {
      command: `npm run cli -- bench ${withoutResume(args).join(' ')}`,
      before,
    }),
    'switch.svg': switchChart(rows, before),
  });
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
