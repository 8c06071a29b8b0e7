/** What one signal becomes once its text is tokenized. Ids of replies include the token that ends the turn, unless they were cut off. */
export type TrainingExample = {
  id: string;
  /** Factor of its loss; 1 when absent. */
  weight?: number;
} & (
  | {
      kind: 'pair';
      prompt: number[];
      chosen: number[];
      rejected: number[];
      /** The base model's log-probabilities. */
      reference?: { chosen: number; rejected: number };
    }
  | { kind: 'thumb'; prompt: number[]; reply: number[]; up: boolean; reference?: number }
  /** Text to be learned as it is: an own document, or what must not be forgotten. */
  | { kind: 'text'; prompt: number[]; reply: number[] }
);

/** An example that says what the user likes. */
export type Judgement = Exclude<TrainingExample, { kind: 'text' }>;

export interface Hyperparameters {
  /** Of a new adapter. */
  rank: number;
  learning_rate: number;
  /**
   * Factor of the learning rate from each layer to the one below: what lies low is shared by all that the model knows.
   * Layers left with less than a tenth are not trained, which spares their backward pass.
   */
  layer_decay: number;
  steps: number;
  /** Examples a step. */
  batch_size: number;
  beta: number;
  label_smoothing: number;
  sft_weight: number;
  weight_decay: number;
  max_grad_norm: number;
  /** Of the moving average of the steps, which is what an update comes to; 0 takes the last step. */
  ema_decay: number;
  /** Texts of the model's own training in each step, against forgetting, and how much each counts. */
  rehearsal: number;
  rehearsal_weight: number;
  /** KTO's z0 for lone thumbs; 0 is APO-zero. */
  baseline: number;
  /** Stops early once the mean margin of a step passes it. */
  margin_stop: number;
  /** Stops early once the predictions of the judged replies lie further from the base model's, in nats a token. */
  kl_stop: number;
}

const LEAST_RATE = 0.1;

/** The lowest layer that is trained, counted from 0. */
export function lowestTrained(layers: number, layerDecay: number): number {
  let trained = 1;
  while (trained < layers && layerDecay ** trained >= LEAST_RATE) trained++;
  return layers - trained;
}

/** Chosen on the personalization bench: tests/bench/evidence/personalize.md. */
export const DEFAULT_HYPERPARAMETERS: Hyperparameters = {
  rank: 8,
  learning_rate: 2.25e-3,
  layer_decay: 0.55,
  steps: 40,
  batch_size: 4,
  beta: 0.03,
  label_smoothing: 0,
  sft_weight: 0.5,
  weight_decay: 0.01,
  max_grad_norm: 1,
  ema_decay: 0.85,
  rehearsal: 4,
  rehearsal_weight: 1,
  baseline: 0,
  margin_stop: 4,
  kl_stop: 0.25,
};

/** Rank and scale of a new adapter. */
export function loraOf({ rank }: Pick<Hyperparameters, 'rank'>): { rank: number; lora_alpha: number } {
  return { rank, lora_alpha: 2 * rank };
}

export const DEFAULT_LORA = loraOf(DEFAULT_HYPERPARAMETERS);

/** The optimizer between two steps; everything f32 in the order of the LoRA arena. */
export interface TrainerState {
  step: number;
  parameters: ArrayBuffer;
  firstMoments: ArrayBuffer;
  secondMoments: ArrayBuffer;
  /** Absent where it was saved before there were any. */
  averages?: ArrayBuffer;
}

export interface StepResult {
  /** Mean over the step's examples. */
  loss: number;
  margin: number;
  /** By how many nats a token the step's liked replies are likelier than under the base model; 0 where it has none. */
  chosen: number;
  /** Most tokens of the step's micro-batches: with them it can be repeated bit for bit. */
  rows: number;
  /** Before clipping. */
  gradNorm: number;
}
