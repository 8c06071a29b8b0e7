import { mismatchOf } from '../adaptation/mismatches';
import { configWithin, readAdapter, withRank, writeAdapter } from '../formats/adapter';
import { readReceiptFile, type ReceiptFile, writeReceiptFile } from '../formats/receipt-file';
import type { AdapterWeights } from '../formats/tensors';
import type { ExportedFile, OpenedReceipt } from '../protocol/protocol';
import { ThumbprintError } from '../shared/errors';
import { newId } from '../shared/ids';
import type { Receipt } from '../shared/records';
import { sha256 } from '../shared/sha256';
import { hasUnknownPast, learnedBy } from '../shared/signals';
import type { Storage } from '../storage/database';
import { loraOf } from '../training/types';
import { adapterOf, type ModelHost } from './model-host';
import { commitVersion } from './versions';

/** All that it takes to repeat an update. @throws ThumbprintError `bad-input` when that is no longer stored. */
export async function receiptFile(storage: Storage, receiptId: string): Promise<ReceiptFile> {
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
  return { receipt, signals, learned: [...learnedBy(receipts, parentVersion)], parent };
}

/** An update as a file from which it can be repeated. @throws ThumbprintError as `receiptFile` does. */
export async function exportReceipt(storage: Storage, receiptId: string): Promise<ExportedFile> {
  const file = await receiptFile(storage, receiptId);
  const { receipt } = file;
  const day = new Date(receipt.createdAt).toISOString().slice(0, 10);
  const version = receipt.version === undefined ? receipt.decision : `v${receipt.version}`;
  return {
    name: `thumbprint-receipt-${day}-${version}.json`,
    content: writeReceiptFile(file),
  };
}

/** Reads the file of an update, also of one that cannot be repeated here. @throws ThumbprintError `bad-file`. */
export async function openReceipt(
  { runtime, texts }: Pick<ModelHost, 'runtime' | 'texts'>,
  text: string,
): Promise<OpenedReceipt> {
  const file = readReceiptFile(text);
  return { receipt: file.receipt, mismatch: await mismatchOf(file, runtime, texts) };
}

/** A stored adapter as PEFT's two files. @throws ThumbprintError `bad-input` when there is none such. */
export async function exportAdapter(
  storage: Storage,
  host: ModelHost,
  version: number,
): Promise<ExportedFile[]> {
  const record = await storage.adapter(version);
  if (!record) throw new ThumbprintError('bad-input', `There is no adapter v${version}.`);
  const { identity } = host;
  const { safetensors, adapterConfig } = writeAdapter(
    await adapterOf(host, record),
    identity.config,
    identity.name,
  );
  return [
    { name: 'adapter_model.safetensors', content: safetensors.buffer },
    { name: 'adapter_config.json', content: `${JSON.stringify(adapterConfig, null, 1)}\n` },
  ];
}

/**
 * Stores an adapter from outside as a new version, in use at once. One that was exported here has learned what the
 * version that it was has learned, so that it can be unlearned; what another has learned is not known.
 * @param files the weights, and the config unless the weights carry it.
 * @throws ThumbprintError `bad-file` or `mismatch` that lists everything that does not fit.
 */
export async function importAdapter(
  storage: Storage,
  host: Pick<ModelHost, 'identity' | 'hyperparameters'>,
  files: readonly { name: string; bytes: Uint8Array<ArrayBuffer> }[],
): Promise<Receipt & { version: number }> {
  const weights = files.find(({ name }) => name.endsWith('.safetensors'));
  if (!weights) {
    throw new ThumbprintError('bad-file', 'An adapter is a .safetensors file, with its adapter_config.json.');
  }
  const { identity } = host;
  const lora = loraOf(host.hyperparameters);
  const given = readAdapter(weights.bytes, configOf(files, weights.bytes), identity.config, identity.sha256);
  const written = (adapter: AdapterWeights): Uint8Array<ArrayBuffer> =>
    writeAdapter(adapter, identity.config, identity.name).safetensors;
  const receipts = await storage.listReceipts();
  const origin = await originOf(receipts, identity.sha256, [weights.bytes, written(given)]);
  const adapter = withRank(given, lora);
  const safetensors = written(adapter);
  return commitVersion(storage, adapter, safetensors, {
    id: newId(),
    createdAt: Date.now(),
    decision: 'imported',
    reason: `Imported from ${weights.name}. ${
      origin?.version === undefined || hasUnknownPast(receipts, origin.version)
        ? 'What it has learned is unknown here, so it cannot be unlearned.'
        : `It is v${origin.version} again, and has learned what that had.`
    }`,
    model: identity.sha256,
    parentVersion: origin?.parentVersion ?? 0,
    signalIds: origin?.signalIds ?? [],
    heldOutIds: origin?.heldOutIds ?? [],
    skipped: [],
    seed: 0,
    hyperparameters: lora,
    losses: [],
    margins: [],
    candidate: await sha256(safetensors),
    figures: [],
    seconds: 0,
  });
}

/**
 * The receipt of the version that an adapter is, by its digest.
 * @param forms its bytes as they came and as they are written here: another program may have written them anew.
 */
async function originOf(
  receipts: readonly Receipt[],
  model: string,
  forms: readonly Uint8Array<ArrayBuffer>[],
): Promise<Receipt | undefined> {
  const digests = new Set<string | undefined>(await Promise.all(forms.map((bytes) => sha256(bytes))));
  return receipts.find(
    (receipt) => receipt.version !== undefined && receipt.model === model && digests.has(receipt.candidate),
  );
}

function configOf(
  files: readonly { name: string; bytes: Uint8Array }[],
  weights: Uint8Array<ArrayBuffer>,
): unknown {
  const config = files.find(({ name }) => name.endsWith('.json'));
  if (!config) return configWithin(weights);
  try {
    return JSON.parse(new TextDecoder().decode(config.bytes));
  } catch (cause) {
    throw new ThumbprintError('bad-file', `${config.name} is not JSON.`, { cause });
  }
}
