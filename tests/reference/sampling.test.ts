import { describe, expect, it } from 'vitest';
import { expectClose } from './check';
import { HashRandom } from './random';
import { distribution, penalize, sample, type SamplingSettings } from './sampling';

const PLAIN: SamplingSettings = {
  temperature: 1,
  top_k: 0,
  top_p: 1,
  min_p: 0,
  repetition_penalty: 1,
};
/** Probabilities 0.1, 0.4, 0.2, 0.05, 0.2, 0.05. */
const logits = Float64Array.of(0.1, 0.4, 0.2, 0.05, 0.2, 0.05).map(Math.log);

/** Indices that survive the filters. */
function survivors(settings: Partial<SamplingSettings>): number[] {
  const p = distribution(logits, { ...PLAIN, ...settings });
  return [...p.keys()].filter((token) => p[token] !== 0);
}

describe('sampling', () => {
  it('inverts the cumulative distribution in index order', () => {
    const draw = (u: number) => sample(logits, [], PLAIN, u);
    expect([0, 0.0999, 0.1001, 0.4999, 0.5001, 0.71, 0.76, 0.9999].map(draw)).toEqual([
      0, 0, 1, 1, 2, 3, 4, 5,
    ]);
  });

  it('draws tokens as often as they are likely', () => {
    const random = new HashRandom(6);
    const counts = new Float64Array(6);
    for (let n = 0; n < 20000; n++) {
      const token = sample(logits, [], PLAIN, random.uniform());
      counts[token] = (counts[token] ?? NaN) + 1 / 20000;
    }
    expectClose(counts, [0.1, 0.4, 0.2, 0.05, 0.2, 0.05], { rtol: 0, atolScale: 0.03 });
  });

  it('top-k keeps ties with the k-th', () => {
    expect(survivors({ top_k: 1 })).toEqual([1]);
    expect(survivors({ top_k: 2 })).toEqual([1, 2, 4]);
    expect(survivors({ top_k: 3 })).toEqual([1, 2, 4]);
    expect(survivors({ top_k: 99 })).toEqual([0, 1, 2, 3, 4, 5]);
  });

  it('top-p takes the smallest likeliest set, of the mass that top-k left', () => {
    expect(survivors({ top_p: 0.39 })).toEqual([1]);
    expect(survivors({ top_p: 0.41 })).toEqual([1, 2, 4]);
    expect(survivors({ top_p: 0.81 })).toEqual([0, 1, 2, 4]);
    // Of 0.8 the first token has one half.
    expect(survivors({ top_k: 3, top_p: 0.49 })).toEqual([1]);
    expect(survivors({ top_k: 3, top_p: 0.51 })).toEqual([1, 2, 4]);
  });

  it('min-p compares with the likeliest', () => {
    expect(survivors({ min_p: 0.49 })).toEqual([1, 2, 4]);
    expect(survivors({ min_p: 0.2 })).toEqual([0, 1, 2, 4]);
  });

  it('temperature sharpens', () => {
    const p = distribution(logits, { ...PLAIN, temperature: 0.5 });
    expectClose(p, [1 / 16, 1, 1 / 4, 1 / 64, 1 / 4, 1 / 64], { rtol: 1e-12, atolScale: 1e-12 });
  });

  it('temperature 0 takes the likeliest, the lowest index among equals, after the penalty', () => {
    const greedy = { ...PLAIN, temperature: 0 };
    expect(sample(logits, [], greedy, 0.999)).toBe(1);
    expect(sample(logits, [1], { ...greedy, repetition_penalty: 10 }, 0)).toBe(2);
  });

  it('penalizes a seen token once, by its sign', () => {
    const penalized = penalize(Float64Array.of(2, -2, 3, 0), [0, 1, 0, 0, 3], 2);
    expect([...penalized]).toEqual([1, -4, 3, 0]);
  });
});
