/** IndexedDB storage in a real Chromium: Node has no IndexedDB. */
import { expect, test, type BrowserContext, type Page } from '@playwright/test';
import type { AdapterRecord, Message, Receipt, Signal } from '../../src/shared/records';
import { MODULE_ORIGIN, openModule } from './fixtures';

type StorageModule = typeof import('./modules/storage');

declare global {
  // The name is shared by all module pages; each spec says what it is there.
  var storageUnderTest: StorageModule;
}

const WORKER = `import { openStorage } from '/module.js';
  const storage = await openStorage();
  await storage.putConversation({ id: 'c', title: 'From the Worker', createdAt: 1, updatedAt: 1, headId: null });
  postMessage('written');`;

async function open(page: Page): Promise<void> {
  await openModule(page, './modules/storage.ts', { 'worker.js': WORKER });
  await page.evaluate(() => {
    globalThis.storageUnderTest = (globalThis as unknown as { underTest: StorageModule }).underTest;
  });
}

function message(id: string, conversationId = 'c'): Message {
  return { id, conversationId, parentId: null, role: 'user', content: id, createdAt: 1, state: 'done' };
}

function signal(id: string): Signal {
  return {
    id,
    kind: 'up',
    createdAt: 1,
    conversationId: 'c',
    messageId: 'm',
    context: [],
    chosen: 'Yes.',
    adapter: 0,
    model: 'a'.repeat(64),
  };
}

function receipt(id: string): Receipt {
  return {
    id,
    createdAt: 1,
    decision: 'kept',
    reason: 'It got better.',
    model: 'a'.repeat(64),
    parentVersion: 0,
    signalIds: ['s1'],
    heldOutIds: [],
    skipped: [],
    seed: 1,
    hyperparameters: { rank: 4 },
    losses: [0.7],
    margins: [0.1],
    figures: [],
    seconds: 1,
  };
}

/** Without its bytes, which do not travel into the page. */
function adapter(version: number): Omit<AdapterRecord, 'bytes'> {
  return {
    version,
    parentVersion: 0,
    createdAt: 1,
    model: 'a'.repeat(64),
    rank: 4,
    lora_alpha: 8,
    sha256: 'b'.repeat(64),
    receiptId: 'r1',
  };
}

test.beforeEach(async ({ page }) => {
  await open(page);
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
  await open(again);
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

test('updates signals, refuses a second one of the same id, repairs settings', async ({ page }) => {
  const result = await page.evaluate(async (one) => {
    const storage = await storageUnderTest.openStorage();
    await storage.addSignal(one);
    const twice = await storage
      .addSignal(one)
      .then(() => 'written')
      .catch((error: { code: string }) => error.code);
    const updated = await storage.updateSignal('s1', { withdrawnAt: 7 });
    const settings = await storage.loadSettings();
    const saved = await storage.saveSettings({ ...settings, trainAfter: 0, systemPrompt: 'Be brief.' });
    return {
      twice,
      updated: updated.withdrawnAt,
      chosen: updated.chosen,
      saved,
      loaded: await storage.loadSettings(),
    };
  }, signal('s1'));
  expect(result).toMatchObject({ twice: 'storage', updated: 7, chosen: 'Yes.' });
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
