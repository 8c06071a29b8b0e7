import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { useFastestForms } from '../../src/engine/forms';
import { type Forms, formOf } from '../../src/gpu/device';
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
  const names = measured.map(
    ({ what, shape, tile }) =>
      `${what} ${shape} ${tile.lanes} ${tile.rows} ${what === 'row' ? tile.split : tile.tiled}`,
  );
  const lanes = guess.batch.lanes === 1 ? [1] : [guess.batch.lanes, 1];
  const { hidden_size: d, intermediate_size: ffn, vocab_size } = runtime.config;
  const attention = runtime.config.num_attention_heads * runtime.config.head_dim;
  const kv = runtime.config.num_key_value_heads * runtime.config.head_dim;
  const shapes = [
    [attention + 2 * kv, d],
    [d, attention],
    [2 * ffn, d],
    [d, ffn],
    [vocab_size, d],
  ];
  expect(names).toEqual([
    ...new Set(
      shapes.flatMap(([rows, columns]) => [
        ...lanes.map((count) => `batch ${rows}x${columns} ${count} ${guess.batch.rows} false`),
        `batch ${rows}x${columns} ${guess.batch.lanes} 4 true`,
        ...lanes.map((count) => `row ${rows}x${columns} ${count} ${guess.row.rows} 1`),
        ...[8, 32].map((split) => `row ${rows}x${columns} ${guess.row.lanes} ${guess.row.rows} ${split}`),
      ]),
    ),
  ]);
  for (const { ms } of measured) expect(ms).toBeGreaterThan(0);
  expect(runtime.gpu.liveBuffers).toBe(before);
});

it('takes the fastest of each kind for each shape, and for others what is fastest for all together', () => {
  const [slow, fast] = [guess.batch, { ...guess.batch, lanes: 1 } as const];
  const forms = fastest([
    { what: 'batch', shape: '4x4', tile: slow, ms: 3 },
    { what: 'batch', shape: '4x4', tile: fast, ms: 2 },
    { what: 'row', shape: '4x4', tile: slow, ms: 1 },
    { what: 'row', shape: '4x4', tile: fast, ms: 4 },
    { what: 'batch', shape: '8x4', tile: slow, ms: 6 },
    { what: 'batch', shape: '8x4', tile: fast, ms: 8 },
    { what: 'row', shape: '8x4', tile: slow, ms: 20 },
    { what: 'row', shape: '8x4', tile: fast, ms: 6 },
  ]);
  expect(forms).toEqual({
    batch: slow,
    row: fast,
    shapes: { '4x4': { batch: fast, row: slow }, '8x4': { batch: slow, row: fast } },
  });
  expect(formOf(forms, 'row', { rows: 4, columns: 4 })).toBe(slow);
  expect(formOf(forms, 'batch', { rows: 8, columns: 4 })).toBe(slow);
  expect(formOf(forms, 'row', { rows: 5, columns: 4 })).toBe(fast);
});

it('are of these matrices: a model of other shapes has another key', async () => {
  const { gpu, weights } = runtime;
  const { head } = weights;
  const other = { ...weights, head: { ...head, rows: 2 * head.rows } };
  expect(await formsKey({ gpu, weights })).toBe(await formsKey(runtime));
  expect(await formsKey({ gpu, weights: other })).not.toBe(await formsKey(runtime));
});

describe('the forms in use', () => {
  const other: Forms['batch'] = { lanes: 1, exact: false, rows: 16, tiled: false, attention: 8, split: 8 };

  it('are those measured before, without measuring again', async () => {
    const forms = { batch: other, row: other, shapes: { '4x4': { batch: other, row: other } } };
    const known = memory({ key: await formsKey(runtime), forms });
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
    const key = await formsKey(runtime);
    const store = memory(known && { ...known, key: known.key === '' ? key : known.key });
    await useFastestForms(runtime, store);
    expect(store.saved).toEqual([{ key, forms: runtime.gpu.forms }]);
    runtime.gpu.forms = guess;
  });
});
