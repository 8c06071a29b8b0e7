import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Generator } from '../../src/generation/generator';
import { shapeKey } from '../../src/gpu/device';
import { Program, submit } from '../../src/gpu/program';
import { sample } from '../../src/kernels/sample';
import type { ActivationType } from '../../src/kernels/sources';
import { AdapterSlot } from '../../src/model/lora';
import { ModelRuntime } from '../../src/model/runtime';
import { required } from '../../src/shared/assert';
import { createRandom } from '../../src/shared/random';
import { seededAdapter } from '../reference/adapter';
import { expectClose } from '../reference/check';
import { distribution, penalize } from '../reference/sampling';
import { testGpu, thumbling } from '../support/gpu';

const GREEDY = { temperature: 0, top_k: 0, top_p: 1, min_p: 0, repetition_penalty: 1, max_tokens: 24 };
const LIVELY = {
  temperature: 0.9,
  top_k: 40,
  top_p: 0.95,
  min_p: 0.02,
  repetition_penalty: 1.1,
  max_tokens: 24,
};

/** Activations that the device has: drivers of some GPUs lack f16. */
const TYPES: ActivationType[] = (await testGpu()).device.features.has('shader-f16')
  ? ['f32', 'f16']
  : ['f32'];

let runtime: ModelRuntime;
let slot: AdapterSlot;
let generator: Generator;
beforeAll(async () => {
  runtime = ModelRuntime.of(await testGpu(), await thumbling(), 8);
  slot = new AdapterSlot(runtime.gpu, runtime.layout, 'chat');
  slot.load(null);
});
afterAll(() => {
  slot.destroy();
  runtime.destroy();
});

/** Any ids: 1 begins a turn, 2 ends one. */
function promptOf(length: number, seed = 1): number[] {
  const random = createRandom(seed);
  return Array.from({ length }, (_, i) => (i === 0 ? 1 : 3 + random.int(4000)));
}

/** Greedy tokens by prefilling everything before the last token anew for each. */
async function byPrefill(prompt: number[], count: number): Promise<number[]> {
  const ids: number[] = [];
  for (let n = 0; n < count; n++) {
    const logits = await generator.logits([...prompt, ...ids]);
    ids.push(logits.indexOf(Math.max(...logits)));
    if (runtime.config.stop_token_ids.includes(ids.at(-1) ?? -1)) break;
  }
  return ids;
}

it.runIf(TYPES.includes('f16'))(
  'differs little between f16 and f32 activations, and takes less memory',
  async () => {
    const prompt = promptOf(100);
    const measured = async (type: 'f32' | 'f16') => {
      const before = runtime.gpu.liveBytes;
      const one = await Generator.create(runtime, slot, type);
      const bytes = runtime.gpu.liveBytes - before;
      const logits = await one.logits(prompt);
      one.destroy();
      return { bytes, logits };
    };
    const [full, half] = [await measured('f32'), await measured('f16')];
    const { num_hidden_layers, num_key_value_heads, head_dim } = runtime.config;
    const cache = 2 * num_hidden_layers * runtime.config.context_window_size * num_key_value_heads * head_dim;
    expect(full.bytes - half.bytes).toBeGreaterThanOrEqual(2 * cache);
    expect(half.logits).not.toEqual(full.logits);
    expectClose(half.logits, full.logits, { rtol: 5e-3, atolScale: 2e-3 });
  },
);

it.each([
  { what: '8 threads share a sum', splits: [8] },
  { what: '32 threads share a sum', splits: [32] },
  { what: 'each matrix has a form of its own', splits: [8, 32, 1, 8, 32] },
] as const)('computes the same where $what', async ({ splits }) => {
  const { gpu } = runtime;
  const [prompt, own] = [promptOf(70), gpu.forms];
  const logits = async (type: 'f32' | 'f16'): Promise<Float32Array> => {
    const one = await Generator.create(runtime, slot, type);
    const result = await one.logits(prompt);
    one.destroy();
    return result;
  };
  slot.load({ ...seededAdapter(runtime.config, 8, 16, 3), base: runtime.sha256 });
  const expected = await Promise.all(TYPES.map(logits));
  try {
    const { layers, head } = runtime.weights;
    const matrices = [...Object.values(layers[0]?.linears ?? {}), head];
    const tiles = matrices.map((matrix, i) => {
      const split = splits[i % splits.length] ?? 1;
      const batch = { ...own.batch, rows: 4, tiled: split !== 1 } as const;
      return [shapeKey(matrix), { batch, row: { ...own.row, split } }] as const;
    });
    gpu.forms = { ...own, shapes: Object.fromEntries(tiles) };
    for (const [i, type] of TYPES.entries()) {
      const tolerance = type === 'f32' ? { rtol: 1e-4, atolScale: 1e-5 } : { rtol: 5e-3, atolScale: 2e-3 };
      expectClose(await logits(type), required(expected[i], 'logits'), tolerance);
    }
  } finally {
    gpu.forms = own;
    slot.load(null);
  }
});

describe.each(
  (
    [
      { type: 'f32', ahead: 0 },
      { type: 'f16', ahead: 1 },
      { type: 'f32', ahead: 3 },
    ] as const
  ).filter(({ type }) => TYPES.includes(type)),
)('generation with $type activations, $ahead steps ahead', ({ type, ahead }) => {
  beforeAll(async () => {
    generator = await Generator.create(runtime, slot, type, ahead);
  });
  afterAll(() => generator.destroy());

  it.each([1, 33, 65, 130])('decodes what prefill would, after a prompt of %i tokens', async (length) => {
    const prompt = promptOf(length);
    const { tokenIds } = await generator.generate(prompt, {
      sampling: { ...GREEDY, max_tokens: 8 },
      seed: 0,
    });
    expect(tokenIds).toEqual(await byPrefill(prompt, 8));
  });

  it('gives the same text for the same seed, and another for another', async () => {
    const prompt = promptOf(20);
    const run = async (seed: number) =>
      (await generator.generate(prompt, { sampling: LIVELY, seed })).tokenIds;
    const first = await run(7);
    expect(await run(7)).toEqual(first);
    expect(await run(8)).not.toEqual(first);
  });

  it.each([
    { sampling: GREEDY, what: 'a whole reply' },
    { sampling: { ...GREEDY, max_tokens: 8 }, what: 'a reply cut off' },
  ])('prefills only what is new in the next turn after $what', async ({ sampling }) => {
    const first = promptOf(40, 3);
    const empty = await Generator.create(runtime, slot, type, ahead);
    const { tokenIds, prefilledTokens, reason } = await empty.generate(first, { sampling, seed: 0 });
    expect(prefilledTokens).toBe(40);
    const second = [...first, ...tokenIds, ...promptOf(9, 4)];
    const next = await empty.generate(second, { sampling: GREEDY, seed: 0 });
    // The last token drawn is decoded only by a step ahead, and none is begun at the limit: else its keys are new, too.
    expect(next.prefilledTokens).toBe(reason === 'end' && ahead > 0 ? 9 : 10);
    expect(next.promptTokens).toBe(second.length);
    const fresh = await Generator.create(runtime, slot, type);
    const alone = await fresh.generate(second, { sampling: GREEDY, seed: 0 });
    expect(alone.prefilledTokens).toBe(second.length);
    expect(next.tokenIds).toEqual(alone.tokenIds);
    fresh.destroy();
    empty.destroy();
  });

  it('computes everything anew when the adapter or its scale changes', async () => {
    const prompt = promptOf(30, 5);
    const base = await generator.logits(prompt);
    slot.load({ ...seededAdapter(runtime.config, 8, 16, 1), base: runtime.sha256 });
    const adapted = await generator.logits(prompt);
    expect(Math.max(...adapted.map((value, i) => Math.abs(value - (base[i] ?? 0))))).toBeGreaterThan(0.1);
    slot.scale = 0;
    expect(await generator.logits(prompt)).toEqual(base);
    slot.scale = 1;
    expect(await generator.logits(prompt)).toEqual(adapted);
    slot.load(null);
    expect(await generator.logits(prompt)).toEqual(base);
  });

  it('fills the context to its last position and no further', async () => {
    const prompt = promptOf(generator.capacity - 3, 6);
    const { tokenIds, reason } = await generator.generate(prompt, {
      sampling: { ...LIVELY, temperature: 5, top_k: 0, top_p: 1, min_p: 0, max_tokens: 500 },
      seed: 1,
    });
    expect(tokenIds.length).toBeLessThanOrEqual(3);
    expect(['length', 'end']).toContain(reason);
    await expect(
      generator.generate(promptOf(generator.capacity), { sampling: GREEDY, seed: 0 }),
    ).rejects.toThrow('the model takes 1 to');
    await expect(generator.generate([], { sampling: GREEDY, seed: 0 })).rejects.toThrow('0 tokens');
  });

  it('stops when it is told to', async () => {
    const stopper = new AbortController();
    const { tokenIds, reason } = await generator.generate(promptOf(12), {
      sampling: { ...LIVELY, temperature: 3, max_tokens: 100 },
      seed: 2,
      signal: stopper.signal,
      onToken: () => stopper.abort(),
    });
    expect(reason).toBe('stopped');
    expect(tokenIds).toHaveLength(1);
  });

  it('reads no more buffers than it made', async () => {
    const before = runtime.gpu.liveBuffers;
    const another = await Generator.create(runtime, slot, type, ahead);
    await another.generate(promptOf(5), { sampling: GREEDY, seed: 0 });
    another.destroy();
    expect(runtime.gpu.liveBuffers).toBe(before);
  });
});

describe('the sampling kernel beside its twin', () => {
  const VOCAB = 500;

  /** Draws on the device for many positions: how often each token came. */
  async function draws(
    logits: Float32Array<ArrayBuffer>,
    seen: Uint32Array<ArrayBuffer>,
    s: typeof LIVELY,
    count: number,
  ) {
    const { gpu, pipelines } = runtime;
    const buffers = {
      logits: gpu.storage('logits', VOCAB * 4),
      seen: gpu.storage('seen', VOCAB * 4),
      tokens: gpu.storage('tokens', 32),
      sampled: gpu.storage('sampled', 16),
      sampling: gpu.uniform('sampling', 32),
    };
    const words = new Uint32Array(8);
    new Float32Array(words.buffer).set([s.temperature, s.top_p, s.min_p, s.repetition_penalty]);
    words.set([s.top_k, 99], 4);
    gpu.write(buffers.sampling, words);
    const program = await Program.build(gpu, pipelines, [sample({ vocab: VOCAB, ...buffers })]);
    const frequency = new Float64Array(VOCAB);
    for (let position = 0; position < count; position++) {
      gpu.write(buffers.logits, logits);
      gpu.write(buffers.seen, seen);
      gpu.write(buffers.tokens, new Uint32Array([0, position, 0, 0, 0, position, 0, 0]));
      submit(gpu, { tokens: 1, targets: 0, sequences: 0, examples: 0 }, program);
      const result = await gpu.read(buffers.sampled, 8);
      const id = new Uint32Array(result)[0] ?? 0;
      frequency[id] = (frequency[id] ?? 0) + 1 / count;
      const logprob = new Float32Array(result)[1];
      const all = logits.reduce((sum, value) => sum + Math.exp(value), 0);
      expect(logprob).toBeCloseTo((logits[id] ?? 0) - Math.log(all), 3);
    }
    gpu.destroy(...Object.values<GPUBuffer>(buffers));
    return frequency;
  }

  const random = createRandom(11);
  const logits = Float32Array.from({ length: VOCAB }, () => random.float() * 8 - 4);
  const seen = Uint32Array.from({ length: VOCAB }, (_, i) => (i % 5 === 0 ? 1 : 0));

  it.each([
    ['temperature', { ...LIVELY, top_k: 0, top_p: 1, min_p: 0, repetition_penalty: 1 }],
    ['top-k', { ...LIVELY, top_k: 7, top_p: 1, min_p: 0 }],
    ['top-p', { ...LIVELY, top_k: 0, top_p: 0.3, min_p: 0 }],
    ['min-p', { ...LIVELY, top_k: 0, top_p: 1, min_p: 0.4 }],
    ['all', LIVELY],
    ['greedy', GREEDY],
  ])('draws from the same distribution: %s', async (_, settings) => {
    const count = 400;
    const frequency = await draws(logits, seen, settings, count);
    const seenIds = new Set([...seen.keys()].filter((i) => seen[i] === 1));
    const penalized = penalize(Float64Array.from(logits), seenIds, settings.repetition_penalty);
    const greedy = penalized.map((value, id) =>
      Number(id === penalized.indexOf(Math.max(...penalized)) && !Number.isNaN(value)),
    );
    const weights = settings.temperature === 0 ? greedy : distribution(penalized, settings);
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    const expected = weights.map((weight) => weight / total);
    // Nothing that the twin rules out, and the rest within sampling noise (five standard deviations).
    frequency.forEach((share, id) => {
      const p = expected[id] ?? 0;
      if (p === 0) expect(share, `token ${id}`).toBe(0);
      else
        expect(Math.abs(share - p), `token ${id}`).toBeLessThan(
          5 * Math.sqrt((p * (1 - p)) / count) + 5 / count,
        );
    });
  });
});
