import type { AdapterWeights } from '../formats/tensors';
import type { Receipt } from '../shared/records';
import type { Storage } from '../storage/database';

/**
 * Stores an adapter as the next version, in use at once, with the receipt that it came from.
 * @param safetensors the adapter as it is stored, whose sha-256 is the receipt's candidate.
 * @returns the receipt with its version.
 */
export async function commitVersion(
  storage: Storage,
  { rank, lora_alpha }: AdapterWeights,
  safetensors: Uint8Array<ArrayBuffer>,
  receipt: Receipt & { candidate: string },
): Promise<Receipt & { version: number }> {
  const version = await storage.nextVersion();
  const { id: receiptId, parentVersion, createdAt, model, candidate } = receipt;
  const committed = { ...receipt, version };
  await storage.commitAdapter({
    record: {
      version,
      parentVersion,
      createdAt,
      model,
      rank,
      lora_alpha,
      bytes: safetensors.buffer,
      sha256: candidate,
      receiptId,
    },
    receipt: committed,
  });
  return committed;
}
