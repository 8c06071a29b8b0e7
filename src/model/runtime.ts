import type { ModelFolder } from '../formats/model-folder';
import type { Gpu } from '../gpu/device';
import { PipelineCache } from '../gpu/program';
import { LoraLayout } from './lora';
import { type ModelWeights, uploadWeights } from './weights';

/** A model on the device: what generation, scoring and training share. */
export class ModelRuntime {
  readonly gpu: Gpu;
  readonly pipelines: PipelineCache;
  readonly weights: ModelWeights;
  readonly layout: LoraLayout;
  readonly name: string;
  /** Identity of the weights: what adapters are bound to. */
  readonly sha256: string;

  /** @param rank largest rank of an adapter. */
  constructor(gpu: Gpu, folder: ModelFolder, rank: number) {
    this.gpu = gpu;
    this.pipelines = new PipelineCache(gpu);
    this.weights = uploadWeights(gpu, folder);
    this.layout = new LoraLayout(folder.config, rank);
    this.name = folder.name;
    this.sha256 = folder.sha256;
  }

  get config(): ModelFolder['config'] {
    return this.weights.config;
  }

  destroy(): void {
    this.weights.memory.destroy();
  }
}
