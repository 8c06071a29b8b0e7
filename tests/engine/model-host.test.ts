import { expect, it } from 'vitest';
import { fileURLToPath } from 'node:url';
import { folderSource } from '../../src/cli/io';
import { nodeGpu } from '../../src/cli/node-gpu';
import { openModel } from '../../src/engine/model-host';
import type { LoadingProgress } from '../../src/protocol/protocol';
import type { AdapterSummary } from '../../src/shared/records';

const source = folderSource(fileURLToPath(new URL('../../models/thumbling', import.meta.url)));

it('tells its progress, and has room for the largest rank of any version', async () => {
  const seen: LoadingProgress[] = [];
  const storage = {
    loadDevice: () => Promise.resolve(undefined),
    saveDevice: () => Promise.resolve(),
    listAdapters: () => Promise.resolve([4, 16].map((rank) => ({ rank }) as AdapterSummary)),
  };
  const host = await openModel(nodeGpu(), { source, storage }, (progress) => seen.push(progress));
  expect(host.runtime.layout.rank).toBe(16);
  expect([...new Set(seen.map(({ stage }) => stage))]).toEqual(['device', 'download', 'compile']);
  const { loadedBytes, totalBytes } = seen.at(-1) ?? {};
  expect(totalBytes).toBe(host.identity.bytes);
  expect(loadedBytes).toBe(totalBytes);
  host.runtime.destroy();
});
