import { join } from 'node:path';
import * as v from 'valibot';
import { joinSafetensors, readSafetensors, type SafeTensors } from '../formats/safetensors';
import { ThumbprintError } from '../shared/errors';
import { readBytes, readJsonIfThere } from './io';

const INDEX = 'model.safetensors.index.json';

const Index = v.object({
  weight_map: v.record(v.string(), v.pipe(v.string(), v.regex(/^[\w.-]+$/, 'must be a plain file name'))),
});

/**
 * Weights of a hub folder: `model.safetensors`, or the shards that `model.safetensors.index.json` names.
 * @throws ThumbprintError `bad-input` when a file cannot be read, `bad-file` when it is damaged.
 */
export async function readHubWeights(folder: string): Promise<SafeTensors> {
  const open = async (name: string): Promise<SafeTensors> =>
    readSafetensors(await readBytes(join(folder, name)), name);
  const json = await readJsonIfThere(join(folder, INDEX));
  if (json === undefined) return open('model.safetensors');
  const index = v.safeParse(Index, json);
  if (!index.success) throw new ThumbprintError('bad-file', `${INDEX}: ${index.issues[0].message}.`);
  const names = [...new Set(Object.values(index.output.weight_map))];
  return joinSafetensors(await Promise.all(names.map(open)));
}
