import { ThumbprintError } from '../shared/errors';
import { sha256 } from '../shared/sha256';
import { writeMlcConfig } from './config-file';
import { expectedTensors } from './expected-tensors';
import { CHUNK_BYTES } from './read-model';
import type { ModelConfig } from './model-config';
import { dequantizeInt4, quantizeInt4 } from './quantize';
import type { SafeTensors } from './safetensors';
import type { FloatTensor, ModelTensor } from './tensors';

/** Files of a model folder by name. */
export type Files = Map<string, Uint8Array<ArrayBuffer>>;

export interface QuantizationReport {
  tensors: number;
  bytes: number;
  /** Root of Σ(error²) / Σ(weight²) over all int4 matrices. */
  relative_rms_error: number;
  worst: { name: string; relative_rms_error: number };
}

/** Largest shard that is written. */
const SHARD_BYTES = 32 * 2 ** 20;

/**
 * Quantizes a hub model to MLC's layout.
 * @param md5 MLC's own field; a function because browsers have none.
 * @throws ThumbprintError `bad-file` naming a tensor that is missing or of another shape.
 */
export async function quantizeModel(
  name: string,
  config: ModelConfig,
  weights: SafeTensors,
  options: { scaleDtype: 'f16' | 'f32'; md5: (data: Uint8Array) => string },
): Promise<{ files: Files; report: QuantizationReport }> {
  const tensors = new Map<string, ModelTensor>();
  let error = 0;
  let power = 0;
  let worst = { name: '', relative_rms_error: -1 };
  for (const expected of expectedTensors(config)) {
    if (expected.kind === 'float') {
      tensors.set(expected.name, take(weights, expected.name, [expected.size]));
      continue;
    }
    const rows = expected.parts.map((part) => take(weights, part, null));
    const stacked = stack(expected.name, rows, expected.rows, expected.columns);
    const matrix = quantizeInt4(expected.name, stacked, options.scaleDtype);
    tensors.set(expected.name, matrix);
    const own = squaredError(stacked.data, dequantizeInt4(matrix));
    error += own.error;
    power += own.power;
    const relative = relativeError(own.error, own.power);
    if (relative > worst.relative_rms_error) worst = { name: expected.name, relative_rms_error: relative };
  }
  const files = await layOut(tensors, options.md5);
  const quantization = options.scaleDtype === 'f16' ? 'q4f16_1' : 'q4f32_1';
  files.set('mlc-chat-config.json', json(writeMlcConfig(name, config, quantization)));
  let bytes = 0;
  for (const [path, data] of files) if (path.endsWith('.bin')) bytes += data.byteLength;
  return {
    files,
    report: { tensors: tensors.size, bytes, relative_rms_error: relativeError(error, power), worst },
  };
}

function take(weights: SafeTensors, name: string, shape: number[] | null): FloatTensor {
  const tensor = weights.read(`${name}.weight`);
  if (shape && tensor.shape.join() !== shape.join()) {
    throw new ThumbprintError(
      'bad-file',
      `${name} has shape [${tensor.shape.join(', ')}], not [${shape.join(', ')}].`,
    );
  }
  if (!tensor.data.every(Number.isFinite)) {
    throw new ThumbprintError(
      'bad-file',
      `${name} holds a weight that is not a finite number; the file is damaged.`,
    );
  }
  return tensor;
}

function stack(name: string, parts: FloatTensor[], rows: number, columns: number): FloatTensor {
  const found = parts.reduce((sum, part) => sum + (part.shape[0] ?? 0), 0);
  if (found !== rows || parts.some((part) => part.shape.length !== 2 || part.shape[1] !== columns)) {
    throw new ThumbprintError('bad-file', `${name} has other shapes than config.json says.`);
  }
  const data = new Float32Array(rows * columns);
  let at = 0;
  for (const part of parts) {
    data.set(part.data, at);
    at += part.data.length;
  }
  return { kind: 'float', shape: [rows, columns], data };
}

function squaredError(exact: Float32Array, approximate: Float32Array): { error: number; power: number } {
  let error = 0;
  let power = 0;
  for (let i = 0; i < exact.length; i++) {
    error += ((exact[i] ?? 0) - (approximate[i] ?? 0)) ** 2;
    power += (exact[i] ?? 0) ** 2;
  }
  return { error, power };
}

/** Root of error² over weight²; a matrix of zeros has none. */
function relativeError(error: number, power: number): number {
  return power === 0 ? 0 : Math.sqrt(error / power);
}

/** Tensors laid out in shards, with their index. */
async function layOut(
  tensors: ReadonlyMap<string, ModelTensor>,
  md5: (data: Uint8Array) => string,
): Promise<Files> {
  const files: Files = new Map();
  const index: unknown[] = [];
  let records: { name: string; shape: number[]; dtype: string; data: Uint8Array }[] = [];
  const flush = async (): Promise<void> => {
    const size = records.reduce((sum, record) => sum + record.data.byteLength, 0);
    const shard = new Uint8Array(size);
    let at = 0;
    const entries = records.map(({ name, shape, dtype, data }) => {
      shard.set(data, at);
      at += data.byteLength;
      return { name, shape, dtype, format: 'raw', byteOffset: at - data.byteLength, nbytes: data.byteLength };
    });
    const dataPath = `params_shard_${index.length}.bin`;
    const digests: string[] = [];
    for (let from = 0; from < size; from += CHUNK_BYTES)
      digests.push(await sha256(shard.subarray(from, from + CHUNK_BYTES)));
    index.push({
      dataPath,
      format: 'raw-shard',
      nbytes: size,
      md5sum: md5(shard),
      sha256: digests,
      records: entries,
    });
    files.set(dataPath, shard);
    records = [];
  };
  for (const record of [...tensors].flatMap(([name, tensor]) => recordsOf(name, tensor))) {
    const size = records.reduce((sum, { data }) => sum + data.byteLength, 0);
    if (records.length > 0 && size + record.data.byteLength > SHARD_BYTES) await flush();
    records.push(record);
  }
  await flush();
  files.set('tensor-cache.json', json({ metadata: { ParamSize: tensors.size }, records: index }));
  return files;
}

function recordsOf(
  name: string,
  tensor: ModelTensor,
): { name: string; shape: number[]; dtype: string; data: Uint8Array }[] {
  const bytes = (view: ArrayBufferView): Uint8Array =>
    new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
  if (tensor.kind === 'float') {
    return [{ name: `${name}.weight`, shape: tensor.shape, dtype: 'float32', data: bytes(tensor.data) }];
  }
  const { rows, columns, weight, scale } = tensor;
  const dtype = scale instanceof Uint16Array ? 'float16' : 'float32';
  return [
    { name: `${name}.q_weight`, shape: [rows, columns / 8], dtype: 'uint32', data: bytes(weight) },
    { name: `${name}.q_scale`, shape: [rows, columns / 32], dtype, data: bytes(scale) },
  ];
}

function json(value: unknown): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(`${JSON.stringify(value, null, 1)}\n`);
}
