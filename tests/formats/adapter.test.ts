import { describe, expect, it } from 'vitest';
import { emptyAdapter, projections, readAdapter, writeAdapter } from '../../src/formats/adapter';
import { readSafetensors, writeSafetensors } from '../../src/formats/safetensors';
import { LoraLayout } from '../../src/model/lora';
import { seededAdapter } from '../reference/adapter';
import { TINY_CONFIG } from '../reference/seeded-model';
import { fuzz } from '../support/fuzz';

const BASE = 'ab'.repeat(32);
const adapter = { ...seededAdapter(TINY_CONFIG, 4, 8, 1), base: BASE };

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
    const { thumbprint_base_sha256: _, ...foreign } = adapterConfig;
    const partial = readAdapter(writeSafetensors(some), foreign, TINY_CONFIG, BASE);
    expect(partial.tensors.get('model.layers.0.self_attn.q_proj')).toEqual(
      adapter.tensors.get('model.layers.0.self_attn.q_proj'),
    );
    expect(partial.tensors.get('model.layers.1.mlp.down_proj')?.b.every((value) => value === 0)).toBe(true);
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

  it('survives damage', async () => {
    const { safetensors, adapterConfig } = writeAdapter(adapter, TINY_CONFIG, 'tiny');
    const outcome = await fuzz(safetensors, 300, (bytes) =>
      readAdapter(bytes, adapterConfig, TINY_CONFIG, BASE),
    );
    expect(outcome.refused).toBeGreaterThan(0);
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
