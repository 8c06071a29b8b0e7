import { describe, it } from 'vitest';
import { attention, attentionBackward, type AttentionInput, type Visibility } from './attention';
import { centralDifferences, expectClose } from './check';
import { linear, linearBackward, type StackedLora } from './linear';
import { HashRandom } from './random';
import { rmsNorm, rmsNormBackward } from './rms-norm';
import { rope, ropeBackward } from './rope';
import { swiglu, swigluBackward } from './swiglu';
import { tokenLogprob, tokenLogprobBackward } from './token-logprob';
import { dot } from './vector';

/** Each backward twin against central differences of its forward twin, contracted with a random cotangent. */

const TOLERANCE = { rtol: 1e-6, atolScale: 1e-7 };
const SIZES = [1, 33, 65];

/** Σ f()·cotangent as a scalar function. */
function contract(f: () => Float64Array, cotangent: Float64Array): () => number {
  return () => {
    const y = f();
    return dot(y, 0, cotangent, 0, y.length);
  };
}

describe.each(SIZES)('backward with %i columns', (n) => {
  const random = new HashRandom(100 + n);

  it('rms-norm', () => {
    const x = random.array(3 * n, 2);
    const weight = random.array(n, 2);
    const dy = random.array(3 * n);
    // eps as large as the signal: with one column the gradient is only due to it.
    const numeric = centralDifferences(
      contract(() => rmsNorm(x, weight, 0.5), dy),
      x,
    );
    expectClose(rmsNormBackward(x, weight, 0.5, dy), numeric, TOLERANCE);
  });

  it('swiglu', () => {
    const gateUp = random.array(2 * 2 * n, 3);
    const dh = random.array(2 * n);
    const numeric = centralDifferences(
      contract(() => swiglu(gateUp, n), dh),
      gateUp,
    );
    expectClose(swigluBackward(gateUp, n, dh), numeric, TOLERANCE);
  });

  it('rope', () => {
    const shape = { heads: 3, headDim: 2 * n, theta: 100 };
    const positions = [0, 7, 3];
    const x = random.array(3 * 3 * 2 * n);
    const dy = random.array(x.length);
    const numeric = centralDifferences(
      contract(() => rope(x, positions, shape), dy),
      x,
    );
    expectClose(ropeBackward(dy, positions, shape), numeric, TOLERANCE);
  });

  it('linear with stacked LoRA', () => {
    const [tokens, rank, parts] = [3, 2, [n, 2, 5]];
    const out = n + 7;
    const w = random.array(out * n);
    const x = random.array(tokens * n);
    const lora: StackedLora = {
      rank,
      scale: 1.5,
      parts,
      a: random.array(3 * rank * n),
      b: random.array(out * rank),
    };
    const dy = random.array(tokens * out);
    const f = contract(() => linear(x, w, n, lora), dy);
    const { dx, da, db } = linearBackward(x, w, n, lora, dy);
    expectClose(dx, centralDifferences(f, x), TOLERANCE, 'dx');
    expectClose(da, centralDifferences(f, lora.a), TOLERANCE, 'da');
    expectClose(db, centralDifferences(f, lora.b), TOLERANCE, 'db');
    const plain = contract(() => linear(x, w, n, null), dy);
    expectClose(linearBackward(x, w, n, null, dy).dx, centralDifferences(plain, x), TOLERANCE, 'dx, no LoRA');
  });

  it('token log-probability', () => {
    const vocabulary = n + 1;
    const targets = [0, n, n >> 1];
    const logits = random.array(3 * vocabulary, 4);
    const numeric = centralDifferences(
      contract(() => tokenLogprob(logits, targets), Float64Array.of(1, 1, 1)),
      logits,
    );
    expectClose(tokenLogprobBackward(logits, targets), numeric, TOLERANCE);
  });
});

describe('attention backward', () => {
  const random = new HashRandom(3);
  const causal = (row: number): Visibility => ({ prefix_start: 0, prefix_end: 0, own_start: 0, row });
  const branches: Visibility[] = [
    { prefix_start: 1, prefix_end: 3, own_start: 5, row: 5 },
    { prefix_start: 1, prefix_end: 3, own_start: 5, row: 7 },
    { prefix_start: 0, prefix_end: 0, own_start: 2, row: 4 },
  ];
  const cases = [
    { name: 'causal', visibility: [causal(0), causal(1), causal(2)], headDim: 3 },
    { name: 'prefix and branches', visibility: branches, headDim: 5 },
    { name: 'one element a head', visibility: branches, headDim: 1 },
  ];

  it.each(cases)('$name', ({ visibility, headDim }) => {
    const [heads, kvHeads, capacity] = [4, 2, 9];
    const input: AttentionInput = {
      q: random.array(visibility.length * heads * headDim, 2),
      k: random.array(kvHeads * capacity * headDim, 2),
      v: random.array(kvHeads * capacity * headDim),
      visibility,
      shape: { heads, kvHeads, headDim, capacity },
    };
    const dout = random.array(visibility.length * heads * headDim);
    const f = contract(() => attention(input).out, dout);
    const { dq, dk, dv } = attentionBackward(input, dout);
    expectClose(dq, centralDifferences(f, input.q), TOLERANCE, 'dq');
    expectClose(dk, centralDifferences(f, input.k), TOLERANCE, 'dk');
    expectClose(dv, centralDifferences(f, input.v), TOLERANCE, 'dv');
  });
});
