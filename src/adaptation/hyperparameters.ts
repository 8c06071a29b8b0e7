import * as v from 'valibot';
import { HYPERPARAMETERS } from '../formats/hyperparameters';
import { ThumbprintError } from '../shared/errors';
import type { Hyperparameters } from '../training/types';

const FILE = 'hyperparameters.json';

const Schema: v.GenericSchema<unknown, Hyperparameters> = v.strictObject(HYPERPARAMETERS);

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
