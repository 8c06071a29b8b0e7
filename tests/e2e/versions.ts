/** Versions as updates would have left them, without training any. */
import { fileURLToPath } from 'node:url';
import type { Page } from '@playwright/test';
import { folderSource } from '../../src/cli/io';
import { emptyAdapter, writeAdapter } from '../../src/formats/adapter';
import { readModel } from '../../src/formats/read-model';
import { sha256 } from '../../src/shared/sha256';
import type { AdapterRecord, GateFigure, Receipt, Signal } from '../../src/shared/records';
import { receiptOf } from '../support/receipt';
import { signalOf } from '../support/signal';

const THUMBLING = fileURLToPath(new URL('../../models/thumbling', import.meta.url));
const DAY = 24 * 60 * 60_000;
const NOW = Date.now();

const REPLIES: [question: string, answer: string][] = [
  ['How do I boil an egg?', '1. Boil water in a pot. 2. Lower the egg in. 3. Wait ten minutes.'],
  ['How can I sleep better?', '1. Go to bed early. 2. Keep the room dark. 3. Put your phone away.'],
  ['How do I clean a window?', '1. Spray some water on it. 2. Wipe it with a cloth. 3. Dry it well.'],
  ['What should I pack for a picnic?', '1. Bread and cheese. 2. A blanket. 3. Cold water.'],
  ['Tell me about dogs.', 'Dogs are loyal friends.'],
  ['What is rain?', 'Water from clouds.'],
];

function figure(name: GateFigure['name'], before: number, after: number, count: number): GateFigure {
  return { name, before, after, limit: 0.08, count, passed: true };
}

/**
 * Six judgements, of which the fifth was withdrawn after v2 had learned it. v3 came from v2; v4 was learned after a
 * roll-back to v1; v5 was imported; a candidate after v3 was refused. v3 is in use.
 */
const SIGNALS = REPLIES.map(([content, chosen], index): Signal => {
  const withdrawn = index === 4 ? { withdrawnAt: NOW } : {};
  const context = [{ role: 'user' as const, content }];
  return signalOf({ id: `s${index + 1}`, createdAt: NOW - DAY, context, chosen, ...withdrawn });
});

const KEPT: Partial<Receipt>[] = [
  {
    parentVersion: 0,
    signalIds: ['s1', 's2', 's3'],
    figures: [figure('trained_accuracy', 0.5, 1, 3), figure('anchor_bits_per_token', 2.1, 2.104, 16)],
  },
  {
    parentVersion: 1,
    signalIds: ['s4', 's5'],
    figures: [figure('held_out_accuracy', 0.5, 0.75, 12), figure('anchor_bits_per_token', 2.1, 2.112, 16)],
  },
  {
    parentVersion: 2,
    signalIds: ['s6'],
    scale: 0.5,
    figures: [
      figure('held_out_accuracy', 0.75, 10 / 12, 12),
      figure('anchor_bits_per_token', 2.1, 2.131, 16),
    ],
  },
  {
    parentVersion: 1,
    signalIds: ['s4'],
    figures: [figure('held_out_accuracy', 0.5, 8 / 12, 12), figure('anchor_bits_per_token', 2.1, 2.095, 16)],
  },
  { parentVersion: 0, decision: 'imported', reason: 'Imported from mine.safetensors.' },
];

const REFUSED: Partial<Receipt> = {
  id: 'r3-refused',
  decision: 'refused',
  reason: 'Refused: it agrees with 7 of 12 held-out judgements, the one before with 10.',
  parentVersion: 3,
  signalIds: ['s6'],
  figures: [
    { ...figure('held_out_accuracy', 10 / 12, 7 / 12, 12), passed: false },
    figure('anchor_bits_per_token', 2.1, 2.14, 16),
  ],
};

interface Stored {
  signals: Signal[];
  receipts: Receipt[];
  adapters: (Omit<AdapterRecord, 'bytes'> & { base64: string })[];
}

async function stored(): Promise<Stored> {
  const model = await readModel(folderSource(THUMBLING), () => undefined);
  const losses = Array.from({ length: 12 }, (_, step) => 0.7 * 0.93 ** step);
  const complete = (receipt: Partial<Receipt>, age: number): Receipt =>
    receiptOf({
      createdAt: NOW - age * DAY,
      reason: 'Kept: it agrees with more of your judgements.',
      model: model.sha256,
      losses: receipt.decision === 'imported' ? [] : losses,
      margins: losses.map((loss) => 0.7 - loss),
      seconds: 40,
      ...receipt,
    });
  const receipts = KEPT.map((receipt, index) =>
    complete({ id: `r${index + 1}`, version: index + 1, ...receipt }, 9 - index),
  );
  const adapters = receipts.map(async ({ id, version = 0, parentVersion, createdAt }) => {
    const options = { rank: 2, lora_alpha: 4, seed: version };
    const { safetensors } = writeAdapter(
      emptyAdapter(model.config, model.sha256, options),
      model.config,
      'thumbling',
    );
    return {
      version,
      parentVersion,
      createdAt,
      model: model.sha256,
      rank: options.rank,
      lora_alpha: options.lora_alpha,
      sha256: await sha256(safetensors),
      receiptId: id,
      ...(version === 3 ? { name: 'lists' } : {}),
      base64: Buffer.from(safetensors).toString('base64'),
    };
  });
  return {
    signals: SIGNALS.map((signal) => ({ ...signal, model: model.sha256 })),
    receipts: [...receipts, complete(REFUSED, 6.5)],
    adapters: await Promise.all(adapters),
  };
}

/** Puts them into the database of an open app. It knows of them after a reload. */
export async function plantVersions(page: Page): Promise<void> {
  await page.evaluate(
    async ({ signals, receipts, adapters }) => {
      const opened = indexedDB.open('thumbprint');
      await new Promise((resolve, reject) => {
        opened.onsuccess = resolve;
        opened.onerror = reject;
      });
      const names = ['signals', 'receipts', 'adapters', 'settings'];
      const transaction = opened.result.transaction(names, 'readwrite');
      for (const signal of signals) transaction.objectStore('signals').put(signal);
      for (const receipt of receipts) transaction.objectStore('receipts').put(receipt);
      for (const { base64, ...record } of adapters) {
        const bytes = Uint8Array.from(atob(base64), (byte) => byte.charCodeAt(0)).buffer;
        transaction.objectStore('adapters').put({ ...record, bytes });
      }
      transaction.objectStore('settings').put(3, 'active');
      transaction.objectStore('settings').put(adapters.length, 'lastVersion');
      await new Promise((resolve, reject) => {
        transaction.oncomplete = resolve;
        transaction.onerror = reject;
      });
      opened.result.close();
    },
    await stored(),
  );
}
