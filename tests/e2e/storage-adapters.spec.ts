/** Adapters, their receipts and checkpoints in IndexedDB, in a real Chromium: Node has no IndexedDB. */
import { expect, test } from '@playwright/test';
import { adapter, openStoragePage, receipt, signal } from './storage-page';

test.beforeEach(async ({ page }) => {
  await openStoragePage(page);
});

test('promotes an adapter with everything that belongs to it', async ({ page }) => {
  const result = await page.evaluate(
    async ({ record, kept, signals }) => {
      const storage = await storageUnderTest.openStorage();
      for (const one of signals) await storage.addSignal(one);
      await storage.saveCheckpoint({
        model: record.model,
        parentVersion: 0,
        signalIds: ['s1'],
        heldOutIds: [],
        seed: 1,
        hyperparameters: {},
        step: 3,
        losses: [],
        margins: [],
        parameters: new Float32Array([1, 2]).buffer,
        firstMoments: new ArrayBuffer(8),
        secondMoments: new ArrayBuffer(8),
        startedAt: 1,
      });
      const resumed = new Float32Array((await storage.loadCheckpoint())?.parameters ?? new ArrayBuffer(0));
      await storage.commitAdapter({
        record: { ...record, bytes: new Uint8Array([1, 2, 3]).buffer },
        receipt: kept,
      });
      return {
        resumed: [...resumed],
        active: await storage.activeVersion(),
        bytes: [...new Uint8Array((await storage.adapter(1))?.bytes ?? new ArrayBuffer(0))],
        summaries: await storage.listAdapters(),
        receipts: (await storage.listReceipts()).length,
        checkpoint: (await storage.loadCheckpoint()) ?? null,
      };
    },
    { record: adapter(1), kept: receipt('r1'), signals: [signal('s1'), signal('s2')] },
  );
  expect(result).toEqual({
    resumed: [1, 2],
    active: 1,
    bytes: [1, 2, 3],
    summaries: [{ ...adapter(1), byteLength: 3 }],
    receipts: 1,
    checkpoint: null,
  });
});

test('ends a refused update: its receipt stays, its checkpoint goes, no adapter', async ({ page }) => {
  const result = await page.evaluate(
    async ({ refused }) => {
      const storage = await storageUnderTest.openStorage();
      await storage.saveCheckpoint({
        model: refused.model,
        parentVersion: 0,
        signalIds: ['s1'],
        heldOutIds: [],
        seed: 1,
        hyperparameters: {},
        step: 1,
        losses: [],
        margins: [],
        parameters: new ArrayBuffer(8),
        firstMoments: new ArrayBuffer(8),
        secondMoments: new ArrayBuffer(8),
        startedAt: 1,
      });
      await storage.putReceipt(refused);
      return {
        receipts: (await storage.listReceipts()).map(({ decision }) => decision),
        checkpoint: (await storage.loadCheckpoint()) ?? null,
        next: await storage.nextVersion(),
      };
    },
    { refused: { ...receipt('r1'), decision: 'refused' as const } },
  );
  expect(result).toEqual({ receipts: ['refused'], checkpoint: null, next: 1 });
});

test('names adapters, and deletes those that are not in use for good', async ({ page }) => {
  const result = await page.evaluate(
    async ({ first, second, kept }) => {
      const storage = await storageUnderTest.openStorage();
      const bytes = new ArrayBuffer(4);
      for (const record of [first, second]) {
        await storage.commitAdapter({ record: { ...record, bytes }, receipt: kept });
      }
      await storage.nameAdapter(1, 'lists');
      const named = (await storage.listAdapters()).map(({ name }) => name ?? null);
      await storage.nameAdapter(1, '');
      const unnamed = 'name' in ((await storage.adapter(1)) ?? {});
      const inUse = await storage.deleteAdapter(2).catch(({ code }: { code: string }) => code);
      await storage.deleteAdapter(1);
      const nobody = await storage.nameAdapter(1, 'x').catch(({ code }: { code: string }) => code);
      return {
        named,
        unnamed,
        inUse,
        nobody,
        left: (await storage.listAdapters()).map(({ version }) => version),
        receipts: (await storage.listReceipts()).length,
        next: await storage.nextVersion(),
      };
    },
    { first: adapter(1), second: adapter(2), kept: receipt('r1') },
  );
  expect(result).toEqual({
    named: ['lists', null],
    unnamed: false,
    inUse: 'internal',
    nobody: 'internal',
    left: [2],
    receipts: 1,
    next: 3,
  });
});

test('leaves nothing of a promotion that fails halfway', async ({ page }) => {
  const result = await page.evaluate(
    async ({ record, kept, one }) => {
      const storage = await storageUnderTest.openStorage();
      await storage.addSignal(one);
      const bytes = new ArrayBuffer(4);
      const codes: string[] = [];
      const failing = [
        // Cannot be cloned: throws after the adapter has been handed to IndexedDB.
        { record: { ...record, bytes }, receipt: { ...kept, seconds: (() => 1) as unknown as number } },
        // A version given out before.
        { record: { ...record, version: 0, bytes }, receipt: kept },
      ];
      for (const commit of failing) {
        await storage.commitAdapter(commit).catch((error: { code: string }) => {
          codes.push(error.code);
        });
      }
      return {
        codes,
        adapters: (await storage.listAdapters()).length,
        receipts: (await storage.listReceipts()).length,
        active: await storage.activeVersion(),
        next: await storage.nextVersion(),
      };
    },
    { record: adapter(1), kept: receipt('r1'), one: signal('s1') },
  );
  expect(result).toEqual({
    codes: ['storage', 'internal'],
    adapters: 0,
    receipts: 0,
    active: 0,
    next: 1,
  });
});

test('never gives a version number twice, also after a roll-back', async ({ page }) => {
  const result = await page.evaluate(
    async ({ first, second, kept }) => {
      const storage = await storageUnderTest.openStorage();
      const bytes = new ArrayBuffer(4);
      await storage.commitAdapter({ record: { ...first, bytes }, receipt: kept });
      await storage.setActive(0);
      const next = await storage.nextVersion();
      const again = await storage
        .commitAdapter({ record: { ...first, bytes }, receipt: kept })
        .then(() => 'written')
        .catch((error: { code: string }) => error.code);
      const rolledBack = await storage.activeVersion();
      await storage.commitAdapter({ record: { ...second, bytes }, receipt: kept });
      const unknown = await storage
        .setActive(7)
        .then(() => 'switched')
        .catch((error: { code: string }) => error.code);
      return { next, again, rolledBack, active: await storage.activeVersion(), unknown };
    },
    { first: adapter(1), second: adapter(2), kept: receipt('r1') },
  );
  expect(result).toEqual({ next: 2, again: 'internal', rolledBack: 0, active: 2, unknown: 'internal' });
});

test('leaves an adapter whole or absent when the tab is killed while it is written', async ({
  page,
  context,
}) => {
  await page.evaluate(
    async ({ record, kept }) => {
      const storage = await storageUnderTest.openStorage();
      void storage.commitAdapter({
        record: { ...record, bytes: new ArrayBuffer(8_000_000) },
        receipt: kept,
      });
    },
    { record: adapter(1), kept: receipt('r1') },
  );
  await page.close();
  const again = await context.newPage();
  await openStoragePage(again);
  const found = await again.evaluate(async () => {
    const storage = await storageUnderTest.openStorage();
    return [
      await storage.activeVersion(),
      (await storage.listAdapters()).length,
      (await storage.listReceipts()).length,
      (await storage.nextVersion()) - 1,
    ];
  });
  expect([
    [0, 0, 0, 0],
    [1, 1, 1, 1],
  ]).toContainEqual(found);
});
