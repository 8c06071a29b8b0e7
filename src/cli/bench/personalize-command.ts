import { parseOptions } from '../args';
import { HYPERPARAMETER_OPTIONS, hyperparametersOf } from '../hyperparameters';
import { log, writeFiles } from '../io';
import { type BenchRow, openBench, runOrResume } from './personalize';
import { personalizeChart, personalizeCsv, personalizeMarkdown } from './personalize-report';
import { readDone, withoutResume } from './runs';
import { nameOf, USER_OPTIONS, usersOf } from './users';

/** `bench personalize`: one JSON line a run, and a CSV, a Markdown table and a plot when --out names a folder. */
export async function bench(args: readonly string[]): Promise<void> {
  const { options } = parseOptions(
    args,
    {
      model: 'string',
      ...USER_OPTIONS,
      ...HYPERPARAMETER_OPTIONS,
      held: 'number',
      questions: 'boolean',
      resume: 'string',
      out: 'string',
    },
    1,
  );
  const users = usersOf(options, {
    styles: 'list,short,warm',
    signals: 'pairs,thumbs',
    labels: 'honest',
    k: '20',
    seeds: 3,
  });
  const model = options.model ?? 'models/thumbling';
  const hyperparameters = await hyperparametersOf(model, options);
  const workbench = await openBench({
    model,
    held: options.held,
    rank: hyperparameters.rank,
    questions: options.questions,
  });
  const { identity, held, classifierAccuracy } = workbench;
  const conditions = { model: identity.sha256, held, hyperparameters };
  const done = options.resume === undefined ? [] : await readDone<BenchRow>(options.resume, conditions);
  const rows: BenchRow[] = [];
  for (const run of users) {
    const row = await runOrResume(workbench, run, hyperparameters, done, options.steps);
    rows.push(row);
    log(`${nameOf(run)}: accuracy ${row.accuracy.toFixed(3)}`);
  }
  if (options.out === undefined) return;
  const command = `npm run cli -- bench ${withoutResume(args).join(' ')}`;
  await writeFiles(options.out, {
    'personalize.csv': personalizeCsv(rows),
    'personalize.md': personalizeMarkdown(rows, { command, hyperparameters, classifierAccuracy }),
    'personalize.svg': personalizeChart(rows),
  });
}
