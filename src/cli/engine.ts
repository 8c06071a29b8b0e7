import { readAdapter } from '../formats/adapter';
import { loadModelFolder, type ModelFolder } from '../formats/model-folder';
import type { AdapterWeights } from '../formats/tensors';
import { Gpu } from '../gpu/device';
import { ModelRuntime } from '../model/runtime';
import { ChatTokenizer } from '../text/tokenizer';
import { join } from 'node:path';
import { folderSource, readBytes, readJson } from './io';
import { nodeGpu } from './node-gpu';

export interface CliEngine {
  folder: ModelFolder;
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
  const folder = await loadModelFolder(folderSource(options.model));
  const adapter = options.adapter === undefined ? null : await readAdapterFolder(options.adapter, folder);
  const gpu = await Gpu.open(nodeGpu());
  return {
    folder,
    runtime: new ModelRuntime(gpu, folder, Math.max(options.rank ?? 8, adapter?.rank ?? 0)),
    tokenizer: new ChatTokenizer(folder.tokenizerJson, folder.tokenizerConfig, folder.config.stop_token_ids),
    adapter,
  };
}

async function readAdapterFolder(path: string, folder: ModelFolder): Promise<AdapterWeights> {
  const weights = await readBytes(join(path, 'adapter_model.safetensors'));
  return readAdapter(
    weights,
    await readJson(join(path, 'adapter_config.json')),
    folder.config,
    folder.sha256,
  );
}
