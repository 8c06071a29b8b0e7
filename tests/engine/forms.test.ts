import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { useFastestForms } from '../../src/engine/forms';
import type { Forms } from '../../src/gpu/device';
import { fastest, formsKey, measureForms } from '../../src/model/tuning';
import type { ModelRuntime } from '../../src/model/runtime';
import type { DeviceRecord } from '../../src/shared/records';
import { tinyRuntime } from '../support/recorded-update';

let runtime: ModelRuntime;
let guess: Forms;
beforeAll(async () => {
  runtime = await tinyRuntime();
  guess = runtime.gpu.forms;
});
afterAll(() => {
  runtime.gpu.forms = guess;
  runtime.destroy();
});

/** A device that was measured before, or not. */
function memory(known?: DeviceRecord) {
  const saved: DeviceRecord[] = [];
  return {
    saved,
    loadDevice: () => Promise.resolve(known),
    saveDevice: (device: DeviceRecord) => Promise.resolve(void saved.push(device)),
  };
}

it('times each form, with shared loads and without', async () => {
  const before = runtime.gpu.liveBuffers;
  const measured = await measureForms(runtime);
  const names = measured.map(({ what, tile }) => `${what} ${tile.lanes} ${tile.rows} ${tile.split}`);
  const lanes = guess.batch.lanes === 1 ? [1] : [guess.batch.lanes, 1];
  expect(names).toEqual([
    ...lanes.flatMap((count) => [4, 16].map((rows) => `batch ${count} ${rows} ${guess.batch.split}`)),
    ...lanes.map((count) => `row ${count} ${guess.row.rows} 1`),
    ...[8, 32].map((split) => `row ${guess.row.lanes} ${guess.row.rows} ${split}`),
  ]);
  for (const { ms } of measured) expect(ms).toBeGreaterThan(0);
  expect(runtime.gpu.liveBuffers).toBe(before);
});

it('takes the fastest of each kind', () => {
  const [slow, fast] = [guess.batch, { ...guess.batch, lanes: 1 } as const];
  const forms = fastest([
    { what: 'batch', tile: slow, ms: 3 },
    { what: 'batch', tile: fast, ms: 2 },
    { what: 'row', tile: slow, ms: 1 },
    { what: 'row', tile: fast, ms: 4 },
  ]);
  expect(forms).toEqual({ batch: fast, row: slow });
});

describe('the forms in use', () => {
  const other: Forms['batch'] = { lanes: 1, exact: false, rows: 16, attention: 8, split: 8 };

  it('are those measured before, without measuring again', async () => {
    const forms = { batch: other, row: other };
    const known = memory({ key: await formsKey(runtime.gpu), forms });
    await useFastestForms(runtime, known);
    expect(runtime.gpu.forms).toEqual(forms);
    expect(known.saved).toEqual([]);
    runtime.gpu.forms = guess;
  });

  it.each([
    ['nothing was measured', undefined],
    ['another device was', { key: 'another', forms: { batch: other, row: other } }],
    ['what was stored is none', { key: '', forms: { batch: { lanes: 3 } } }],
  ])('are measured and kept where %s', async (_, known) => {
    const key = await formsKey(runtime.gpu);
    const store = memory(known && { ...known, key: known.key === '' ? key : known.key });
    await useFastestForms(runtime, store);
    expect(store.saved).toEqual([{ key, forms: runtime.gpu.forms }]);
    runtime.gpu.forms = guess;
  });
});
