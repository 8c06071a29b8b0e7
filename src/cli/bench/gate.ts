import { GATE_LIMITS } from '../../adaptation/gate';
import { judges, stepsFor } from '../../adaptation/plan';
import { readModelTexts } from '../../adaptation/texts';
import { runUpdate } from '../../adaptation/update';
import { Trainer } from '../../training/trainer';
import type { Hyperparameters } from '../../training/types';
import { parseOptions } from '../args';
import { modelIdentity, openEngine } from '../engine';
import { modelHyperparameters } from '../hyperparameters';
import { readJson, writeFiles } from '../io';
import { gateChart } from './gate-chart';
import { gateCsv, gateMarkdown, type GateRow } from './gate-report';
import { exampleOf } from './personalize';
import { collect, commandOf, readDone, REPORT_OPTIONS, type ReportOptions, sameRun } from './runs';
import { readStyles, STYLES, STYLES_FILE } from './styles';
import { nameOf, signalsOf, type SimulatedUser, USER_OPTIONS, usersOf } from './users';

/** `bench gate`: one JSON line an update, and a CSV, a Markdown table and a plot when --out names a folder. */
export async function bench(args: readonly string[]): Promise<void> {
  const { options } = parseOptions(args, { model: 'string', ...USER_OPTIONS, ...REPORT_OPTIONS }, 1);
  const users = usersOf(options, {
    styles: STYLES.join(','),
    signals: 'pairs',
    labels: 'honest,coin',
    k: '20',
    seeds: 3,
  });
  const { model = 'models/thumbling', ...rest } = options;
  await gate(users, { ...rest, model, command: commandOf(args) });
}

/** Runs the first update of simulated users as the page does, and reports what the gate made of it. */
export async function gate(
  users: readonly SimulatedUser[],
  options: ReportOptions & { model: string; command: string },
): Promise<void> {
  const { model, command, out } = options;
  const hyperparameters = await modelHyperparameters(model);
  const { sha256 } = await modelIdentity(model);
  const conditions = { model: sha256, hyperparameters, limits: GATE_LIMITS };
  const done = await readDone<GateRow>(options, 'gate', conditions);
  let opened: ReturnType<typeof openUpdates> | undefined;
  const { rows, missing } = await collect(users, {
    measured: options.measured,
    conditions,
    known: (user) => {
      const row = done.find((other) => sameRun<SimulatedUser>(user, other));
      return row && [row];
    },
    measure: async (user) => [await (await (opened ??= openUpdates(model, hyperparameters)))(user)],
    told: (row) => `${nameOf(row)}: ${row.reason}`,
  });
  if (out === undefined || rows.length === 0) return;
  await writeFiles(out, {
    'gate.csv': gateCsv(rows),
    'gate.md': gateMarkdown(rows, { command, missing }),
    'gate.svg': gateChart(rows),
  });
}

/** Opens the device. @returns what runs a user's first update. */
async function openUpdates(
  model: string,
  hyperparameters: Hyperparameters,
): Promise<(user: SimulatedUser) => Promise<GateRow>> {
  const { runtime, tokenizer } = await openEngine({ model, rank: hyperparameters.rank });
  const trainer = await Trainer.create(runtime, { rows: 512 });
  const { train: prompts } = await readStyles(STYLES_FILE);
  const texts = await readModelTexts((file) => readJson(`${model}/${file}`), tokenizer);
  return async (user) => {
    const examples = signalsOf(user, prompts).map((signal, index) =>
      exampleOf(signal, String(index), tokenizer),
    );
    // As the page holds signals back.
    const train = examples.filter((_, index) => !judges(index));
    const started = performance.now();
    let gateStarted = started;
    const { kept, scale, reason, figures } = await runUpdate(
      runtime,
      trainer,
      {
        current: null,
        train,
        heldOut: examples.filter((_, index) => judges(index)),
        learned: new Set(),
        texts,
        hyperparameters: { ...hyperparameters, steps: stepsFor(train.length, hyperparameters) },
        seed: user.seed,
      },
      { onStage: () => (gateStarted = performance.now()) },
    );
    return {
      ...user,
      kept,
      scale,
      reason,
      figures,
      training_seconds: (gateStarted - started) / 1000,
      gate_seconds: (performance.now() - gateStarted) / 1000,
      device: runtime.gpu.info.description,
    };
  };
}
