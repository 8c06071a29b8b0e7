import { readModelTexts } from '../../adaptation/texts';
import { Generator } from '../../generation/generator';
import { AdapterSlot } from '../../model/lora';
import { rehearsalExamples } from '../../training/train';
import { Trainer } from '../../training/trainer';
import { DEFAULT_HYPERPARAMETERS, DEFAULT_LORA } from '../../training/types';
import { parseOptions } from '../args';
import { openEngine } from '../engine';
import { HYPERPARAMETER_OPTIONS, hyperparametersOf } from '../hyperparameters';
import { log, printJson, readJson, writeFiles } from '../io';
import { type Baseline, type BenchRow, type BenchRun, measureBaseline, runOne } from './personalize';
import { crossed, listOption, readDone, sameRun, withoutResume } from './runs';
import { csv, markdown, plot } from './personalize-report';
import { trainStyleClassifier } from './style-classifier';
import { LABELS, PREFERENCES, readStyles, STYLES_FILE } from './styles';

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
      'rehearsal-weight': 'number',
      'layer-decay': 'number',
      'label-smoothing': 'number',
      'margin-stop': 'number',
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
  const defaults = DEFAULT_HYPERPARAMETERS;
  const hyperparameters = {
    ...hyperparametersOf(options),
    rehearsal_weight: options['rehearsal-weight'] ?? defaults.rehearsal_weight,
    layer_decay: options['layer-decay'] ?? defaults.layer_decay,
    label_smoothing: options['label-smoothing'] ?? defaults.label_smoothing,
    margin_stop: options['margin-stop'] ?? defaults.margin_stop,
  };
  const rank = options.rank ?? DEFAULT_LORA.rank;
  const { folder, runtime, tokenizer } = await openEngine({ model, rank });
  const slot = new AdapterSlot(runtime.gpu, runtime.layout, 'chat');
  const engine = {
    folder,
    tokenizer,
    slot,
    trainer: await Trainer.create(runtime, { rows: 512, rank, lora_alpha: 2 * rank }),
    generator: await Generator.create(runtime, slot),
  };
  const all = await readStyles(STYLES_FILE);
  const data = { train: all.train, held: all.held.slice(0, options.held ?? all.held.length) };
  const { classify, heldOutAccuracy } = trainStyleClassifier(all, 1);
  log(`The style classifier names ${(heldOutAccuracy * 100).toFixed(1)} % of the held-out replies rightly.`);
  const texts = await readModelTexts((file) => readJson(`${model}/${file}`), tokenizer);
  const anchors = [...texts.anchors.sequences];
  const rehearsal = rehearsalExamples(texts.rehearsal);
  const conditions = { model: folder.sha256, held: data.held.length, rank, hyperparameters };
  const done = options.resume === undefined ? [] : await readDone<BenchRow>(options.resume, conditions);
  let baseline: Baseline | undefined;
  const rows: BenchRow[] = [];
  const seeds = Array.from({ length: options.seeds ?? 3 }, (_, i) => i + 1);
  for (const run of crossed({ style: styles, signals: kinds, labels, k: sizes, seed: seeds })) {
    let row = done.find((other) => sameRun<BenchRun>(run, other));
    if (!row) {
      baseline ??= await measureBaseline(engine, data.held, anchors);
      const settings = { hyperparameters, rank, rehearsal, classify };
      row = await runOne(engine, run, data, anchors, baseline, settings);
    }
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
    'personalize.md': markdown(rows, {
      command,
      hyperparameters,
      device: runtime.gpu.info.description,
      classifierAccuracy: heldOutAccuracy,
    }),
    'personalize.svg': plot(rows),
  });
}
