import { readFile } from 'node:fs/promises';
import type { ModelConfig } from '../../src/formats/model-config';
import type { AdamWSettings } from './adamw';
import type { PreferenceSettings } from './preference';
import type { TokenExample } from './training';

/** A and B of one projection, as base64 of little-endian float32: a [rank, in], b [out, rank]. */
export interface EncodedLora {
  a: string;
  b: string;
}

export interface GoldenTraining {
  rank: number;
  lora_alpha: number;
  /** Seed of `seededAdapter`, from which the run starts. */
  adapter_seed: number;
  settings: PreferenceSettings;
  optimizer: AdamWSettings;
  /** One batch, the same in every step; its loss is the sum of the examples' weighted losses. */
  examples: TokenExample[];
  /** Ten steps; values of the batch before the step's update, the norm before clipping. */
  steps: {
    loss: number;
    losses: number[];
    margins: number[];
    logprobs: number[][];
    gradient_norm: number;
  }[];
  /** Of the first step, before clipping, by PEFT module path. */
  gradients: Record<string, EncodedLora>;
}

/** tests/fixtures/golden-training-tiny.json: `seededModel(TINY_CONFIG, model_seed)`. */
export interface TinyGolden {
  model_seed: number;
  /** The part of TINY_CONFIG that PyTorch needs. */
  config: Partial<ModelConfig>;
  training: GoldenTraining & {
    /** Parameters after the ten steps less those before. */
    updates: Record<string, EncodedLora>;
  };
}

/** tests/fixtures/golden-training-model.json: the model folder that ships. */
export interface ModelGolden {
  /** sha-256 of the shards one after the other: another value means that the fixture is stale. */
  shards_sha256: string;
  cases: {
    prompt_ids: number[];
    reply_ids: number[];
    /** [vocabulary], adapter off */
    last_prompt_logits: string;
    reply_logprob: number;
  }[];
  training: GoldenTraining & {
    /** Norms of the parameters after the ten steps less those before. */
    update_norms: Record<string, { a: number; b: number }>;
  };
}

/** Reads a fixture that models/recipe/golden.py wrote. */
export async function readGolden(name: 'tiny'): Promise<TinyGolden>;
export async function readGolden(name: 'model'): Promise<ModelGolden>;
export async function readGolden(name: 'tiny' | 'model'): Promise<unknown> {
  const path = new URL(`../fixtures/golden-training-${name}.json`, import.meta.url);
  return JSON.parse(await readFile(path, 'utf8')) as unknown;
}

/** Float32 values of a fixture's array. */
export function decodeFloats(base64: string): Float32Array<ArrayBuffer> {
  const bytes = Uint8Array.from(Buffer.from(base64, 'base64'));
  return new Float32Array(bytes.buffer);
}
