import { expectedTensors } from './expected-tensors';
import { halfToFloat } from './half';
import { type ModelIdentity, readModel } from './read-model';
import type { FileSource, ModelTensor } from './tensors';
import { required } from '../shared/assert';

/** A model in memory. */
export interface ModelFolder extends ModelIdentity {
  /** By MLC name, without `.q_weight`, `.q_scale`, `.weight`. */
  tensors: Map<string, ModelTensor>;
}

/** `readModel` into memory: for small models and for what computes on the host. */
export async function loadModelFolder(source: FileSource): Promise<ModelFolder> {
  const arrays = new Map<string, { dtype: string; bytes: Uint8Array<ArrayBuffer> }>();
  const model = await readModel(source, ({ name, dtype, nbytes }, offset, bytes) => {
    const array = arrays.get(name) ?? { dtype, bytes: new Uint8Array(nbytes) };
    arrays.set(name, array);
    array.bytes.set(bytes, offset);
  });
  const words = (name: string): Uint32Array<ArrayBuffer> =>
    new Uint32Array(required(arrays.get(name), name).bytes.buffer);
  const floats = (name: string): Uint16Array<ArrayBuffer> | Float32Array<ArrayBuffer> => {
    const { dtype, bytes } = required(arrays.get(name), name);
    return dtype === 'float16' ? new Uint16Array(bytes.buffer) : new Float32Array(bytes.buffer);
  };
  const tensors = expectedTensors(model.config).map((expected): [string, ModelTensor] => {
    const { name } = expected;
    if (expected.kind === 'float') {
      const data = floats(`${name}.weight`);
      const wide = data instanceof Uint16Array ? Float32Array.from(data, halfToFloat) : data;
      return [name, { kind: 'float', shape: [expected.size], data: wide }];
    }
    const { rows, columns } = expected;
    const [weight, scale] = [words(`${name}.q_weight`), floats(`${name}.q_scale`)];
    return [name, { kind: 'int4', rows, columns, weight, scale }];
  });
  return { ...model, tensors: new Map(tensors) };
}
