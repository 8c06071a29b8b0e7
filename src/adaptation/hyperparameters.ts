import * as v from 'valibot';
import { ThumbprintError } from '../shared/errors';
import type { Hyperparameters } from '../training/types';

const FILE = 'hyperparameters.json';

const Amount = v.pipe(v.number(), v.finite(), v.minValue(0));
const Share = v.pipe(Amount, v.maxValue(1));
const Count = v.pipe(Amount, v.integer());
const AtLeastOne = v.pipe(Count, v.minValue(1));

const Schema: v.GenericSchema<unknown, Hyperparameters> = v.strictObject({
  rank: v.pipe(AtLeastOne, v.maxValue(256)),
  learning_rate: Amount,
  layer_decay: Share,
  steps: AtLeastOne,
  batch_size: AtLeastOne,
  beta: Amount,
  label_smoothing: Share,
  sft_weight: Amount,
  weight_decay: Amount,
  max_grad_norm: Amount,
  ema_decay: v.pipe(Share, v.ltValue(1)),
  rehearsal: Count,
  rehearsal_weight: Amount,
  baseline: Amount,
  margin_stop: Amount,
  kl_stop: Amount,
});

/**
 * How a model learns best, as `bench search` found it: `hyperparameters.json` of its folder.
 * @param read one file of the model's folder as JSON.
 * @throws ThumbprintError `bad-file` naming the field, or the reader's own.
 */
export async function readHyperparameters(
  read: (file: string) => Promise<unknown>,
): Promise<Hyperparameters> {
  const parsed = v.safeParse(Schema, await read(FILE));
  if (parsed.success) return parsed.output;
  const [issue] = parsed.issues;
  const field = v.getDotPath(issue);
  throw new ThumbprintError(
    'bad-file',
    `${FILE}${field === null ? '' : `, ${field}`}: ${issue.message}. Load the model again.`,
  );
}

/** The file of it. */
export function hyperparametersFile(hyperparameters: Hyperparameters): Record<string, string> {
  return { [FILE]: `${JSON.stringify(hyperparameters, null, 1)}\n` };
}
