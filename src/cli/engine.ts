import { readAdapter } from '../formats/adapter';
import { type ModelIdentity, readModel } from '../formats/read-model';
import type { AdapterWeights } from '../formats/tensors';
import { Gpu } from '../gpu/device';
import { ModelRuntime } from '../model/runtime';
import { loadWeights } from '../model/weights';
import { ChatTokenizer } from '../text/tokenizer';
import { join } from 'node:path';
import { folderSource, readBytes, readJson } from './io';
import { nodeGpu } from './node-gpu';

export interface CliEngine {
  identity: ModelIdentity;
  runtime: ModelRuntime;
  tokenizer: ChatTokenizer;
  adapter: AdapterWeights | null;
}

/** Opens a model folder, and an adapter folder if one is given. */
export async function openEngine(options: {
  model: string;
  adapter?: string | undefined;
  rank?: number;
}): Promise<CliEngine> {
  const gpu = await Gpu.open(nodeGpu());
  const { identity, weights } = await loadWeights(gpu, folderSource(options.model));
  const adapter = options.adapter === undefined ? null : await readAdapterFolder(options.adapter, identity);
  return {
    identity,
    runtime: new ModelRuntime(gpu, identity, weights, Math.max(options.rank ?? 8, adapter?.rank ?? 0)),
    tokenizer: new ChatTokenizer(identity),
    adapter,
  };
}

/** Which model lies in a folder, checked as when it is opened, but without a device. */
export function modelIdentity(model: string): Promise<ModelIdentity> {
  return readModel(folderSource(model), () => undefined);
}

async function readAdapterFolder(path: string, identity: ModelIdentity): Promise<AdapterWeights> {
  const weights = await readBytes(join(path, 'adapter_model.safetensors'));
  return readAdapter(
    weights,
    await readJson(join(path, 'adapter_config.json')),
    identity.config,
    identity.sha256,
  );
}
