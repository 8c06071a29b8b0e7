import { describe, expect, it } from 'vitest';
import { nodeGpu } from '../../src/cli/node-gpu';
import { Gpu } from '../../src/gpu/device';
import { KernelBench, ROW_COUNTS } from '../support/kernel';
import { checkLinearRow, ROW_CASES } from '../support/decode';
import { checkLinear, checkLoraDown } from '../support/linear';

// Mesa's software rasterizer reads it once, when its first device opens, and its subgroups are then four wide. Every
// test file has a process of its own.
process.env['LP_NATIVE_VECTOR_WIDTH'] = '128';
// Its cache on disk does not tell the widths apart.
process.env['MESA_SHADER_CACHE_DISABLE'] = 'true';

const CASE = { name: '', in: 64, scale: 'f16', parts: [96, 64], rank: 4, residual: false } as const;

/** The machine's adapter as it would be without subgroups. */
function withoutSubgroups(gpu: GPU): Pick<GPU, 'requestAdapter'> {
  return {
    requestAdapter: async (options) => {
      const adapter = await gpu.requestAdapter(options);
      if (!adapter) return null;
      const features = new Set([...adapter.features].filter((feature) => feature !== 'subgroups'));
      return new Proxy(adapter, {
        get: (target, key) => {
          if (key === 'features') return features;
          const value: unknown = Reflect.get(target, key, target);
          return typeof value === 'function' ? (value.bind(target) as unknown) : value;
        },
      });
    },
  };
}

describe.each([
  { name: 'without subgroups', gpu: await Gpu.open(withoutSubgroups(nodeGpu()) as GPU), lanes: 1 },
  { name: 'with subgroups of four', gpu: await Gpu.open(nodeGpu()), lanes: 4 },
])('a device $name', ({ gpu, lanes }) => {
  const bench = new KernelBench(gpu);

  // Hardware may have wider subgroups, which run the form for four as well.
  it.runIf(lanes === 1 || gpu.info.description.startsWith('llvmpipe'))('is known as one', () => {
    expect(gpu.forms.batch.lanes).toBe(lanes);
  });

  it.each(ROW_COUNTS)('shares the loads of %i rows', async (rows) => {
    await checkLinear(bench, gpu.forms.batch, CASE, rows);
    await checkLoraDown(bench, gpu.forms.batch, CASE, rows);
  });

  it.each(ROW_CASES)('shares the loads of one row: $name', (options) =>
    checkLinearRow(bench, gpu.forms.batch, options),
  );
});
