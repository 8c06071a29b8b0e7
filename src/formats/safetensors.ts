import * as v from 'valibot';
import { ThumbprintError } from '../shared/errors';
import { bfloatToFloat, halfToFloat } from './half';
import type { FloatTensor } from './tensors';

const BYTES_OF = { F32: 4, F16: 2, BF16: 2 } as const;
type Dtype = keyof typeof BYTES_OF;

const Entry = v.strictObject({
  dtype: v.picklist(['F32', 'F16', 'BF16']),
  shape: v.pipe(v.array(v.pipe(v.number(), v.integer(), v.minValue(0))), v.maxLength(8)),
  data_offsets: v.tuple([v.pipe(v.number(), v.integer()), v.pipe(v.number(), v.integer())]),
});

/** Largest header that is read: those of the biggest public models stay below 10 MB. */
const MAX_HEADER = 64 * 2 ** 20;

/** An opened file: tensors are decoded when asked for. */
export interface SafeTensors {
  /** What the writer said of the file. */
  metadata: Record<string, string>;
  names: string[];
  shapeOf(name: string): number[] | undefined;
  /** Decoded to f32. @throws ThumbprintError `bad-file` when there is no such tensor. */
  read(name: string): FloatTensor;
}

function bad(file: string, problem: string, cause?: unknown): ThumbprintError {
  return new ThumbprintError('bad-file', `${file} is not a readable safetensors file: ${problem}.`, {
    cause,
  });
}

/**
 * Opens a safetensors file; every offset, size and shape is checked before anything is read.
 * @param file name for messages.
 * @throws ThumbprintError `bad-file`.
 */
export function readSafetensors(bytes: Uint8Array<ArrayBuffer>, file = 'The file'): SafeTensors {
  if (bytes.byteLength < 8) throw bad(file, `it has ${bytes.byteLength} bytes, a header alone needs more`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const headerSize = view.getUint32(0, true) + view.getUint32(4, true) * 2 ** 32;
  if (headerSize > Math.min(MAX_HEADER, bytes.byteLength - 8)) throw bad(file, 'its header is cut off');
  const { entries, metadata } = parseHeader(bytes.subarray(8, 8 + headerSize), file);
  const data = bytes.subarray(8 + headerSize);
  checkExtents(entries, data.byteLength, file);
  return {
    metadata,
    names: [...entries.keys()],
    shapeOf: (name) => entries.get(name)?.shape,
    read: (name) => {
      const entry = entries.get(name);
      if (!entry) throw bad(file, `it has no tensor ${name}`);
      const [start, end] = entry.data_offsets;
      return { kind: 'float', shape: entry.shape, data: decode(data.subarray(start, end), entry.dtype) };
    },
  };
}

/** Several files as one. @throws ThumbprintError `bad-file` on reading a tensor that none of them has. */
export function joinSafetensors(files: readonly SafeTensors[]): SafeTensors {
  const owners = new Map(files.flatMap((file) => file.names.map((name) => [name, file])));
  return {
    metadata: Object.assign({}, ...files.map(({ metadata }) => metadata)) as Record<string, string>,
    names: [...owners.keys()],
    shapeOf: (name) => owners.get(name)?.shapeOf(name),
    read: (name) => {
      const owner = owners.get(name);
      if (!owner) throw bad('The model', `no file of it has a tensor ${name}`);
      return owner.read(name);
    },
  };
}

type Entries = Map<string, v.InferOutput<typeof Entry>>;

const Metadata = v.record(v.string(), v.string());

function parseHeader(
  bytes: Uint8Array,
  file: string,
): { entries: Entries; metadata: Record<string, string> } {
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw bad(file, 'its header is not JSON', cause);
  }
  if (typeof json !== 'object' || json === null || Array.isArray(json)) {
    throw bad(file, 'its header is not an object');
  }
  const entries: Entries = new Map();
  let metadata: Record<string, string> = {};
  for (const [name, value] of Object.entries(json)) {
    if (name === '__metadata__') {
      const parsed = v.safeParse(Metadata, value);
      if (!parsed.success) throw bad(file, `its metadata: ${parsed.issues[0].message}`);
      metadata = parsed.output;
      continue;
    }
    const parsed = v.safeParse(Entry, value);
    if (!parsed.success) throw bad(file, `tensor ${name}: ${parsed.issues[0].message}`);
    entries.set(name, parsed.output);
  }
  return { entries, metadata };
}

function checkExtents(entries: Entries, size: number, file: string): void {
  let end = 0;
  // By start and then by end: an empty tensor may lie where another begins.
  const sorted = [...entries].sort(
    ([, { data_offsets: a }], [, { data_offsets: b }]) => a[0] - b[0] || a[1] - b[1],
  );
  for (const [name, { shape, dtype, data_offsets }] of sorted) {
    const [from, to] = data_offsets;
    if (from < end || to < from || to > size)
      throw bad(file, `tensor ${name} lies outside the file or in another`);
    const expected = shape.reduce((product, n) => product * n, 1) * BYTES_OF[dtype];
    if (to - from !== expected)
      throw bad(file, `tensor ${name} has ${to - from} bytes, its shape says ${expected}`);
    end = to;
  }
}

function decode(bytes: Uint8Array<ArrayBuffer>, dtype: Dtype): Float32Array<ArrayBuffer> {
  const count = bytes.byteLength / BYTES_OF[dtype];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const out = new Float32Array(count);
  switch (dtype) {
    case 'F32':
      for (let i = 0; i < count; i++) out[i] = view.getFloat32(i * 4, true);
      return out;
    case 'F16':
      for (let i = 0; i < count; i++) out[i] = halfToFloat(view.getUint16(i * 2, true));
      return out;
    case 'BF16':
      for (let i = 0; i < count; i++) out[i] = bfloatToFloat(view.getUint16(i * 2, true));
      return out;
    default:
      return dtype satisfies never;
  }
}

/** A safetensors file of f32 tensors, in the order given. */
export function writeSafetensors(
  tensors: ReadonlyMap<string, { shape: number[]; data: Float32Array }>,
  metadata: Record<string, string> = {},
): Uint8Array<ArrayBuffer> {
  const header: Record<string, unknown> = { __metadata__: { format: 'pt', ...metadata } };
  let offset = 0;
  for (const [name, { shape, data }] of tensors) {
    header[name] = { dtype: 'F32', shape, data_offsets: [offset, offset + data.byteLength] };
    offset += data.byteLength;
  }
  const text = JSON.stringify(header);
  // Padded with spaces so that the data is aligned, as the format allows.
  const json = new TextEncoder().encode(
    text.padEnd(Math.ceil(new TextEncoder().encode(text).length / 8) * 8),
  );
  const out = new Uint8Array(8 + json.length + offset);
  new DataView(out.buffer).setUint32(0, json.length, true);
  out.set(json, 8);
  let at = 8 + json.length;
  for (const { data } of tensors.values()) {
    out.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), at);
    at += data.byteLength;
  }
  return out;
}
