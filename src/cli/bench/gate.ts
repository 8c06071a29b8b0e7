import { GATE_LIMITS } from '../../adaptation/gate';
import { judges, stepsFor } from '../../adaptation/plan';
import { readModelTexts } from '../../adaptation/texts';
import { runUpdate } from '../../adaptation/update';
import { Trainer } from '../../training/trainer';
import { parseOptions } from '../args';
import { openEngine } from '../engine';
import { modelHyperparameters } from '../hyperparameters';
import { log, printJson, readJson, writeFiles } from '../io';
import { gateCsv, gateMarkdown, type GateRow } from './gate-report';
import { exampleOf } from './personalize';
import { readDone, sameRun, withoutResume } from './runs';
import { readStyles, STYLES, STYLES_FILE } from './styles';
import { nameOf, signalsOf, type SimulatedUser, USER_OPTIONS, usersOf } from './users';

/** `bench gate`: one JSON line an update, and a CSV and a Markdown table when --out names a folder. */
export async function bench(args: readonly string[]): Promise<void> {
  const { options } = parseOptions(
    args,
    {
      model: 'string',
      ...USER_OPTIONS,
      resume: 'string',
      out: 'string',
    },
    1,
  );
  const users = usersOf(options, {
    styles: STYLES.join(','),
    signals: 'pairs',
    labels: 'honest,coin',
    k: '20',
    seeds: 3,
  });
  const model = options.model ?? 'models/thumbling';
  const hyperparameters = await modelHyperparameters(model);
  const { identity, runtime, tokenizer } = await openEngine({ model, rank: hyperparameters.rank });
  const trainer = await Trainer.create(runtime, { rows: 512 });
  const { train: prompts } = await readStyles(STYLES_FILE);
  const texts = await readModelTexts((file) => readJson(`${model}/${file}`), tokenizer);
  const conditions = { model: identity.sha256, hyperparameters, limits: GATE_LIMITS };
  const done = options.resume === undefined ? [] : await readDone<GateRow>(options.resume, conditions);

  const runOne = async (run: SimulatedUser): Promise<GateRow> => {
    const examples = signalsOf(run, prompts).map((signal, index) =>
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
        seed: run.seed,
      },
      { onStage: () => (gateStarted = performance.now()) },
    );
    return {
      ...run,
      kept,
      scale,
      reason,
      figures,
      training_seconds: (gateStarted - started) / 1000,
      gate_seconds: (performance.now() - gateStarted) / 1000,
      device: runtime.gpu.info.description,
    };
  };

  const rows: GateRow[] = [];
  for (const run of users) {
    const row = done.find((other) => sameRun<SimulatedUser>(run, other)) ?? (await runOne(run));
    rows.push(row);
    printJson({ ...row, conditions });
    log(`${nameOf(run)}: ${row.reason}`);
  }
  if (options.out === undefined) return;
  await writeFiles(options.out, {
    'gate.csv': gateCsv(rows),
    'gate.md': gateMarkdown(rows, `npm run cli -- bench ${withoutResume(args).join(' ')}`),
  });
}
