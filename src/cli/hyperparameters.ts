import { DEFAULT_HYPERPARAMETERS, type Hyperparameters } from '../training/types';

/** Options of every command that trains. */
export const HYPERPARAMETER_OPTIONS = {
  steps: 'number',
  lr: 'number',
  beta: 'number',
  'sft-weight': 'number',
  'batch-size': 'number',
  rehearsal: 'number',
} as const;

type HyperparameterOptions = Record<keyof typeof HYPERPARAMETER_OPTIONS, number | undefined>;

/** The defaults, but for what the command line says. */
export function hyperparametersOf(options: HyperparameterOptions): Hyperparameters {
  const defaults = DEFAULT_HYPERPARAMETERS;
  return {
    ...defaults,
    steps: options.steps ?? defaults.steps,
    learning_rate: options.lr ?? defaults.learning_rate,
    beta: options.beta ?? defaults.beta,
    sft_weight: options['sft-weight'] ?? defaults.sft_weight,
    batch_size: options['batch-size'] ?? defaults.batch_size,
    rehearsal: options.rehearsal ?? defaults.rehearsal,
  };
}
