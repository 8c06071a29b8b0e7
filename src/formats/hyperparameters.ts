import * as v from 'valibot';

const Amount = v.pipe(v.number(), v.finite(), v.minValue(0));
const Share = v.pipe(Amount, v.maxValue(1));
/** More than these is an update that never ends or that no device has room for: a damaged file, or a wicked one. */
const MOST_STEPS = 10_000;
const MOST_EXAMPLES = 1024;
const MOST_RANK = 256;
const count = (least: number, most: number) =>
  v.pipe(v.number(), v.integer(), v.minValue(least), v.maxValue(most));

/** What each hyperparameter of an update may be, by its name in files. */
export const HYPERPARAMETERS = {
  rank: count(1, MOST_RANK),
  learning_rate: Amount,
  layer_decay: Share,
  steps: count(1, MOST_STEPS),
  batch_size: count(1, MOST_EXAMPLES),
  beta: Amount,
  label_smoothing: Share,
  sft_weight: Amount,
  weight_decay: Amount,
  max_grad_norm: Amount,
  ema_decay: v.pipe(Share, v.ltValue(1)),
  rehearsal: count(0, MOST_EXAMPLES),
  rehearsal_weight: Amount,
  baseline: Amount,
  margin_stop: Amount,
  kl_stop: Amount,
};

const recorded: Readonly<Record<string, v.GenericSchema<unknown, number>>> = {
  ...HYPERPARAMETERS,
  lora_alpha: Amount,
};

/** Whether a hyperparameter that a receipt names is one that this version knows. */
export function isHyperparameter(name: string): boolean {
  return Object.hasOwn(recorded, name);
}

/**
 * Those of a receipt. One from before a hyperparameter was invented lacks it; one of a later version may have others,
 * which can be read but not repeated.
 */
export const RecordedHyperparameters = v.objectWithRest(
  Object.fromEntries(Object.entries(recorded).map(([name, schema]) => [name, v.exactOptional(schema)])),
  v.pipe(v.number(), v.finite()),
);
