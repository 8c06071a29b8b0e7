import { DEFAULT_LORA } from '../../training/types';
import { parseOptions } from '../args';
import { HYPERPARAMETER_OPTIONS, hyperparametersOf } from '../hyperparameters';
import { log, printJson, writeFiles } from '../io';
import { type BenchRow, type BenchRun, openBench } from './personalize';
import { csv, markdown, plot } from './personalize-report';
import { crossed, listOption, readDone, sameRun, withoutResume } from './runs';
import { LABELS, PREFERENCES } from './styles';

/** `bench personalize`: one JSON line a run, and a CSV, a Markdown table and a plot when --out names a folder. */
export async function bench(args: readonly string[]): Promise<void> {
  const { options } = parseOptions(
    args,
    {
      model: 'string',
      styles: 'string',
      signals: 'string',
      labels: 'string',
      k: 'string',
      seeds: 'number',
      rank: 'number',
      ...HYPERPARAMETER_OPTIONS,
      held: 'number',
      resume: 'string',
      out: 'string',
    },
    1,
  );
  const styles = listOption(options.styles ?? 'list,short,warm', PREFERENCES);
  const kinds = listOption(options.signals ?? 'pairs,thumbs', ['pairs', 'thumbs'] as const);
  const labels = listOption(options.labels ?? 'honest', LABELS);
  const sizes = (options.k ?? '20').split(',').map(Number);
  const model = options.model ?? 'models/thumbling';
  const hyperparameters = await hyperparametersOf(model, options);
  const rank = options.rank ?? DEFAULT_LORA.rank;
  const workbench = await openBench({ model, held: options.held, rank });
  const { folder, held, device, classifierAccuracy } = workbench;
  const conditions = { model: folder.sha256, held, rank, hyperparameters };
  const done = options.resume === undefined ? [] : await readDone<BenchRow>(options.resume, conditions);
  const rows: BenchRow[] = [];
  const seeds = Array.from({ length: options.seeds ?? 3 }, (_, i) => i + 1);
  for (const run of crossed({ style: styles, signals: kinds, labels, k: sizes, seed: seeds })) {
    const known = done.find((other) => sameRun<BenchRun>(run, other));
    const row = known ?? (await workbench.run(run, hyperparameters));
    rows.push(row);
    printJson({ ...row, conditions });
    log(
      `${run.style} ${run.signals} ${run.labels} K=${run.k} seed ${run.seed}: accuracy ${row.accuracy.toFixed(3)}`,
    );
  }
  if (options.out === undefined) return;
  const command = `npm run cli -- bench ${withoutResume(args).join(' ')}`;
  await writeFiles(options.out, {
    'personalize.csv': csv(rows),
    'personalize.md': markdown(rows, { command, hyperparameters, device, classifierAccuracy }),
    'personalize.svg': plot(rows),
  });
}
