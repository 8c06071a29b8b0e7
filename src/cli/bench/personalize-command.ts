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
import { log, printJson, readJson, writeFiles } from '../io';
import { type BenchRow, measureBaseline, runOne } from './personalize';
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
  const baseline = await measureBaseline(engine, data.held, anchors);
  const rows: BenchRow[] = [];
  for (const style of styles) {
    for (const signals of kinds) {
      for (const k of sizes) {
        for (let seed = 1; seed <= (options.seeds ?? 3); seed++) {
          const row = await runOne(engine, { style, signals, k, seed }, data, anchors, baseline, {
            hyperparameters,
            rank,
            rehearsal,
            classify,
          });
          rows.push(row);
          printJson(row);
          log(`${style} ${signals} K=${k} seed ${seed}: accuracy ${row.accuracy.toFixed(3)}`);
        }
      }
    }
  }
  if (options.out === undefined) return;
  const command = `npm run cli -- bench personalize ${args.join(' ')}`;
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

function list<T extends string>(text: string, allowed: readonly T[]): T[] {
  return text.split(',').map((name) => {
    const found = allowed.find((candidate) => candidate === name);
    if (!found) throw new ThumbprintError('bad-input', `"${name}" is none of ${allowed.join(', ')}.`);
    return found;
  });
}
