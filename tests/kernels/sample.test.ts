import { describe, expect, it } from 'vitest';
import { sample } from '../../src/kernels/sample';
import { HashRandom } from '../reference/random';
import * as twin from '../reference/sampling';
import { tokenLogprob } from '../reference/token-logprob';
import { at } from '../reference/vector';
import { KernelBench, randomRows, UNTOUCHED } from '../support/kernel';

const bench = await KernelBench.open();

const PLAIN: twin.SamplingSettings = { temperature: 1, top_k: 0, top_p: 1, min_p: 0, repetition_penalty: 1 };
const SEED = 99;
const DRAWS = 12;
/** Words behind the vocabulary. */
const REST = 8;

interface Draw {
  logits: Float64Array;
  seen: readonly number[];
  settings: twin.SamplingSettings;
  position: number;
}

async function draw({ logits, seen, settings, position }: Draw) {
  const vocab = logits.length;
  const { temperature, top_p, min_p, repetition_penalty, top_k } = settings;
  const sampling = new Uint32Array(8);
  new Float32Array(sampling.buffer).set([temperature, top_p, min_p, repetition_penalty]);
  sampling.set([top_k, SEED], 4);
  const padded = new Float32Array(vocab + REST).fill(UNTOUCHED);
  padded.set(logits);
  const marks = new Uint32Array(vocab + REST);
  for (const token of seen) marks[token] = 1;
  const result = await bench.run({
    storage: {
      logits: padded,
      seen: marks,
      tokens: Uint32Array.of(7, position, 0, 0, 0, position + 3, 11, 13),
      sampled: new Uint32Array(4),
    },
    uniforms: { sampling },
    size: {},
    dispatches: ({ batch: _, ...b }) => [sample({ vocab, ...b })],
  });
  expect([...result.logits.subarray(vocab)]).toEqual(new Array<number>(REST).fill(UNTOUCHED));
  const words = ({ buffer }: Float32Array): number[] => [...new Uint32Array(buffer)];
  const [token = NaN] = words(result.sampled);
  return {
    token,
    logprob: result.sampled[1] ?? NaN,
    seen: words(result.seen).flatMap((mark, id) => (mark === 0 ? [] : [id])),
    tokens: words(result.tokens),
  };
}

// 64 threads share the vocabulary; it may be smaller, no multiple, or a model's.
describe.each([1, 33, 257, 4099])('a vocabulary of %i', (vocab) => {
  const random = new HashRandom(vocab);
  const seen = Array.from({ length: Math.floor(vocab / 3) }, (_, i) => 3 * i);

  it.each<[string, Partial<twin.SamplingSettings>]>([
    ['temperature', { temperature: 0.7 }],
    ['top-k', { top_k: 5 }],
    ['top-p', { top_p: 0.6 }],
    ['min-p', { min_p: 0.2 }],
    ['repetition penalty', { repetition_penalty: 1.5 }],
    ['all of them', { temperature: 1.3, top_k: 20, top_p: 0.9, min_p: 0.05, repetition_penalty: 1.2 }],
    ['greed', { temperature: 0, repetition_penalty: 1.2 }],
  ])('draws what the twin draws by %s, and moves on', async (_, changes) => {
    const settings = { ...PLAIN, ...changes };
    for (let position = 0; position < DRAWS; position++) {
      const logits = randomRows(random, 1, vocab, 6);
      const drawn = await draw({ logits, seen, settings, position });
      const u = twin.uniformDraw(SEED, position);
      expect(drawn.token).toBe(twin.sample(logits, seen, settings, u));
      // Of the unchanged distribution.
      expect(drawn.logprob).toBeCloseTo(at(tokenLogprob(logits, [drawn.token]), 0), 4);
      expect(new Set(drawn.seen)).toEqual(new Set([...seen, drawn.token]));
      expect(drawn.tokens).toEqual([drawn.token, position + 1, 0, 0, 0, position + 4, 11, 13]);
    }
  });
});

describe('equal logits', () => {
  const logits = new Float64Array(257).map((_, i) => (i % 50 === 17 ? 4 : -1));

  it('give the lowest index to greed', async () => {
    const settings = { ...PLAIN, temperature: 0 };
    const { token } = await draw({ logits, seen: [], settings, position: 0 });
    expect(token).toBe(17);
  });

  it('all survive at a threshold', async () => {
    const drawn = new Set<number>();
    for (let position = 0; position < 60; position++) {
      const { token } = await draw({ logits, seen: [], settings: { ...PLAIN, top_k: 2 }, position });
      drawn.add(token);
    }
    expect([...drawn].sort((a, b) => a - b)).toEqual([17, 67, 117, 167, 217]);
  });
});
