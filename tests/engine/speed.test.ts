import { expect, it } from 'vitest';
import { fileURLToPath } from 'node:url';
import { folderSource } from '../../src/cli/io';
import { nodeGpu } from '../../src/cli/node-gpu';
import { DeviceTurns } from '../../src/engine/device-turns';
import { openModel } from '../../src/engine/model-host';
import { measureSpeed } from '../../src/engine/speed';

it('times a token and each kernel in it, and leaves nothing behind', async () => {
  const folder = fileURLToPath(new URL('../../models/thumbling', import.meta.url));
  const storage = {
    loadDevice: () => Promise.resolve(undefined),
    saveDevice: () => Promise.resolve(),
    listAdapters: () => Promise.resolve([]),
  };
  const source = folderSource(folder);
  const host = await openModel(nodeGpu(), { source, storage }, () => undefined);
  const before = host.gpu.liveBuffers;
  const report = await measureSpeed(host, new DeviceTurns());
  const layers = host.runtime.config.num_hidden_layers;
  expect(report.dispatchesPerToken).toBe(5 * layers + 3);
  expect(report.msPerToken).toBeGreaterThan(0);
  expect(report.weightBytes).toBe(host.identity.bytes);
  expect(report.copyBytesPerSecond).toBeGreaterThan(1e6);
  const counts = Object.fromEntries(
    (report.kernels ?? []).map(({ kernel, dispatches }) => [kernel, dispatches]),
  );
  expect(counts).toEqual({ linear_row: 4 * layers + 1, attention_row: layers, embed_row: 1, sample: 1 });
  for (const { ms } of report.kernels ?? []) expect(ms).toBeGreaterThan(0);
  expect(host.gpu.timer).toBeNull();
  expect(host.gpu.liveBuffers).toBe(before);
});
