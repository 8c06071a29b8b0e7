import { writeReceiptFile } from '../formats/receipt-file';
import type { ExportedFile } from '../protocol/protocol';
import { ThumbprintError } from '../shared/errors';
import { learnedBy } from '../shared/signals';
import type { Storage } from '../storage/database';

/** An update as a file from which it can be repeated. @throws ThumbprintError `bad-input` when there is none such. */
export async function exportReceipt(storage: Storage, receiptId: string): Promise<ExportedFile> {
  const receipts = await storage.listReceipts();
  const receipt = receipts.find(({ id }) => id === receiptId);
  if (!receipt) throw new ThumbprintError('bad-input', 'This update is no longer stored.');
  const wanted = new Set([...receipt.signalIds, ...receipt.heldOutIds]);
  const signals = (await storage.listSignals()).filter(({ id }) => wanted.has(id));
  const { parentVersion } = receipt;
  const parent = parentVersion === 0 ? null : await storage.adapter(parentVersion);
  if (parent === undefined) {
    throw new ThumbprintError(
      'bad-input',
      `This update began with v${parentVersion}, which is no longer stored: it cannot be repeated.`,
    );
  }
  const learned = [...learnedBy(receipts, parentVersion)];
  const day = new Date(receipt.createdAt).toISOString().slice(0, 10);
  const version = receipt.version === undefined ? receipt.decision : `v${receipt.version}`;
  return {
    name: `thumbprint-receipt-${day}-${version}.json`,
    text: writeReceiptFile({ receipt, signals, learned, parent }),
  };
}
