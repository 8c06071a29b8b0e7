import { describe, it } from 'vitest';
import { required } from '../../src/shared/assert';
import { KernelBench, ROW_COUNTS } from '../support/kernel';
import { checkLinear, LINEAR_CASES } from '../support/linear';

// Loads are shared as this device can; sources.test.ts does the same for the other forms.
const bench = await KernelBench.open();
const { tile } = bench.gpu;

describe.each(LINEAR_CASES)('int4 products, $name', (options) => {
  it.each(ROW_COUNTS)('have the product and the input gradient of %i rows', (rows) =>
    checkLinear(bench, tile, options, rows),
  );
});

it.each([4, 16] as const)('%i rows a thread have the same product and gradient', async (rows) => {
  for (const count of ROW_COUNTS) {
    await checkLinear(bench, { ...tile, rows }, required(LINEAR_CASES[2], 'case'), count);
  }
});

describe.each(LINEAR_CASES.filter(({ rank }) => rank !== null))('without effect, $name', (options) => {
  it.each([
    ['B is zero', (lora: { b: Float64Array }) => void lora.b.fill(0)],
    ['it is scaled to zero', (lora: { scale: number }) => void (lora.scale = 0)],
  ])('the LoRA where %s', (_, change) => checkLinear(bench, tile, options, 33, change));
});
