import type { Hyperparameters } from '../../training/types';
import { parseOptions } from '../args';
import { HYPERPARAMETER_OPTIONS, hyperparametersOf } from '../hyperparameters';
import { writeFiles } from '../io';
import { type BenchRow, collectUsers, conditionsOf, openBench } from './personalize';
import { personalizeChart } from './personalize-chart';
import { personalizeCsv, personalizeMarkdown } from './personalize-report';
import { commandOf, readDone, REPORT_OPTIONS, type ReportOptions } from './runs';
import { type SimulatedUser, USER_OPTIONS, usersOf } from './users';

/** `bench personalize`: one JSON line a run, and a CSV, a Markdown table and a plot when --out names a folder. */
export async function bench(args: readonly string[]): Promise<void> {
  const { options } = parseOptions(
    args,
    {
      model: 'string',
      ...USER_OPTIONS,
      ...HYPERPARAMETER_OPTIONS,
      ...REPORT_OPTIONS,
      held: 'number',
      questions: 'boolean',
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
  const { model = 'models/thumbling', ...rest } = options;
  const hyperparameters = await hyperparametersOf(model, options);
  await personalize(users, { ...rest, model, hyperparameters, command: commandOf(args) });
}

/**
 * Trains and measures simulated users, and writes the report.
 * @param options.held see `openBench`; so is `questions`.
 * @param options.steps as many as the page would take, when absent.
 */
export async function personalize(
  users: readonly SimulatedUser[],
  options: ReportOptions & {
    model: string;
    hyperparameters: Hyperparameters;
    command: string;
    held?: number | undefined;
    questions?: boolean | undefined;
    steps?: number | undefined;
  },
): Promise<void> {
  const { hyperparameters, command, out } = options;
  const workbench = await openBench({ ...options, rank: hyperparameters.rank });
  const done = await readDone<BenchRow>(options, 'personalize', conditionsOf(workbench, hyperparameters));
  const { rows, missing } = await collectUsers(workbench, users, hyperparameters, { ...options, done });
  if (out === undefined || rows.length === 0) return;
  const { classifierAccuracy } = workbench;
  await writeFiles(out, {
    'personalize.csv': personalizeCsv(rows),
    'personalize.md': personalizeMarkdown(rows, { command, hyperparameters, classifierAccuracy, missing }),
    'personalize.svg': personalizeChart(rows),
  });
}
