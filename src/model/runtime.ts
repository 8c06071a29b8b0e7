import type { ModelFolder } from '../formats/model-folder';
import type { ModelIdentity } from '../formats/read-model';
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
  constructor(
    gpu: Gpu,
    { name, sha256 }: Pick<ModelIdentity, 'name' | 'sha256'>,
    weights: ModelWeights,
    rank: number,
  ) {
    this.gpu = gpu;
    this.pipelines = new PipelineCache(gpu);
    this.weights = weights;
    this.layout = new LoraLayout(weights.config, rank);
    this.name = name;
    this.sha256 = sha256;
  }

  /** Of a model in memory. */
  static of(gpu: Gpu, folder: ModelFolder, rank: number): ModelRuntime {
    return new ModelRuntime(gpu, folder, uploadWeights(gpu, folder), rank);
  }

  get config(): ModelIdentity['config'] {
    return this.weights.config;
  }

  destroy(): void {
    this.weights.memory.destroy();
  }
}
