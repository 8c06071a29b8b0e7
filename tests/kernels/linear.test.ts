import { describe, it } from 'vitest';
import { required } from '../../src/shared/assert';
import { KernelBench, ROW_COUNTS, tileForms } from '../support/kernel';
import { checkLinear, LINEAR_CASES } from '../support/linear';

const bench = await KernelBench.open();
const { batch: tile } = bench.gpu.forms;

describe.each(LINEAR_CASES)('int4 products, $name', (options) => {
  it.each(ROW_COUNTS)('have the product and the input gradient of %i rows', (rows) =>
    checkLinear(bench, tile, options, rows),
  );
});

it.each(LINEAR_CASES)('by tiles the product and the gradient are the same, $name', async (options) => {
  for (const rows of ROW_COUNTS) await checkLinear(bench, { ...tile, rows: 4, tiled: true }, options, rows);
});

it.each(tileForms(tile).slice(1))('$name: the product and the gradient are the same', async (form) => {
  for (const rows of ROW_COUNTS) {
    await checkLinear(bench, form.tile, required(LINEAR_CASES[2], 'case'), rows);
  }
});

describe.each(LINEAR_CASES.filter(({ rank }) => rank !== null))('without effect, $name', (options) => {
  it.each([
    ['B is zero', (lora: { b: Float64Array }) => void lora.b.fill(0)],
    ['it is scaled to zero', (lora: { scale: number }) => void (lora.scale = 0)],
  ])('the LoRA where %s', (_, change) => checkLinear(bench, tile, options, 33, change));
});
