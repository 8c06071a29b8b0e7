import * as v from 'valibot';
import type { Forms } from '../gpu/device';
import type { ModelRuntime } from '../model/runtime';
import { fastest, formsKey, measureForms } from '../model/tuning';
import type { Storage } from '../storage/database';

const Tile = v.object({
  lanes: v.picklist([1, 4, 8]),
  exact: v.boolean(),
  rows: v.picklist([4, 16]),
  tiled: v.boolean(),
  attention: v.picklist([8, 32]),
  split: v.picklist([1, 8, 32]),
});
const Products = v.object({ batch: Tile, row: Tile });
const Stored: v.GenericSchema<unknown, Forms> = v.object({
  ...Products.entries,
  shapes: v.record(v.string(), Products),
});

/** Lets products run as they are fastest on this device: as measured before, or as measured now, which takes a moment. */
export async function useFastestForms(
  runtime: ModelRuntime,
  storage: Pick<Storage, 'loadDevice' | 'saveDevice'>,
): Promise<void> {
  const { gpu } = runtime;
  const key = await formsKey(runtime);
  const stored = await storage.loadDevice();
  const known = v.safeParse(Stored, stored?.key === key ? stored.forms : undefined);
  if (known.success) {
    gpu.forms = known.output;
    return;
  }
  gpu.forms = fastest(await measureForms(runtime));
  await storage.saveDevice({ key, forms: gpu.forms });
}
