import { describe, expect, it } from 'vitest';
import { divergence, DIVERGENCE_WORDS } from '../../src/kernels/divergence';
import * as twin from '../reference/divergence';
import { HashRandom } from '../reference/random';
import { expectRows, KernelBench, randomRows, ROW_COUNTS, UNTOUCHED, untouchedRows } from '../support/kernel';

const bench = await KernelBench.open();
/** Targets in front of the chunk's first. */
const START = 2;

// Differences of logits of up to ±1000 in float32, and its exp.
const TOLERANCE = { rtol: 1e-4, atolScale: 1e-4 };

// 32 threads share a row; a vocabulary needs to be no multiple of anything.
describe.each([7, 96, 257])('a vocabulary of %i', (vocab) => {
  const random = new HashRandom(vocab + 1);

  it.each(ROW_COUNTS)('compares the predictions of %i rows', async (rows) => {
    const p = randomRows(random, rows, vocab, 8);
    const q = randomRows(random, rows, vocab, 8);
    // What both models share does not count, and nothing overflows where all logits are large.
    for (let i = 0; i < vocab; i++) {
      p[i] = Math.fround((p[i] ?? NaN) + 1000);
      q[i] = Math.fround((q[i] ?? NaN) - 500);
    }
    const ends = Array.from({ length: rows }, (_, r) => (3 * r) % vocab);
    const result = await bench.run({
      storage: {
        p: Float32Array.from(p),
        q: Float32Array.from(q),
        targets: targetsOf([...new Array<number>(START).fill(0), ...ends]),
        divergences: untouchedRows(START + rows, DIVERGENCE_WORDS),
      },
      uniforms: { chunk: Uint32Array.of(rows, START, 0, 0) },
      size: { tokens: rows },
      dispatches: ({ chunk, ...b }) => [divergence({ vocab, chunk, ...b })],
    });
    const before = START * DIVERGENCE_WORDS;
    expect([...result.divergences.subarray(0, before)]).toEqual(new Array<number>(before).fill(UNTOUCHED));
    const expected = twin.divergence(p, q, ends, vocab);
    expectRows(result.divergences.subarray(before), expected, 'divergences', TOLERANCE);
  });

  it('finds nothing between a model and itself', async () => {
    const p = Float32Array.from(randomRows(random, 1, vocab, 8));
    const result = await bench.run({
      storage: { p, targets: targetsOf([0]), divergences: untouchedRows(1, DIVERGENCE_WORDS) },
      uniforms: { chunk: Uint32Array.of(1, 0, 0, 0) },
      size: { tokens: 1 },
      dispatches: ({ chunk, p: logits, ...b }) => [divergence({ vocab, chunk, p: logits, q: logits, ...b })],
    });
    expect(Math.abs(result.divergences[0] ?? NaN)).toBeLessThan(1e-6);
    expect(result.divergences[1]).toBe(result.divergences[2]);
  });
});

/** Targets [n, TARGET_WORDS] with nothing but the tokens that end their sequences. */
function targetsOf(ends: readonly number[]): Uint32Array<ArrayBuffer> {
  return Uint32Array.from(ends.flatMap((end) => [0, 0, 0, end]));
}
