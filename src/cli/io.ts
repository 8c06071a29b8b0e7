import { createReadStream } from 'node:fs';
import { access, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import * as v from 'valibot';
import type { FileSource } from '../formats/tensors';
import { messageOf, ThumbprintError } from '../shared/errors';

const READ_BYTES = 2 ** 20;

/** Bytes of a file. @throws ThumbprintError `bad-input` when it cannot be read. */
export async function readBytes(path: string): Promise<Uint8Array<ArrayBuffer>> {
  try {
    return new Uint8Array(await readFile(path));
  } catch (cause) {
    throw unreadable(path, cause);
  }
}

function unreadable(path: string, cause: unknown): ThumbprintError {
  return new ThumbprintError('bad-input', `${path} cannot be read: ${messageOf(cause)}`, { cause });
}

/** JSON of a file that a folder may do without. @returns undefined when there is none. */
export async function readJsonIfThere(path: string): Promise<unknown> {
  try {
    await access(path);
  } catch {
    return undefined;
  }
  return readJson(path);
}

/** A model folder on disk. */
export function folderSource(folder: string): FileSource {
  return {
    async *read(path) {
      const file = join(folder, path);
      try {
        yield* createReadStream(file, { highWaterMark: READ_BYTES }) as AsyncIterable<Uint8Array>;
      } catch (cause) {
        throw unreadable(file, cause);
      }
    },
  };
}

export async function readJson(path: string): Promise<unknown> {
  const bytes = await readBytes(path);
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch (cause) {
    throw new ThumbprintError('bad-input', `${path} is not JSON: ${messageOf(cause)}`, { cause });
  }
}

/** Records of a JSON-lines file, gzipped if its name ends so. @throws ThumbprintError `bad-input` with the number of the line that does not fit. */
export async function readJsonLines<T extends v.GenericSchema>(
  path: string,
  schema: T,
): Promise<v.InferOutput<T>[]> {
  const bytes = await readBytes(path);
  const text = new TextDecoder().decode(path.endsWith('.gz') ? gunzipSync(bytes) : bytes);
  const lines = text.split('\n');
  const records: v.InferOutput<T>[] = [];
  lines.forEach((line, index) => {
    if (line.trim() === '') return;
    let json: unknown;
    try {
      json = JSON.parse(line);
    } catch (cause) {
      throw new ThumbprintError('bad-input', `${path}, line ${index + 1} is not JSON.`, { cause });
    }
    const parsed = v.safeParse(schema, json);
    if (!parsed.success) {
      throw new ThumbprintError('bad-input', `${path}, line ${index + 1}: ${parsed.issues[0].message}.`);
    }
    records.push(parsed.output);
  });
  if (records.length === 0) throw new ThumbprintError('bad-input', `${path} has no records.`);
  return records;
}

/** Writes files into a folder, which is made. @throws ThumbprintError `bad-input` when it cannot be written. */
export async function writeFiles(
  folder: string,
  files: Readonly<Record<string, Uint8Array | string>>,
): Promise<void> {
  try {
    await mkdir(folder, { recursive: true });
    for (const [name, data] of Object.entries(files)) await writeFile(join(folder, name), data);
  } catch (cause) {
    throw new ThumbprintError('bad-input', `${folder} cannot be written: ${messageOf(cause)}`, { cause });
  }
}

/** The result of a command. */
export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

/** News of a command that is not its result. */
export function log(text: string): void {
  process.stderr.write(`${text}\n`);
}
