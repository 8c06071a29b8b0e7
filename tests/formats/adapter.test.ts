import { describe, expect, it } from 'vitest';
import {
  configWithin,
  emptyAdapter,
  projections,
  readAdapter,
  scaleAdapter,
  withRank,
  writeAdapter,
} from '../../src/formats/adapter';
import { readSafetensors, writeSafetensors } from '../../src/formats/safetensors';
import { LoraLayout } from '../../src/model/lora';
import { seededAdapter } from '../reference/adapter';
import { TINY_CONFIG } from '../reference/seeded-model';
import { fuzz } from '../support/fuzz';

const BASE = 'ab'.repeat(32);
const adapter = { ...seededAdapter(TINY_CONFIG, 4, 8, 1), base: BASE };

/** The JSON of damaged bytes; what is no JSON any more is some other reader's business. */
function jsonOr(bytes: Uint8Array, otherwise: unknown): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return otherwise;
  }
}

describe('a PEFT adapter', () => {
  it('is read as it was written', () => {
    const { safetensors, adapterConfig } = writeAdapter(adapter, TINY_CONFIG, 'tiny');
    expect(readAdapter(safetensors, adapterConfig, TINY_CONFIG, BASE)).toEqual(adapter);
    expect(adapterConfig).toMatchObject({ peft_type: 'LORA', r: 4, lora_alpha: 8, bias: 'none' });
    expect(readSafetensors(safetensors).names).toContain(
      'base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight',
    );
  });

  it('fills modules that it does not adapt with zeros, and takes one that names no base', () => {
    const { safetensors, adapterConfig } = writeAdapter(adapter, TINY_CONFIG, 'tiny');
    const file = readSafetensors(safetensors);
    const some = new Map(
      file.names.filter((name) => name.includes('q_proj')).map((name) => [name, file.read(name)]),
    );
    const { thumbprint_base_sha256: _, ...rest } = adapterConfig;
    const foreign = { ...rest, target_modules: ['q_proj'] };
    const partial = readAdapter(writeSafetensors(some), foreign, TINY_CONFIG, BASE);
    expect(partial.tensors.get('model.layers.0.self_attn.q_proj')).toEqual(
      adapter.tensors.get('model.layers.0.self_attn.q_proj'),
    );
    expect(partial.tensors.get('model.layers.1.mlp.down_proj')?.b.every((value) => value === 0)).toBe(true);
  });

  it('carries its config within its weights', () => {
    const { safetensors, adapterConfig } = writeAdapter(adapter, TINY_CONFIG, 'tiny');
    expect(configWithin(safetensors)).toEqual(adapterConfig);
    const file = readSafetensors(safetensors);
    const plain = writeSafetensors(new Map(file.names.map((name) => [name, file.read(name)])));
    expect(() => configWithin(plain)).toThrow('choose both files');
    expect(() => configWithin(writeSafetensors(new Map(), { adapter_config: '{' }))).toThrow('not JSON');
  });

  it('computes the same with more ranks and another alpha', () => {
    const wide = withRank(adapter, { rank: 8, lora_alpha: 4 });
    const product = ({ tensors, rank, lora_alpha }: typeof adapter, row: number, column: number): number => {
      const { a, b } = tensors.get('model.layers.1.mlp.gate_proj') ?? { a: [], b: [] };
      const width = a.length / rank;
      let sum = 0;
      for (let i = 0; i < rank; i++) sum += (b[row * rank + i] ?? NaN) * (a[i * width + column] ?? NaN);
      return (lora_alpha / rank) * sum;
    };
    expect(wide).toMatchObject({ rank: 8, lora_alpha: 4, base: BASE });
    for (const [row, column] of [
      [0, 0],
      [5, 17],
      [95, 63],
    ] as const) {
      expect(product(wide, row, column)).toBeCloseTo(product(adapter, row, column), 6);
      expect(product(wide, row, column)).not.toBe(0);
    }
    expect(() => withRank(adapter, { rank: 2, lora_alpha: 4 })).toThrow('up to rank 2');
  });

  it('lists everything that does not fit at once', () => {
    const { safetensors, adapterConfig } = writeAdapter(adapter, TINY_CONFIG, 'tiny');
    const wide = {
      ...TINY_CONFIG,
      intermediate_size: TINY_CONFIG.intermediate_size + 32,
      num_hidden_layers: 1,
    };
    const attempt = (): unknown =>
      readAdapter(safetensors, { ...adapterConfig, use_dora: true }, wide, 'cd'.repeat(32));
    expect(attempt).toThrow(/DoRA/);
    expect(attempt).toThrow(/was trained on model abababababab/);
    expect(attempt).toThrow(/layers\.0\.mlp\.gate_proj\.lora_B\.weight has shape/);
    expect(attempt).toThrow(/layers\.1\./);
  });

  it('names only the modules that it holds as its targets', () => {
    const query = 'model.layers.0.self_attn.q_proj';
    const tensor = adapter.tensors.get(query);
    if (!tensor) throw new Error(`no ${query}`);
    const small = { ...adapter, tensors: new Map([[query, tensor]]) };
    expect(writeAdapter(small, TINY_CONFIG, 'tiny').adapterConfig['target_modules']).toEqual(['q_proj']);
    expect(writeAdapter(adapter, TINY_CONFIG, 'tiny').adapterConfig['target_modules']).toHaveLength(7);
  });

  it.each(['lora_A', 'lora_B'])('refuses a file that lost the %s of a module', (half) => {
    const { safetensors, adapterConfig } = writeAdapter(adapter, TINY_CONFIG, 'tiny');
    const file = readSafetensors(safetensors);
    const lost = `base_model.model.model.layers.1.mlp.down_proj.${half}.weight`;
    const rest = writeSafetensors(
      new Map(file.names.filter((name) => name !== lost).map((name) => [name, file.read(name)])),
    );
    // Whether the config says what belongs to it, or only a pattern.
    for (const target_modules of [adapterConfig['target_modules'], 'all-linear']) {
      expect(() => readAdapter(rest, { ...adapterConfig, target_modules }, TINY_CONFIG, BASE)).toThrow(
        `${lost} is missing`,
      );
    }
  });

  it('refuses a file that lost a module which its config names', () => {
    const { safetensors, adapterConfig } = writeAdapter(adapter, TINY_CONFIG, 'tiny');
    const file = readSafetensors(safetensors);
    const rest = writeSafetensors(
      new Map(
        file.names.filter((name) => !name.includes('0.mlp.up_proj')).map((name) => [name, file.read(name)]),
      ),
    );
    expect(() => readAdapter(rest, adapterConfig, TINY_CONFIG, BASE)).toThrow(
      /layers\.0\.mlp\.up_proj\.lora_A\.weight is missing.*up_proj\.lora_B\.weight is missing/,
    );
  });

  it.each([
    [{ peft_type: 'IA3' }, 'IA3'],
    [{ bias: 'lora_only' }, 'biases'],
    [{ use_rslora: true }, 'rank-stabilized'],
    [{ alpha_pattern: { q_proj: 32 } }, 'alpha_pattern'],
    [{ rank_pattern: { q_proj: 2 } }, 'rank_pattern'],
    [{ r: 8 }, 'has shape [4, 64] instead of [8, 64]'],
  ])('refuses %j, which would change what it computes', (overrides, complaint) => {
    const { safetensors, adapterConfig } = writeAdapter(adapter, TINY_CONFIG, 'tiny');
    const changed = { ...adapterConfig, ...overrides };
    expect(() => readAdapter(safetensors, changed, TINY_CONFIG, BASE)).toThrow(complaint);
  });

  it('takes the fields that PEFT writes and leaves empty', () => {
    const { safetensors, adapterConfig } = writeAdapter(adapter, TINY_CONFIG, 'tiny');
    const empty = { alpha_pattern: {}, rank_pattern: {}, layers_to_transform: null, modules_to_save: null };
    expect(readAdapter(safetensors, { ...adapterConfig, ...empty }, TINY_CONFIG, BASE)).toEqual(adapter);
  });

  it.each([NaN, Infinity, -65_536])('refuses a weight of %d', (weight) => {
    const changed = scaleAdapter(adapter, 1);
    const [path = '', tensor] = [...changed.tensors][0] ?? [];
    if (tensor) changed.tensors.set(path, { ...tensor, b: tensor.b.slice().fill(weight, 1, 2) });
    const { safetensors, adapterConfig } = writeAdapter(changed, TINY_CONFIG, 'tiny');
    expect(() => readAdapter(safetensors, adapterConfig, TINY_CONFIG, BASE)).toThrow(
      `${path} holds numbers that are not finite or larger than 65504`,
    );
  });

  it('survives damage to its tensors and to its config', async () => {
    const { safetensors, adapterConfig } = writeAdapter(adapter, TINY_CONFIG, 'tiny');
    const tensors = await fuzz(safetensors, 300, (bytes) =>
      readAdapter(bytes, adapterConfig, TINY_CONFIG, BASE),
    );
    expect(tensors.refused).toBeGreaterThan(0);
    const text = new TextEncoder().encode(JSON.stringify(adapterConfig));
    const config = await fuzz(text, 300, (bytes) =>
      readAdapter(safetensors, jsonOr(bytes, adapterConfig), TINY_CONFIG, BASE),
    );
    expect(config.refused).toBeGreaterThan(0);
  });

  it('scaled has that share of its effect, and the original keeps its own', () => {
    const [path, tensor] = [...adapter.tensors][0] ?? [];
    const before = tensor?.b[3] ?? NaN;
    const half = scaleAdapter(adapter, 0.5).tensors.get(path ?? '');
    expect(before).not.toBe(0);
    expect(half?.b[3]).toBe(before / 2);
    expect(half?.a).toEqual(tensor?.a);
    expect(tensor?.b[3]).toBe(before);
  });

  it('starts as nothing: B is zero, A is within its bounds and follows from the seed', () => {
    const make = (seed: number) => emptyAdapter(TINY_CONFIG, BASE, { rank: 4, lora_alpha: 8, seed });
    const fresh = make(7);
    expect(fresh).toEqual(make(7));
    expect(fresh.tensors.get('model.layers.0.mlp.up_proj')?.a).not.toEqual(
      make(8).tensors.get('model.layers.0.mlp.up_proj')?.a,
    );
    for (const { path, in: width } of projections(TINY_CONFIG)) {
      const tensor = fresh.tensors.get(path);
      expect(tensor?.b.every((value) => value === 0)).toBe(true);
      expect(tensor?.a.every((value) => Math.abs(value) <= 1 / Math.sqrt(width))).toBe(true);
      expect(tensor?.a.some((value) => value !== 0)).toBe(true);
    }
  });
});

describe('the LoRA arena', () => {
  it.each([3, 4, 6])('gives back an adapter of rank %i, padded in between', (rank) => {
    const odd = { ...seededAdapter(TINY_CONFIG, rank, 2 * rank, 2), base: BASE };
    const layout = new LoraLayout(TINY_CONFIG, 8);
    expect(layout.unpack(layout.pack(odd), { rank, lora_alpha: 2 * rank, base: BASE })).toEqual(odd);
  });

  it('refuses a rank that is larger than it is', () => {
    expect(() => new LoraLayout(TINY_CONFIG, 4).pack(seededAdapter(TINY_CONFIG, 8, 8, 1))).toThrow('rank 8');
  });
});
