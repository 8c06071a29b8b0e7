import { createHash } from 'node:crypto';
import { describe, expect, it, vi } from 'vitest';
import { expectedTensors } from '../../src/formats/expected-tensors';
import { loadModelFolder } from '../../src/formats/model-folder';
import { CHUNK_BYTES, readModel } from '../../src/formats/read-model';
import { dequantizeInt4, quantizeInt4 } from '../../src/formats/quantize';
import { readSafetensors, writeSafetensors } from '../../src/formats/safetensors';
import { type Files, quantizeModel } from '../../src/formats/write-model';
import type { FileSource } from '../../src/formats/tensors';
import { ThumbprintError } from '../../src/shared/errors';
import { createRandom } from '../../src/shared/random';
import { TINY_CONFIG } from '../reference/seeded-model';
import { fuzz } from '../support/fuzz';
import { thumbling } from '../support/gpu';

/** Odd, as a network has it. */
const PIECE = 1021;

function sourceOf(files: ReadonlyMap<string, Uint8Array<ArrayBuffer>>): FileSource {
  return {
    async *read(path) {
      const file = files.get(path);
      if (!file) throw new ThumbprintError('network', `no ${path}`);
      for (let at = 0; at < file.length; at += PIECE)
        yield await Promise.resolve(file.subarray(at, at + PIECE));
    },
  };
}

async function tinyModel(scaleDtype: 'f16' | 'f32'): Promise<Files> {
  const random = createRandom(3);
  const tensors = new Map<string, { shape: number[]; data: Float32Array }>();
  const add = (name: string, shape: number[]): void => {
    const count = shape.reduce((product, n) => product * n, 1);
    tensors.set(`${name}.weight`, {
      shape,
      data: Float32Array.from({ length: count }, () => random.float() - 0.5),
    });
  };
  const kv = TINY_CONFIG.num_key_value_heads * TINY_CONFIG.head_dim;
  const rows: Record<string, number> = { k_proj: kv, v_proj: kv, gate_proj: TINY_CONFIG.intermediate_size };
  rows['up_proj'] = TINY_CONFIG.intermediate_size;
  for (const expected of expectedTensors(TINY_CONFIG)) {
    if (expected.kind === 'float') add(expected.name, [expected.size]);
    else {
      for (const part of expected.parts) {
        const stacked = rows[part.split('.').at(-1) ?? ''];
        const own =
          expected.parts.length === 1
            ? expected.rows
            : (stacked ?? TINY_CONFIG.num_attention_heads * TINY_CONFIG.head_dim);
        add(part, [own, expected.columns]);
      }
    }
  }
  const { files } = await quantizeModel('tiny', TINY_CONFIG, readSafetensors(writeSafetensors(tensors)), {
    scaleDtype,
    md5: (data) => createHash('md5').update(data).digest('hex'),
  });
  const json = (value: unknown): Uint8Array<ArrayBuffer> => new TextEncoder().encode(JSON.stringify(value));
  return files.set('tokenizer.json', json({})).set('tokenizer_config.json', json({}));
}

/** The part of tensor-cache.json that the tests change. */
interface Index {
  records: { sha256?: string[]; records: { name: string; byteOffset: number }[] }[];
}

function readIndex(files: Files): Index {
  return JSON.parse(new TextDecoder().decode(files.get('tensor-cache.json'))) as Index;
}

describe('a model folder', () => {
  it.each(['f16', 'f32'] as const)('is read as it was written, with %s scales', async (scaleDtype) => {
    const files = await tinyModel(scaleDtype);
    const folder = await loadModelFolder(sourceOf(files));
    expect(folder.config).toEqual(TINY_CONFIG);
    expect([...folder.tensors.keys()]).toEqual(expectedTensors(TINY_CONFIG).map(({ name }) => name));
    const again = await loadModelFolder(sourceOf(files));
    expect(again.sha256).toBe(folder.sha256);
  });

  it('tells its progress', async () => {
    const seen: number[] = [];
    const { bytes } = await readModel(
      sourceOf(await tinyModel('f16')),
      () => undefined,
      (loaded, total) => seen.push(loaded / total),
    );
    expect(bytes).toBeGreaterThan(0);
    expect(seen.length).toBeGreaterThan(10);
    expect(seen).toEqual([...seen].sort((a, b) => a - b));
    expect(seen.at(-1)).toBe(1);
  });

  it('hands weights on while the rest is still on its way, and only what is checked', async () => {
    const files = await tinyModel('f16');
    // A large embedding of zeros, and the shard's other arrays behind it.
    const config = JSON.parse(new TextDecoder().decode(files.get('mlc-chat-config.json'))) as {
      vocab_size: number;
      model_config: { vocab_size: number };
    };
    const rows = Math.ceil((1.5 * CHUNK_BYTES) / (TINY_CONFIG.hidden_size / 2));
    config.vocab_size = config.model_config.vocab_size = rows;
    const index = readIndex(files);
    const old = files.get('params_shard_0.bin') ?? new Uint8Array();
    const [shard] = index.records;
    const columns = TINY_CONFIG.hidden_size;
    const sizes = { weight: rows * (columns / 2), scale: rows * (columns / 32) * 2 };
    for (const record of shard?.records ?? []) {
      record.byteOffset += sizes.weight + sizes.scale;
      if (record.name === 'model.embed_tokens.q_weight')
        Object.assign(record, { byteOffset: 0, nbytes: sizes.weight, shape: [rows, columns / 8] });
      if (record.name === 'model.embed_tokens.q_scale')
        Object.assign(record, { byteOffset: sizes.weight, nbytes: sizes.scale, shape: [rows, columns / 32] });
    }
    const bytes = new Uint8Array(sizes.weight + sizes.scale + old.length);
    bytes.set(old, sizes.weight + sizes.scale);
    Object.assign(shard ?? {}, { nbytes: bytes.length });
    delete shard?.sha256;
    const text = (value: unknown): Uint8Array<ArrayBuffer> => new TextEncoder().encode(JSON.stringify(value));
    files.set('mlc-chat-config.json', text(config)).set('tensor-cache.json', text(index));
    let arrived = 0;
    const handedOn: number[] = [];
    const read = readModel(
      {
        async *read(path) {
          if (path !== 'params_shard_0.bin') {
            yield* sourceOf(files).read(path);
            return;
          }
          for (let at = 0; at < bytes.length; at += 2 ** 20) {
            const piece = bytes.subarray(at, at + 2 ** 20);
            arrived += piece.length;
            yield await Promise.resolve(piece);
          }
        },
      },
      (part, offset, piece) => {
        handedOn.push(piece.byteLength);
        expect(piece.byteLength).toBeLessThanOrEqual(CHUNK_BYTES);
        if (part.name === 'model.embed_tokens.q_weight' && offset === 0) expect(arrived).toBe(CHUNK_BYTES);
      },
    );
    const { parameters } = await read;
    expect(parameters).toBeGreaterThan(rows * columns);
    expect(Math.max(...handedOn)).toBe(CHUNK_BYTES);

    // A changed byte stops it before the chunk that holds it is handed on.
    Object.assign(shard ?? {}, { sha256: ['0'.repeat(64), '0'.repeat(64)] });
    files.set('tensor-cache.json', text(index)).set('params_shard_0.bin', bytes);
    const none = vi.fn();
    await expect(readModel(sourceOf(files), none)).rejects.toThrow(/sha-256 from byte 0 on/);
    expect(none).not.toHaveBeenCalled();
  });

  it('names a changed byte, a missing file, a missing tensor, a wrong shape', async () => {
    const changed = await tinyModel('f16');
    const shard = changed.get('params_shard_0.bin')?.slice();
    if (shard) shard[100] = (shard[100] ?? 0) ^ 1;
    changed.set('params_shard_0.bin', shard ?? new Uint8Array());
    await expect(loadModelFolder(sourceOf(changed))).rejects.toThrow(/params_shard_0.bin.*sha-256/);

    const missing = await tinyModel('f16');
    missing.delete('tensor-cache.json');
    await expect(loadModelFolder(sourceOf(missing))).rejects.toThrow('tensor-cache.json');

    const edit = async (from: string, to: string): Promise<Files> => {
      const files = await tinyModel('f16');
      const text = new TextDecoder().decode(files.get('tensor-cache.json'));
      expect(text).toContain(from);
      return files.set('tensor-cache.json', new TextEncoder().encode(text.replace(from, to)));
    };
    const renamed = await edit('model.norm.weight', 'model.other.weight');
    await expect(loadModelFolder(sourceOf(renamed))).rejects.toThrow('model.norm.weight is missing');
    const reshaped = await edit('"shape": [\n      64\n     ]', '"shape": [\n      32\n     ]');
    await expect(loadModelFolder(sourceOf(reshaped))).rejects.toThrow(
      /input_layernorm\.weight in params_shard_0\.bin has shape \[32\] instead of \[64\]/,
    );
    const escaped = await edit('"params_shard_0.bin"', '"../params_shard_0.bin"');
    await expect(loadModelFolder(sourceOf(escaped))).rejects.toThrow('plain file name');
  });

  it.each([
    ['model.layers.0.self_attn.qkv_proj.q_scale', 'model.layers.0.self_attn.qkv_proj'],
    ['model.norm.weight', 'model.norm'],
  ])('refuses a number in %s that is not finite', async (record, name) => {
    const files = await tinyModel('f32');
    const index = readIndex(files);
    const at = index.records[0]?.records.find((entry) => entry.name === record)?.byteOffset ?? NaN;
    const shard = files.get('params_shard_0.bin') ?? new Uint8Array();
    new DataView(shard.buffer).setFloat32(at, NaN, true);
    // As MLC writes it, without checksums that would notice first.
    for (const entry of index.records) delete entry.sha256;
    files.set('tensor-cache.json', new TextEncoder().encode(JSON.stringify(index)));
    await expect(loadModelFolder(sourceOf(files))).rejects.toThrow(
      new RegExp(`${name.replaceAll('.', '\\.')}.*not a finite number`),
    );
  });

  it('takes an index without checksums, as MLC writes it', async () => {
    const files = await tinyModel('f16');
    const expected = await loadModelFolder(sourceOf(files));
    const index = readIndex(files);
    for (const entry of index.records) delete entry.sha256;
    files.set('tensor-cache.json', new TextEncoder().encode(JSON.stringify(index)));
    expect(await loadModelFolder(sourceOf(files))).toEqual(expected);
  });

  it('refuses a shard that is cut off', async () => {
    const files = await tinyModel('f16');
    files.set('params_shard_0.bin', files.get('params_shard_0.bin')?.slice(0, -1) ?? new Uint8Array());
    await expect(loadModelFolder(sourceOf(files))).rejects.toThrow(/params_shard_0.bin has \d+ bytes/);
  });

  it('survives damage to its config', async () => {
    const files = await tinyModel('f16');
    const config = files.get('mlc-chat-config.json') ?? new Uint8Array();
    const outcome = await fuzz(config, 300, (bytes) =>
      loadModelFolder(sourceOf(new Map(files).set('mlc-chat-config.json', bytes))),
    );
    expect(outcome.refused).toBeGreaterThan(0);
  });

  it('survives damage to its index', async () => {
    const files = await tinyModel('f16');
    const index = files.get('tensor-cache.json') ?? new Uint8Array();
    const outcome = await fuzz(index, 300, (bytes) =>
      loadModelFolder(sourceOf(new Map(files).set('tensor-cache.json', bytes))),
    );
    expect(outcome.refused).toBeGreaterThan(0);
  });

  it('ships a model whose name, size and context the app relies on nowhere', async () => {
    const folder = await thumbling();
    expect(folder.name).toBe('Thumbling');
    expect(folder.parameters).toBeGreaterThan(1e6);
  });
});

describe('int4', () => {
  const random = createRandom(5);
  const data = Float32Array.from(
    { length: 64 * 96 },
    () => (random.float() + random.float() + random.float() - 1.5) / 3,
  );

  it('comes close, and closer than the largest weight would have it', () => {
    const matrix = quantizeInt4('w', { kind: 'float', shape: [64, 96], data }, 'f16');
    const back = dequantizeInt4(matrix);
    const error = (approximate: (value: number, group: number) => number): number =>
      data.reduce((sum, value, i) => sum + (value - approximate(value, i >> 5)) ** 2, 0);
    const naive = Array.from(
      { length: data.length / 32 },
      (_, g) =>
        data.subarray(g * 32, g * 32 + 32).reduce((most, value) => Math.max(most, Math.abs(value)), 0) / 7,
    );
    const own = data.reduce((sum, value, i) => sum + (value - (back[i] ?? NaN)) ** 2, 0);
    expect(own).toBeLessThan(
      error((value, group) => Math.round(value / (naive[group] ?? 1)) * (naive[group] ?? 1)),
    );
  });

  it('refuses weights whose scale no half can hold, and keeps them with f32 scales', () => {
    const huge = { kind: 'float' as const, shape: [1, 32], data: new Float32Array(32).fill(1e6) };
    expect(() => quantizeInt4('w', huge, 'f16')).toThrow(/w .*--scale-dtype f32/);
    expect(dequantizeInt4(quantizeInt4('w', huge, 'f32'))[0]).toBeCloseTo(1e6, 0);
  });

  it('keeps zeros and refuses what is not a number', () => {
    const zeros = quantizeInt4('w', { kind: 'float', shape: [1, 32], data: new Float32Array(32) }, 'f32');
    expect([...dequantizeInt4(zeros)]).toEqual(new Array(32).fill(0));
    const broken = new Float32Array(32).fill(NaN);
    expect(() => quantizeInt4('w', { kind: 'float', shape: [1, 32], data: broken }, 'f16')).toThrow(
      'w holds a weight',
    );
    expect(() =>
      quantizeInt4('w', { kind: 'float', shape: [1, 31], data: new Float32Array(31) }, 'f16'),
    ).toThrow('int4');
  });
});
