/** What the tests of the storage put into it, and the page that it runs in. */
import type { Page } from '@playwright/test';
import type { AdapterRecord, Message, Receipt, Signal } from '../../src/shared/records';
import { openModule } from './fixtures';

export type StorageModule = typeof import('./modules/storage');

declare global {
  // The name is shared by all module pages; each spec says what it is there.
  var storageUnderTest: StorageModule;
}

const WORKER = `import { openStorage } from '/module.js';
  const storage = await openStorage();
  await storage.putConversation({ id: 'c', title: 'From the Worker', createdAt: 1, updatedAt: 1, headId: null });
  postMessage('written');`;

export async function openStoragePage(page: Page): Promise<void> {
  await openModule(page, './modules/storage.ts', { 'worker.js': WORKER });
  await page.evaluate(() => {
    globalThis.storageUnderTest = (globalThis as unknown as { underTest: StorageModule }).underTest;
  });
}

export function message(id: string, conversationId = 'c'): Message {
  return { id, conversationId, parentId: null, role: 'user', content: id, createdAt: 1, state: 'done' };
}

export function signal(id: string): Signal {
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

export function receipt(id: string): Receipt {
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
export function adapter(version: number): Omit<AdapterRecord, 'bytes'> {
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
