import { describe, expect, it } from 'vitest';
import { exportAdapter, importAdapter, openReceipt } from '../../src/engine/exchange';
import type { ModelHost } from '../../src/engine/model-host';
import { commitVersion } from '../../src/engine/versions';
import { writeAdapter } from '../../src/formats/adapter';
import { writeReceiptFile } from '../../src/formats/receipt-file';
import { required } from '../../src/shared/assert';
import type { AdapterRecord, Receipt } from '../../src/shared/records';
import { sha256 } from '../../src/shared/sha256';
import { hasUnknownPast, learnedBy, versionWithout } from '../../src/shared/signals';
import type { Storage } from '../../src/storage/database';
import { seededAdapter } from '../reference/adapter';
import { TINY_CONFIG } from '../reference/seeded-model';
import { receiptOf } from '../support/receipt';

const NAME = 'tiny';
/** A model whose adapters have a rank. */
const hostOf = (rank: number): ModelHost =>
  ({
    identity: { name: NAME, config: TINY_CONFIG, sha256: 'm' },
    hyperparameters: { rank },
  }) as unknown as ModelHost;

/** Adapters and receipts that last as long as a test. */
function memory() {
  const records: AdapterRecord[] = [];
  const receipts: Receipt[] = [];
  const storage = {
    listReceipts: () => Promise.resolve(receipts),
    nextVersion: () => Promise.resolve(records.length + 1),
    adapter: (version: number) => Promise.resolve(records.find((record) => record.version === version)),
    commitAdapter: ({ record, receipt }: { record: AdapterRecord; receipt: Receipt }) => {
      records.push(record);
      return Promise.resolve(void receipts.push(receipt));
    },
  } as unknown as Storage;
  return { storage, records, receipts };
}

/** Keeps an adapter of rank 4 as the next version. */
async function keep(storage: Storage, seed: number, changes: Partial<Receipt>): Promise<void> {
  const adapter = { ...seededAdapter(TINY_CONFIG, 4, 8, seed), base: 'm' };
  const { safetensors } = writeAdapter(adapter, TINY_CONFIG, NAME);
  const candidate = await sha256(safetensors);
  await commitVersion(storage, adapter, safetensors, { ...receiptOf(changes), candidate });
}

async function weightsOf(storage: Storage, version: number): Promise<Uint8Array<ArrayBuffer>> {
  const [weights] = await exportAdapter(storage, hostOf(4), version);
  return new Uint8Array(required(weights, 'weights').content as ArrayBuffer);
}

describe('an adapter that comes back', () => {
  // The model may train more ranks by now: then the adapter is stored with other bytes.
  it.each([4, 8])('has learned what the version that it was had (rank %i)', async (rank) => {
    const { storage, records, receipts } = memory();
    await keep(storage, 1, { signalIds: ['a'] });
    await keep(storage, 2, { parentVersion: 1, signalIds: ['a', 'b'], heldOutIds: ['h'] });
    const bytes = await weightsOf(storage, 2);
    const imported = await importAdapter(storage, hostOf(rank), [{ name: 'mine.safetensors', bytes }]);
    expect(imported).toMatchObject({
      decision: 'imported',
      version: 3,
      parentVersion: 1,
      heldOutIds: ['h'],
      reason: 'Imported from mine.safetensors. It is v2 again, and has learned what that had.',
    });
    expect(learnedBy(receipts, 3)).toEqual(new Set(['a', 'b']));
    expect(versionWithout(receipts, records, 3, 'b')).toBe(1);
    expect(versionWithout(receipts, records, 3, 'a')).toBe(0);
    expect(hasUnknownPast(receipts, 3)).toBe(false);
    // And once more, from the version that it is now.
    const again = await weightsOf(storage, 3);
    await importAdapter(storage, hostOf(rank), [{ name: 'again.safetensors', bytes: again }]);
    expect(learnedBy(receipts, 4)).toEqual(new Set(['a', 'b']));
  });
});

describe('an adapter from elsewhere', () => {
  it.each([
    ['another adapter', { seed: 3, model: 'm' }],
    ['an adapter of another model that happens to be the same', { seed: 1, model: 'other' }],
  ])('has learned nobody knows what: %s', async (_, { seed, model }) => {
    const { storage, receipts } = memory();
    await keep(storage, 1, { signalIds: ['a'], model });
    const elsewhere = memory().storage;
    await keep(elsewhere, seed, {});
    const bytes = await weightsOf(elsewhere, 1);
    const imported = await importAdapter(storage, hostOf(4), [{ name: 'x.safetensors', bytes }]);
    expect(imported).toMatchObject({ version: 2, parentVersion: 0, signalIds: [] });
    expect(imported.reason).toContain('What it has learned is unknown here');
    expect(hasUnknownPast(receipts, 2)).toBe(true);
    // That it comes back from here does not make it known.
    const again = await importAdapter(storage, hostOf(4), [{ name: 'x.safetensors', bytes }]);
    expect(again.reason).toContain('What it has learned is unknown here');
  });
});

describe('a receipt on file', () => {
  const file = { receipt: receiptOf({ model: 'other' }), signals: [], learned: [], parent: null };
  const host = {
    runtime: { sha256: 'm', config: TINY_CONFIG, layout: { rank: 8 } },
    texts: { anchors: { sequences: [] }, rehearsal: [], probes: { decline: [], correct: [] } },
  } as unknown as ModelHost;

  it('of another model can be read, and tells why it cannot be repeated', async () => {
    const { receipt, mismatch } = await openReceipt(host, writeReceiptFile(file));
    expect(receipt).toEqual(file.receipt);
    expect(mismatch).toContain('it is of the base model other, this is m');
    const own = { ...file, receipt: receiptOf({ model: 'm' }) };
    expect((await openReceipt(host, writeReceiptFile(own))).mismatch).toBeNull();
  });

  it('that is none is refused', async () => {
    await expect(openReceipt(host, '{}')).rejects.toMatchObject({ code: 'bad-file' });
  });
});
