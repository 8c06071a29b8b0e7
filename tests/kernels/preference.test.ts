import { describe, it } from 'vitest';
import { EXAMPLE_KIND, METRICS, preference } from '../../src/kernels/preference';
import {
  type PreferenceExample,
  preferenceLoss,
  type PreferenceSettings,
  type ReplyScore,
} from '../reference/preference';
import { HashRandom } from '../reference/random';
import { expectRows, KernelBench, ROW_COUNTS, untouchedRows } from '../support/kernel';

const bench = await KernelBench.open();

const KINDS = ['pair', 'up', 'down', 'sft'] as const;
const SETTINGS: PreferenceSettings = {
  beta: 0.3,
  label_smoothing: 0.1,
  sft_weight: 0.2,
  z0: 0.4,
  lambda_up: 1,
  lambda_down: 1,
};

/** Examples of the kinds in turn, their sequences from the last to the first, and what the twin says of them. */
function batchOf(count: number, kinds: readonly (typeof KINDS)[number][], settings: PreferenceSettings) {
  const random = new HashRandom(count);
  const words = new Uint32Array(count * 4);
  const sequences: number[][] = [];
  const logprobs: number[] = [];
  const metrics: number[] = [];
  const coefficients: number[] = [];
  const reply = (): ReplyScore => {
    const start = logprobs.length;
    const tokens = 1 + random.below(6);
    logprobs.push(...random.array32(tokens, 2).map((value) => value - 3));
    const logprob = logprobs.slice(start).reduce((sum, value) => sum + value, 0);
    // Rewards of both signs, up to where a sigmoid is all but 0 or 1.
    const reference = Math.fround(logprob + 60 * (random.uniform() - 0.5));
    sequences.push([start, logprobs.length, reference]);
    return { logprob, reference, tokens };
  };
  for (let n = 0; n < count; n++) {
    const kind = kinds[n % kinds.length] ?? 'pair';
    const weight = Math.fround(random.uniform() + 0.1);
    const first = sequences.length;
    const example: PreferenceExample =
      kind === 'pair'
        ? { kind, weight, chosen: reply(), rejected: reply() }
        : { kind, weight, reply: reply() };
    words.set([EXAMPLE_KIND[kind], first, first + 1], n * 4);
    new Float32Array(words.buffer)[n * 4 + 3] = weight;
    const { loss, margin, chosen, coefficients: own } = preferenceLoss(example, settings);
    metrics.push(loss, margin, chosen);
    coefficients.push(...own);
  }
  const sequenceWords = new Uint32Array(sequences.length * 4);
  sequences.forEach(([start = NaN, end = NaN, reference = NaN], i) => {
    sequenceWords.set([start, end], i * 4);
    new Float32Array(sequenceWords.buffer)[i * 4 + 2] = reference;
  });
  return { words, sequenceWords, logprobs, metrics, coefficients };
}

describe.each([
  ['all kinds', KINDS, SETTINGS],
  ['no smoothing, likelihood or baseline', KINDS, { ...SETTINGS, label_smoothing: 0, sft_weight: 0, z0: 0 }],
  ...KINDS.map((kind) => [`${kind} alone`, [kind], SETTINGS] as const),
] as const)('%s', (_, kinds, settings) => {
  it.each(ROW_COUNTS)('gives losses, margins and coefficients of %i examples', async (count) => {
    const { words, sequenceWords, logprobs, metrics, coefficients } = batchOf(count, kinds, settings);
    const { beta, label_smoothing, sft_weight, z0 } = settings;
    const result = await bench.run({
      storage: {
        examples: words,
        sequences: sequenceWords,
        logprobs: Float32Array.from(logprobs),
        coefficients: untouchedRows(coefficients.length, 1),
        metrics: untouchedRows(count, METRICS.length),
      },
      uniforms: { loss: Float32Array.of(beta, label_smoothing, sft_weight, z0) },
      size: { examples: count, sequences: coefficients.length },
      dispatches: (b) => [preference(b)],
    });
    expectRows(result.metrics, metrics, 'metrics');
    expectRows(result.coefficients, coefficients, 'coefficients');
  });
});
