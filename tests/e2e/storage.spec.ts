/** IndexedDB storage in a real Chromium: Node has no IndexedDB. */
import { expect, test, type BrowserContext, type Page } from '@playwright/test';
import { MODULE_ORIGIN } from './fixtures';
import { adapter, message, openStoragePage, receipt, signal, type StorageModule } from './storage-page';

test.beforeEach(async ({ page }) => {
  await openStoragePage(page);
});

test('keeps a conversation tree and deletes it whole', async ({ page }) => {
  const result = await page.evaluate(
    async (messages) => {
      const storage = await storageUnderTest.openStorage();
      await storage.putConversation({ id: 'c', title: 'One', createdAt: 1, updatedAt: 5, headId: 'm2' });
      await storage.putConversation({ id: 'd', title: 'Two', createdAt: 2, updatedAt: 9, headId: null });
      for (const one of messages) await storage.putMessage(one);
      const before = (await storage.messagesOf('c')).map(({ id }) => id);
      const order = (await storage.listConversations()).map(({ id }) => id);
      await storage.deleteConversation('c');
      return {
        before,
        order,
        after: (await storage.messagesOf('c')).length,
        other: (await storage.messagesOf('d')).length,
        left: (await storage.listConversations()).map(({ id }) => id),
      };
    },
    [message('m2'), message('m1'), message('x', 'd')],
  );
  expect(result).toEqual({ before: ['m1', 'm2'], order: ['d', 'c'], after: 0, other: 1, left: ['d'] });
});

test('updates and replaces signals, changes nothing for a second one of the same id, repairs settings', async ({
  page,
}) => {
  const result = await page.evaluate(async (one) => {
    const storage = await storageUnderTest.openStorage();
    await storage.addSignal(one);
    const twice = await storage
      .addSignal(one, ['s1'])
      .then(() => 'written')
      .catch((error: { code: string }) => error.code);
    const untouched = await storage.listSignals();
    await storage.addSignal({ ...one, id: 's2', createdAt: 9 }, ['s1']);
    const replaced = (await storage.listSignals()).map(({ id, withdrawnAt }) => [id, withdrawnAt]);
    const updated = await storage.updateSignal('s1', { withdrawnAt: 7 });
    const settings = await storage.loadSettings();
    const saved = await storage.saveSettings({ ...settings, trainAfter: 0, systemPrompt: 'Be brief.' });
    return {
      twice,
      untouched,
      replaced,
      updated: updated.withdrawnAt,
      chosen: updated.chosen,
      saved,
      loaded: await storage.loadSettings(),
    };
  }, signal('s1'));
  expect(result).toMatchObject({ twice: 'storage', updated: 7, chosen: 'Yes.' });
  expect(result.untouched).toEqual([signal('s1')]);
  expect(result.replaced).toEqual([
    ['s1', 9],
    ['s2', undefined],
  ]);
  expect(result.saved).toMatchObject({ trainAfter: 1, systemPrompt: 'Be brief.' });
  expect(result.loaded).toEqual(result.saved);
});

test('keeps what was measured of the device, and forgets it with everything', async ({ page }) => {
  const [before, after, gone] = await page.evaluate(async () => {
    const storage = await storageUnderTest.openStorage();
    const none = await storage.loadDevice();
    await storage.saveDevice({ key: 'a device', forms: { batch: 1 } });
    const kept = await (await storageUnderTest.openStorage()).loadDevice();
    await storage.deleteEverything();
    return [none, kept, await storage.loadDevice()];
  });
  expect(before).toBeUndefined();
  expect(after).toEqual({ key: 'a device', forms: { batch: 1 } });
  expect(gone).toBeUndefined();
});

test('deletes everything', async ({ page }) => {
  const left = await page.evaluate(
    async ({ record, kept, one, text }) => {
      const storage = await storageUnderTest.openStorage();
      await storage.putConversation({ id: 'c', title: 'One', createdAt: 1, updatedAt: 5, headId: null });
      await storage.putMessage(text);
      await storage.addSignal(one);
      await storage.commitAdapter({
        record: { ...record, bytes: new ArrayBuffer(4) },
        receipt: kept,
      });
      await storage.saveSettings({ ...(await storage.loadSettings()), systemPrompt: 'x' });
      await storage.deleteEverything();
      const database = await storage.connect();
      const counts = await Promise.all(storageUnderTest.ALL_STORES.map((store) => database.count(store)));
      return {
        counts,
        next: await storage.nextVersion(),
        usage: (await storage.estimate()).usageBytes !== null,
      };
    },
    { record: adapter(1), kept: receipt('r1'), one: signal('s1'), text: message('m') },
  );
  expect(left).toEqual({ counts: [0, 0, 0, 0, 0, 0, 0], next: 1, usage: true });
});

test('reaches the newest layout from every older one', async ({ page }) => {
  const stores = await page.evaluate(async () => {
    const { openConnection, DATABASE_VERSION, ALL_STORES } = storageUnderTest;
    const events = { onSuperseded: () => undefined, onTerminated: () => undefined };
    const found: string[][] = [];
    for (let from = 1; from <= DATABASE_VERSION; from++) {
      const old = await openConnection(`from-${from}`, events, from);
      old.close();
      const migrated = await openConnection(`from-${from}`, events);
      found.push([...migrated.objectStoreNames]);
      migrated.close();
    }
    return { found, expected: [...ALL_STORES].sort() };
  });
  expect(stores.found.length).toBeGreaterThan(0);
  for (const names of stores.found) expect(names).toEqual(stores.expected);
});

test('is written by a Worker and read by the page', async ({ page }) => {
  const title = await page.evaluate(async () => {
    const storage = await storageUnderTest.openStorage();
    await new Promise((resolve, reject) => {
      const worker = new Worker('/worker.js', { type: 'module' });
      worker.onmessage = resolve;
      worker.onerror = reject;
    });
    return (await storage.getConversation('c'))?.title;
  });
  expect(title).toBe('From the Worker');
});

test('says so when the disk is full', async ({ page, context }) => {
  await overrideQuota(context, page, 200_000);
  const failure = await page.evaluate(async (text) => {
    const storage = await storageUnderTest.openStorage();
    // Random letters: a browser may compress what it writes.
    const content = Array.from({ length: 400_000 }, () =>
      String.fromCharCode(0x100 + Math.random() * 0x7000),
    ).join('');
    return storage
      .putMessage({ ...text, content })
      .then(() => null)
      .catch((error: { code: string; message: string }) => ({ code: error.code, message: error.message }));
  }, message('m'));
  expect(failure?.code).toBe('quota');
  expect(failure?.message).toContain('Free some disk space');
});

test('gives way to a newer layout and explains it', async ({ page }) => {
  const failures = await page.evaluate(async () => {
    const storage = await storageUnderTest.openStorage('shared');
    const newer = await new Promise<IDBDatabase>((resolve, reject) => {
      const request = indexedDB.open('shared', 99);
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error ?? new Error('no newer layout'));
    });
    const closed = await storage.loadSettings().catch((error: Error) => error.message);
    newer.close();
    const reopened = await storageUnderTest.openStorage('shared').catch((error: Error) => error.message);
    return [closed, reopened];
  });
  expect(failures[0]).toContain('opened in another tab');
  expect(failures[1]).toContain('newer version of Thumbprint');
});

test('opens again after the browser has dropped the connection', async ({ page, context }) => {
  await page.evaluate(async () => {
    const storage = await storageUnderTest.openStorage();
    Object.assign(globalThis, { kept: storage });
    await storage.saveSettings({ ...(await storage.loadSettings()), systemPrompt: 'gone' });
  });
  const devtools = await context.newCDPSession(page);
  await devtools.send('Storage.clearDataForOrigin', { origin: MODULE_ORIGIN, storageTypes: 'indexeddb' });
  const prompt = await page.evaluate(async () => {
    const { kept } = globalThis as unknown as { kept: Awaited<ReturnType<StorageModule['openStorage']>> };
    return (await kept.loadSettings()).systemPrompt;
  });
  expect(prompt).toBe('');
});

async function overrideQuota(context: BrowserContext, page: Page, quotaSize: number): Promise<void> {
  const devtools = await context.newCDPSession(page);
  await devtools.send('Storage.overrideQuotaForOrigin', { origin: MODULE_ORIGIN, quotaSize });
}
