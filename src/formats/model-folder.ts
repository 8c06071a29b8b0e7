import * as v from 'valibot';
import { ThumbprintError } from '../shared/errors';
import { sha256 } from '../shared/sha256';
import { readMlcConfig } from './config-file';
import { type ExpectedTensor, expectedTensors } from './expected-tensors';
import { halfToFloat } from './half';
import type { ModelConfig } from './model-config';
import type { FileSource, ModelTensor } from './tensors';

/** A model in memory. */
export interface ModelFolder {
  name: string;
  config: ModelConfig;
  /** By MLC name, without `.q_weight`, `.q_scale`, `.weight`. */
  tensors: Map<string, ModelTensor>;
  tokenizerJson: unknown;
  tokenizerConfig: unknown;
  /** Identity of the weights: what adapters are bound to. */
  sha256: string;
  bytes: number;
  parameters: number;
}

/** Bytes between two checksums of a shard. */
export const CHUNK_BYTES = 16 * 2 ** 20;

const count = v.pipe(v.number(), v.integer(), v.minValue(0));

const Record_ = v.object({
  name: v.string(),
  shape: v.pipe(v.array(count), v.minLength(1), v.maxLength(2)),
  dtype: v.picklist(['uint32', 'float16', 'float32']),
  byteOffset: count,
  nbytes: count,
});

const Shard = v.object({
  dataPath: v.pipe(v.string(), v.regex(/^[\w.-]+$/, 'must be a plain file name')),
  nbytes: v.pipe(count, v.maxValue(2 ** 32)),
  /** Of each chunk of 16 MiB; MLC's own files have none. */
  sha256: v.optional(v.array(v.string())),
  records: v.array(Record_),
});

const TensorCache = v.object({ records: v.array(Shard) });

type TensorRecord = v.InferOutput<typeof Record_>;

function bad(problem: string, cause?: unknown): ThumbprintError {
  return new ThumbprintError('bad-file', `The model cannot be read: ${problem}. Load it again.`, { cause });
}

/**
 * Reads a model in MLC's layout (q4f16_1, q4f32_1) and checks all of it: sizes, shapes, checksums, scales.
 * @param onProgress bytes of weights read and to read.
 * @throws ThumbprintError `bad-file` naming file and tensor, `unsupported`, or the source's own.
 */
export async function loadModelFolder(
  source: FileSource,
  onProgress?: (loadedBytes: number, totalBytes: number) => void,
): Promise<ModelFolder> {
  const [configJson, cacheJson, tokenizerJson, tokenizerConfig] = await Promise.all(
    ['mlc-chat-config.json', 'tensor-cache.json', 'tokenizer.json', 'tokenizer_config.json'].map((path) =>
      readJson(source, path),
    ),
  );
  const { name, config } = readMlcConfig(configJson);
  const cache = v.safeParse(TensorCache, cacheJson);
  if (!cache.success) {
    const [issue] = cache.issues;
    throw bad(`tensor-cache.json: ${v.getDotPath(issue) ?? ''} ${issue.message}`);
  }
  const shards = cache.output.records;
  const bytes = shards.reduce((sum, shard) => sum + shard.nbytes, 0);
  const raw = new Map<string, RawTensor>();
  const digests: string[] = [];
  let before = 0;
  for (const shard of shards) {
    const data = await source.read(shard.dataPath, (loaded) => onProgress?.(before + loaded, bytes));
    digests.push(...(await checkShard(shard, data)));
    before += shard.nbytes;
    onProgress?.(before, bytes);
    for (const record of shard.records) {
      if (record.byteOffset + record.nbytes > data.byteLength)
        throw bad(`${record.name} lies outside ${shard.dataPath}`);
      raw.set(record.name, {
        record,
        file: shard.dataPath,
        data: data.subarray(record.byteOffset, record.byteOffset + record.nbytes),
      });
    }
  }
  const tensors = new Map(
    expectedTensors(config).map((expected) => [expected.name, assemble(expected, raw)]),
  );
  let parameters = 0;
  for (const tensor of tensors.values()) {
    parameters += tensor.kind === 'int4' ? tensor.rows * tensor.columns : tensor.data.length;
  }
  return {
    name,
    config,
    tensors,
    tokenizerJson,
    tokenizerConfig,
    sha256: await sha256(JSON.stringify(config) + digests.join('')),
    bytes,
    parameters,
  };
}

/** JSON of a file of a model. @throws ThumbprintError `bad-file`, or the source's own. */
export async function readJson(source: FileSource, path: string): Promise<unknown> {
  const bytes = await source.read(path);
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw bad(`${path} is not JSON`, cause);
  }
}

async function checkShard(
  shard: v.InferOutput<typeof Shard>,
  data: Uint8Array<ArrayBuffer>,
): Promise<string[]> {
  if (data.byteLength !== shard.nbytes) {
    throw bad(`${shard.dataPath} has ${data.byteLength} bytes instead of ${shard.nbytes}`);
  }
  const digests: string[] = [];
  for (let at = 0; at < data.byteLength; at += CHUNK_BYTES) {
    const digest = await sha256(data.subarray(at, at + CHUNK_BYTES));
    if (shard.sha256 && shard.sha256[digests.length] !== digest) {
      throw bad(`${shard.dataPath} does not match its sha-256 from byte ${at} on`);
    }
    digests.push(digest);
  }
  return digests;
}

/** A tensor as it lies in a shard. */
interface RawTensor {
  record: TensorRecord;
  /** The shard, for messages. */
  file: string;
  data: Uint8Array<ArrayBuffer>;
}

type Raw = ReadonlyMap<string, RawTensor>;

/** The tensor, with shape and type as the model's config demands. */
function assemble(expected: ExpectedTensor, raw: Raw): ModelTensor {
  if (expected.kind === 'float') {
    const found = find(raw, `${expected.name}.weight`, [expected.size], ['float16', 'float32']);
    const data = floats(found.record, found.data);
    if (!data.every(Number.isFinite))
      throw bad(`${expected.name} in ${found.file} holds a weight that is not a finite number`);
    return { kind: 'float', shape: [expected.size], data };
  }
  const { name, rows, columns } = expected;
  const weight = find(raw, `${name}.q_weight`, [rows, columns / 8], ['uint32']).data;
  const { record, file, data } = find(raw, `${name}.q_scale`, [rows, columns / 32], ['float16', 'float32']);
  const scale = record.dtype === 'float16' ? new Uint16Array(copyOf(data)) : new Float32Array(copyOf(data));
  const finite =
    scale instanceof Float32Array
      ? scale.every(Number.isFinite)
      : scale.every((bits) => (bits & 0x7c00) !== 0x7c00);
  if (!finite) throw bad(`${name} in ${file} has a scale that is not a finite number`);
  return { kind: 'int4', rows, columns, weight: new Uint32Array(copyOf(weight)), scale };
}

const BYTES_OF = { uint32: 4, float16: 2, float32: 4 } as const;

function find(raw: Raw, name: string, shape: number[], dtypes: TensorRecord['dtype'][]): RawTensor {
  const found = raw.get(name);
  if (!found) throw bad(`${name} is missing in tensor-cache.json`);
  const { record, file } = found;
  const what = `${name} in ${file}`;
  if (record.shape.join() !== shape.join()) {
    throw bad(`${what} has shape [${record.shape.join(', ')}] instead of [${shape.join(', ')}]`);
  }
  if (!dtypes.includes(record.dtype))
    throw bad(`${what} is ${record.dtype} instead of ${dtypes.join(' or ')}`);
  const expected = shape.reduce((product, n) => product * n, BYTES_OF[record.dtype]);
  if (record.nbytes !== expected) throw bad(`${what} has ${record.nbytes} bytes instead of ${expected}`);
  return found;
}

function floats(record: TensorRecord, data: Uint8Array<ArrayBuffer>): Float32Array<ArrayBuffer> {
  if (record.dtype === 'float32') return new Float32Array(copyOf(data));
  return Float32Array.from(new Uint16Array(copyOf(data)), halfToFloat);
}

/** An own buffer: views into a shard may be unaligned. */
function copyOf(data: Uint8Array<ArrayBuffer>): ArrayBuffer {
  return data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength);
}
