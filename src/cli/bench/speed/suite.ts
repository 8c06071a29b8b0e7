import { cpus } from 'node:os';
import { loadModelFolder } from '../../../formats/model-folder';
import { Gpu } from '../../../gpu/device';
import { parseOptions } from '../../args';
import { modelHyperparameters } from '../../hyperparameters';
import { folderSource, log, printJson, writeFiles } from '../../io';
import { nodeGpu } from '../../node-gpu';
import { listOption } from '../runs';
import { type DecodeRow, measureDecoding } from './decoding';
import { measureLoop } from './loop';
import { measureProducts, type ProductRow } from './products';
import { type SpeedFigures, speedMarkdown } from './report';
import { randomModel, type ShapeName, SHAPES } from './shapes';

/** Rows of the products: a decoded token, and a prompt or a training batch. */
const ROWS = [1, 64];

/** `bench speed`: kernels, decoding and training beside peers from npm on the same device; --out writes JSON and a table. */
export async function bench(args: readonly string[]): Promise<void> {
  const { options } = parseOptions(
    args,
    { model: 'string', shapes: 'string', rounds: 'number', tokens: 'number', out: 'string' },
    1,
  );
  const { model = 'models/thumbling', rounds = 5, tokens = 16 } = options;
  const names = Object.keys(SHAPES) as ShapeName[];
  const shapes = options.shapes === '' ? [] : listOption(options.shapes ?? names.join(','), names);
  const folder = await loadModelFolder(folderSource(model));
  const gpu = await Gpu.open(nodeGpu());
  const folders = [() => folder, ...shapes.map((name) => () => randomModel(name))];
  const loop = await measureLoop(gpu, folder, await modelHyperparameters(model), rounds);
  printJson({ loop });
  const products: ProductRow[] = [];
  const decoding: DecodeRow[] = [];
  for (const open of folders) {
    const each = open();
    const { hidden_size: narrow, intermediate_size: wide } = each.config;
    products.push(...(await measureProducts(gpu, { model: each.name, narrow, wide }, ROWS, rounds)));
    printJson({ products: products.filter((row) => row.model === each.name) });
    log(`${each.name}: products measured`);
    const row = await measureDecoding(gpu, each, { rounds, tokens });
    decoding.push(row);
    printJson({ decoding: row });
  }
  const figures: SpeedFigures = {
    device: gpu.info.description,
    processor: `${cpus().length} × ${cpus()[0]?.model.trim() ?? 'unknown'}`,
    products,
    decoding,
    loop,
  };
  if (options.out === undefined) return;
  await writeFiles(options.out, {
    'speed.json': `${JSON.stringify(figures, null, 1)}\n`,
    'speed.md': speedMarkdown(figures, `npm run bench -- ${args.join(' ')}`),
  });
}
