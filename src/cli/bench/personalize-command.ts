import { isDeepStrictEqual } from 'node:util';
import * as v from 'valibot';
import { readTexts } from '../../adaptation/texts';
import { Generator } from '../../generation/generator';
import { AdapterSlot } from '../../model/lora';
import { ThumbprintError } from '../../shared/errors';
import { rehearsalExamples } from '../../training/train';
import { Trainer } from '../../training/trainer';
import { DEFAULT_HYPERPARAMETERS, DEFAULT_LORA } from '../../training/types';
import { parseOptions } from '../args';
import { openEngine } from '../engine';
import { HYPERPARAMETER_OPTIONS, hyperparametersOf } from '../hyperparameters';
import { log, printJson, readJson, readJsonLines, writeFiles } from '../io';
import { type Baseline, type BenchRow, type BenchRun, measureBaseline, runOne } from './personalize';
import { plot } from './personalize-plot';
import { csv, markdown } from './personalize-report';
import { trainStyleClassifier } from './style-classifier';
import { readStyles, STYLES } from './styles';

const DATA = 'models/recipe/data/thumbling_styles.jsonl.gz';

/** `bench personalize`: one JSON line a run, and a CSV, a Markdown table and a plot when --out names a folder. */
export async function bench(args: readonly string[]): Promise<void> {
  const { options } = parseOptions(args, {
    model: 'string',
    styles: 'string',
    signals: 'string',
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
  });
  const styles = list(options.styles ?? 'list,short,warm', STYLES);
  const kinds = list(options.signals ?? 'pairs,thumbs', ['pairs', 'thumbs'] as const);
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
  const all = await readStyles(DATA);
  const data = { train: all.train, held: all.held.slice(0, options.held ?? all.held.length) };
  const texts = async (file: string) => readTexts(file, await readJson(`${model}/${file}`), tokenizer);
  const { classify, heldOutAccuracy } = trainStyleClassifier(all, 1);
  log(`The style classifier names ${(heldOutAccuracy * 100).toFixed(1)} % of the held-out replies rightly.`);
  const anchors = await texts('anchors.json');
  const rehearsal = rehearsalExamples(await texts('rehearsal.json'));
  const conditions = { model: folder.sha256, held: data.held.length, rank, hyperparameters };
  const done = options.resume === undefined ? [] : await readDone(options.resume, conditions);
  let baseline: Baseline | undefined;
  const rows: BenchRow[] = [];
  for (const style of styles) {
    for (const signals of kinds) {
      for (const k of sizes) {
        for (let seed = 1; seed <= (options.seeds ?? 3); seed++) {
          const run = { style, signals, k, seed };
          let row = done.find((other) =>
            Object.entries(run).every(([key, value]) => other[key as keyof BenchRun] === value),
          );
          if (!row) {
            baseline ??= await measureBaseline(engine, data.held, anchors);
            const settings = { hyperparameters, rank, rehearsal, classify };
            row = await runOne(engine, run, data, anchors, baseline, settings);
          }
          rows.push(row);
          printJson({ ...row, conditions });
          log(`${style} ${signals} K=${k} seed ${seed}: accuracy ${row.accuracy.toFixed(3)}`);
        }
      }
    }
  }
  if (options.out === undefined) return;
  // Runs taken over were made by the same command.
  const given = args.filter((arg, i) => arg !== '--resume' && args[i - 1] !== '--resume');
  const command = `npm run cli -- bench personalize ${given.join(' ')}`;
  const files = {
    'personalize.csv': csv(rows),
    'personalize.md': markdown(rows, {
      command,
      hyperparameters,
      device: runtime.gpu.info.description,
      classifierAccuracy: heldOutAccuracy,
    }),
    'personalize.svg': plot(rows),
  };
  await writeFiles(
    options.out,
    new Map(Object.entries(files).map(([name, text]) => [name, new TextEncoder().encode(text)])),
  );
}

/**
 * Runs of an earlier call, which was cut off, from what it printed.
 * @throws ThumbprintError `bad-input` when they were measured under other conditions.
 */
async function readDone(path: string, conditions: object): Promise<BenchRow[]> {
  const lines = await readJsonLines(path, v.looseObject({ conditions: v.looseObject({}) }));
  return lines.map(({ conditions: then, ...row }) => {
    if (!isDeepStrictEqual(then, conditions)) {
      throw new ThumbprintError(
        'bad-input',
        `${path} was measured with other weights, held-out prompts or hyperparameters; run the bench without --resume.`,
      );
    }
    return row as unknown as BenchRow;
  });
}

function list<T extends string>(text: string, allowed: readonly T[]): T[] {
  return text.split(',').map((name) => {
    const found = allowed.find((candidate) => candidate === name);
    if (!found) throw new ThumbprintError('bad-input', `"${name}" is none of ${allowed.join(', ')}.`);
    return found;
  });
}
