import { readHyperparameters } from '../adaptation/hyperparameters';
import { type ModelTexts, readModelTexts } from '../adaptation/texts';
import { readStoredAdapter } from '../formats/adapter';
import { type ModelIdentity, readJson } from '../formats/read-model';
import type { AdapterWeights, FileSource } from '../formats/tensors';
import { Generator } from '../generation/generator';
import { deviceName, Gpu } from '../gpu/device';
import { AdapterSlot } from '../model/lora';
import { ModelRuntime } from '../model/runtime';
import { loadWeights } from '../model/weights';
import type { LoadingProgress, Snapshot } from '../protocol/protocol';
import { ThumbprintError } from '../shared/errors';
import type { AdapterRecord } from '../shared/records';
import { sha256 } from '../shared/sha256';
import { ChatTokenizer } from '../text/tokenizer';
import type { Hyperparameters } from '../training/types';
import type { Storage } from '../storage/database';
import { useFastestForms } from './forms';

/** The model in use: loaded, compiled, with the adapter that chat uses. */
export interface ModelHost {
  gpu: Gpu;
  identity: ModelIdentity;
  runtime: ModelRuntime;
  tokenizer: ChatTokenizer;
  generator: Generator;
  /** The adapter of chat. */
  slot: AdapterSlot;
  texts: ModelTexts;
  hyperparameters: Hyperparameters;
}

/**
 * Opens the device, loads the model and compiles what chat needs.
 * @throws ThumbprintError `no-webgpu`, `network`, `bad-file`, `out-of-memory`.
 */
export async function openModel(
  webgpu: GPU | undefined,
  {
    source,
    storage,
  }: { source: FileSource; storage: Pick<Storage, 'loadDevice' | 'saveDevice' | 'listAdapters'> },
  onProgress: (progress: LoadingProgress) => void,
): Promise<ModelHost> {
  let loaded = { loadedBytes: 0, totalBytes: 0 };
  const stage = (name: LoadingProgress['stage']): void => onProgress({ stage: name, ...loaded });
  stage('device');
  const gpu = await Gpu.open(webgpu);
  stage('download');
  const { identity, weights } = await loadWeights(gpu, source, (loadedBytes, totalBytes) => {
    loaded = { loadedBytes, totalBytes };
    stage('download');
  });
  const tokenizer = new ChatTokenizer(identity);
  const read = (file: string): Promise<unknown> => readJson(source, file);
  const [texts, hyperparameters] = await Promise.all([
    readModelTexts(read, tokenizer),
    readHyperparameters(read),
  ]);
  // Earlier versions may have another rank than the next one.
  const ranks = (await storage.listAdapters()).map((adapter) => adapter.rank);
  const runtime = new ModelRuntime(gpu, identity, weights, Math.max(hyperparameters.rank, ...ranks));
  const slot = new AdapterSlot(gpu, runtime.layout, 'chat');
  slot.load(null);
  stage('compile');
  // Software devices are known: `bench forms`.
  if (!gpu.info.software) await useFastestForms(runtime, storage);
  const generator = await Generator.create(runtime, slot);
  return { gpu, identity, runtime, tokenizer, generator, slot, texts, hyperparameters };
}

/** A stored adapter, checked. @throws ThumbprintError `bad-file` or `mismatch`. */
export async function adapterOf(host: ModelHost, record: AdapterRecord): Promise<AdapterWeights> {
  if ((await sha256(new Uint8Array(record.bytes))) !== record.sha256) {
    throw new ThumbprintError(
      'bad-file',
      `Adapter v${record.version} is damaged on disk. Choose an earlier version.`,
    );
  }
  return readStoredAdapter(record, host.identity.config, host.identity.sha256);
}

/** What the page shows of model and device. */
export function describe({ identity, gpu }: ModelHost): Pick<Snapshot, 'model' | 'device'> {
  return {
    model: {
      name: identity.name,
      sha256: identity.sha256,
      parameters: identity.parameters,
      bytes: identity.bytes,
      contextLength: identity.config.context_window_size,
    },
    device: { description: deviceName(gpu.info), features: gpu.info.features },
  };
}
