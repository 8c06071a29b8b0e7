import * as v from 'valibot';
import { ThumbprintError } from '../shared/errors';
import { sha256 } from '../shared/sha256';
import { readMlcConfig } from './config-file';
import { expectedTensors } from './expected-tensors';
import type { ModelConfig } from './model-config';
import type { FileSource } from './tensors';

/** All of a model but its weights. */
export interface ModelIdentity {
  name: string;
  config: ModelConfig;
  tokenizerJson: unknown;
  tokenizerConfig: unknown;
  /** Identity of the weights: what adapters are bound to. */
  sha256: string;
  bytes: number;
  parameters: number;
}

/** Bytes between two checksums of a shard: as many are in memory at a time. */
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

/** One of a tensor's arrays, as it lies in a shard: `model.norm.weight`, `lm_head.q_weight`, `lm_head.q_scale`. */
export type TensorPart = Pick<v.InferOutput<typeof Record_>, 'name' | 'shape' | 'dtype' | 'nbytes'>;

/**
 * Takes the bytes of an array from `offset` on, a multiple of 4, which are not there any more after the call. All arrays
 * have the shape and type that the config demands; no float is infinite or NaN.
 */
export type TensorSink = (part: TensorPart, offset: number, bytes: Uint8Array<ArrayBuffer>) => void;

function bad(problem: string, cause?: unknown): ThumbprintError {
  return new ThumbprintError('bad-file', `The model cannot be read: ${problem}. Load it again.`, { cause });
}

/**
 * Reads a model in MLC's layout (q4f16_1, q4f32_1) and checks all of it: sizes and shapes before the first weight,
 * checksums and numbers while the weights arrive. No more than CHUNK_BYTES of them are in memory.
 * @param onProgress bytes of weights read and to read.
 * @throws ThumbprintError `bad-file` naming file and tensor, `unsupported`, or the source's own.
 */
export async function readModel(
  source: FileSource,
  sink: TensorSink,
  onProgress?: (loadedBytes: number, totalBytes: number) => void,
): Promise<ModelIdentity> {
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
  const { parts, parameters } = expectedParts(config, shards);
  const bytes = shards.reduce((sum, shard) => sum + shard.nbytes, 0);
  const digests: string[] = [];
  let before = 0;
  for (const shard of shards) {
    const loaded = (size: number): void => onProgress?.(before + size, bytes);
    const records = parts.filter(({ file }) => file === shard);
    digests.push(...(await readShard(source, shard, records, sink, loaded)));
    before += shard.nbytes;
  }
  return {
    name,
    config,
    tokenizerJson,
    tokenizerConfig,
    sha256: await sha256(JSON.stringify(config) + digests.join('')),
    bytes,
    parameters,
  };
}

/** JSON of a file of a model. @throws ThumbprintError `bad-file`, or the source's own. */
export async function readJson(source: FileSource, path: string): Promise<unknown> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  try {
    let text = '';
    for await (const piece of source.read(path)) text += decoder.decode(piece, { stream: true });
    return JSON.parse(text + decoder.decode());
  } catch (cause) {
    if (cause instanceof ThumbprintError) throw cause;
    throw bad(`${path} is not JSON`, cause);
  }
}

type ShardFile = v.InferOutput<typeof Shard>;

/** An array that the model needs, and where it lies. */
interface PlacedPart extends TensorPart {
  file: ShardFile;
  byteOffset: number;
}

const BYTES_OF = { uint32: 4, float16: 2, float32: 4 } as const;

/** Everything that a model of this config needs, as the index places it, and how many weights that are. */
function expectedParts(
  config: ModelConfig,
  shards: readonly ShardFile[],
): { parts: PlacedPart[]; parameters: number } {
  const placed = new Map(
    shards.flatMap((file) => file.records.map((record) => [record.name, { ...record, file }] as const)),
  );
  const find = (name: string, shape: number[], dtypes: TensorPart['dtype'][]): PlacedPart => {
    const part = placed.get(name);
    if (!part) throw bad(`${name} is missing in tensor-cache.json`);
    const { dataPath, nbytes } = part.file;
    const what = `${name} in ${dataPath}`;
    if (part.shape.join() !== shape.join()) {
      throw bad(`${what} has shape [${part.shape.join(', ')}] instead of [${shape.join(', ')}]`);
    }
    if (!dtypes.includes(part.dtype)) throw bad(`${what} is ${part.dtype} instead of ${dtypes.join(' or ')}`);
    const expected = shape.reduce((product, n) => product * n, BYTES_OF[part.dtype]);
    if (part.nbytes !== expected) throw bad(`${what} has ${part.nbytes} bytes instead of ${expected}`);
    if (part.byteOffset % 4 !== 0) throw bad(`${what} does not begin at a multiple of 4 bytes`);
    if (part.byteOffset + part.nbytes > nbytes) throw bad(`${name} lies outside ${dataPath}`);
    return part;
  };
  const floats: TensorPart['dtype'][] = ['float16', 'float32'];
  let parameters = 0;
  const parts = expectedTensors(config).flatMap((expected) => {
    const { name } = expected;
    if (expected.kind === 'float') {
      parameters += expected.size;
      return [find(`${name}.weight`, [expected.size], floats)];
    }
    const { rows, columns } = expected;
    parameters += rows * columns;
    return [
      find(`${name}.q_weight`, [rows, columns / 8], ['uint32']),
      find(`${name}.q_scale`, [rows, columns / 32], floats),
    ];
  });
  return { parts, parameters };
}

/** Hands a shard's parts on, each chunk as soon as it is checked. @returns the chunks' digests. */
async function readShard(
  source: FileSource,
  shard: ShardFile,
  parts: readonly PlacedPart[],
  sink: TensorSink,
  onBytes: (loaded: number) => void,
): Promise<string[]> {
  const { dataPath, nbytes } = shard;
  const digests: string[] = [];
  const chunk = new Uint8Array(Math.min(nbytes, CHUNK_BYTES));
  let start = 0;
  let filled = 0;
  const flush = async (): Promise<void> => {
    const bytes = chunk.subarray(0, filled);
    const digest = await sha256(bytes);
    if (shard.sha256 && shard.sha256[digests.length] !== digest) {
      throw bad(`${dataPath} does not match its sha-256 from byte ${start} on`);
    }
    digests.push(digest);
    for (const part of parts) {
      const from = Math.max(part.byteOffset, start);
      const to = Math.min(part.byteOffset + part.nbytes, start + filled);
      if (from >= to) continue;
      const piece = bytes.subarray(from - start, to - start);
      checkNumbers(part, piece);
      sink(part, from - part.byteOffset, piece);
    }
    start += filled;
    filled = 0;
  };
  for await (const piece of source.read(dataPath)) {
    if (start + filled + piece.byteLength > nbytes) throw bad(`${dataPath} has more than ${nbytes} bytes`);
    for (let at = 0; at < piece.byteLength;) {
      const taken = piece.subarray(at, at + chunk.byteLength - filled);
      chunk.set(taken, filled);
      filled += taken.byteLength;
      at += taken.byteLength;
      if (filled === chunk.byteLength) await flush();
    }
    onBytes(start + filled);
  }
  if (start + filled < nbytes) throw bad(`${dataPath} has ${start + filled} bytes instead of ${nbytes}`);
  if (filled > 0) await flush();
  return digests;
}

function checkNumbers({ name, dtype, file }: PlacedPart, bytes: Uint8Array<ArrayBuffer>): void {
  if (dtype === 'uint32') return;
  const { buffer, byteOffset, byteLength } = bytes;
  const finite =
    dtype === 'float32'
      ? new Float32Array(buffer, byteOffset, byteLength / 4).every(Number.isFinite)
      : new Uint16Array(buffer, byteOffset, byteLength / 2).every((bits) => (bits & 0x7c00) !== 0x7c00);
  if (!finite) throw bad(`${name} in ${file.dataPath} holds what is not a finite number`);
}
