import { describe, expect, it } from 'vitest';
import { tokenLogprob } from '../../src/kernels/token-logprob';
import { HashRandom } from '../reference/random';
import * as twin from '../reference/token-logprob';
import { expectRows, KernelBench, randomRows, ROW_COUNTS, UNTOUCHED, untouchedRows } from '../support/kernel';

const bench = await KernelBench.open();
/** Targets in front of the chunk's first. */
const START = 3;

// The gradient's tolerance is that of float32's exp at logits of up to ±20.
const TOLERANCE = { rtol: 2e-5, atolScale: 2e-5 };

// 32 threads share a row; a vocabulary needs to be no multiple of anything.
describe.each([7, 96, 257])('a vocabulary of %i', (vocab) => {
  const random = new HashRandom(vocab);

  it.each(ROW_COUNTS)('scores a chunk of %i targets, and overwrites the logits when asked', async (rows) => {
    const logits = randomRows(random, rows, vocab, 20);
    // Nothing overflows where all logits are large.
    for (let i = 0; i < vocab; i++) logits[i] = Math.fround((logits[i] ?? NaN) + 1000);
    const goals = Array.from({ length: rows }, (_, r) => (r === 0 ? vocab - 1 : (r * 5) % vocab));
    const targets = new Uint32Array((START + rows) * 4).fill(vocab - 2);
    goals.forEach((token, r) => targets.set([r, token, 0, 0], (START + r) * 4));
    const filled = untouchedRows(rows, vocab);
    filled.set(logits);
    const result = await bench.run({
      storage: {
        targets,
        kept: filled,
        logits: filled,
        scored: untouchedRows(START + rows, 1),
        logprobs: untouchedRows(START + rows, 1),
      },
      uniforms: { chunk: Uint32Array.of(rows, START, 0, 0) },
      size: { tokens: rows },
      dispatches: ({ targets: t, chunk, ...b }) => {
        const common = { vocab, targets: t, chunk };
        return [
          tokenLogprob({ ...common, gradient: false, logits: b.kept, logprobs: b.scored }),
          tokenLogprob({ ...common, gradient: true, logits: b.logits, logprobs: b.logprobs }),
        ];
      },
    });
    expectRows(result.kept, logits, 'logits without a gradient', { rtol: 0, atolScale: 0 });
    expectRows(result.logits, twin.tokenLogprobBackward(logits, goals), 'gradient', TOLERANCE);
    for (const logprobs of [result.scored, result.logprobs]) {
      expect([...logprobs.subarray(0, START)]).toEqual(new Array<number>(START).fill(UNTOUCHED));
      expectRows(logprobs.subarray(START), twin.tokenLogprob(logits, goals), 'logprobs', TOLERANCE);
    }
  });
});
