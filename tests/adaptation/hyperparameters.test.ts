import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { hyperparametersFile, readHyperparameters } from '../../src/adaptation/hyperparameters';
import { DEFAULT_HYPERPARAMETERS } from '../../src/training/types';

const read = (json: unknown) => readHyperparameters(() => Promise.resolve(json));

describe("a model's hyperparameters", () => {
  it('are what was written', async () => {
    const [[name, text] = []] = Object.entries(hyperparametersFile(DEFAULT_HYPERPARAMETERS));
    expect(name).toBe('hyperparameters.json');
    expect(await read(JSON.parse(text ?? ''))).toEqual(DEFAULT_HYPERPARAMETERS);
  });

  it.each([
    [{ ...DEFAULT_HYPERPARAMETERS, steps: 0 }, 'steps'],
    [{ ...DEFAULT_HYPERPARAMETERS, steps: 1.5 }, 'steps'],
    [{ ...DEFAULT_HYPERPARAMETERS, learning_rate: -1 }, 'learning_rate'],
    [{ ...DEFAULT_HYPERPARAMETERS, learning_rate: NaN }, 'learning_rate'],
    [{ ...DEFAULT_HYPERPARAMETERS, layer_decay: 2 }, 'layer_decay'],
    [{ ...DEFAULT_HYPERPARAMETERS, beta: undefined }, 'beta'],
    [{ ...DEFAULT_HYPERPARAMETERS, lr: 1 }, 'lr'],
    [null, 'hyperparameters.json'],
  ])('are refused where a field is not what it should be', async (json, field) => {
    await expect(read(json)).rejects.toThrow(field);
  });

  it('that ship are whole', async () => {
    const folder = new URL('../../models/thumbling/', import.meta.url);
    const json: unknown = JSON.parse(await readFile(new URL('hyperparameters.json', folder), 'utf8'));
    expect((await read(json)).steps).toBeGreaterThan(10);
  });
});
