import { join } from 'node:path';
import { readHyperparameters } from '../adaptation/hyperparameters';
import { DEFAULT_HYPERPARAMETERS, type Hyperparameters } from '../training/types';
import { readJsonIfThere } from './io';

/** Options of every command that trains. */
export const HYPERPARAMETER_OPTIONS = {
  rank: 'number',
  steps: 'number',
  lr: 'number',
  beta: 'number',
  'sft-weight': 'number',
  'batch-size': 'number',
  rehearsal: 'number',
  'rehearsal-weight': 'number',
  'layer-decay': 'number',
  'label-smoothing': 'number',
  'margin-stop': 'number',
  'kl-stop': 'number',
  'ema-decay': 'number',
} as const;

type HyperparameterOptions = Record<keyof typeof HYPERPARAMETER_OPTIONS, number | undefined>;

/** A model folder's, or the defaults where it says nothing. */
export function modelHyperparameters(model: string): Promise<Hyperparameters> {
  return readHyperparameters(
    async (file) => (await readJsonIfThere(join(model, file))) ?? DEFAULT_HYPERPARAMETERS,
  );
}

/** The model's, but for what the command line says. */
export async function hyperparametersOf(
  model: string,
  options: HyperparameterOptions,
): Promise<Hyperparameters> {
  const own = await modelHyperparameters(model);
  return {
    ...own,
    rank: options.rank ?? own.rank,
    steps: options.steps ?? own.steps,
    learning_rate: options.lr ?? own.learning_rate,
    beta: options.beta ?? own.beta,
    sft_weight: options['sft-weight'] ?? own.sft_weight,
    batch_size: options['batch-size'] ?? own.batch_size,
    rehearsal: options.rehearsal ?? own.rehearsal,
    rehearsal_weight: options['rehearsal-weight'] ?? own.rehearsal_weight,
    layer_decay: options['layer-decay'] ?? own.layer_decay,
    label_smoothing: options['label-smoothing'] ?? own.label_smoothing,
    margin_stop: options['margin-stop'] ?? own.margin_stop,
    kl_stop: options['kl-stop'] ?? own.kl_stop,
    ema_decay: options['ema-decay'] ?? own.ema_decay,
  };
}
