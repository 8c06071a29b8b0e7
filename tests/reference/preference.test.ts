import { describe, expect, it } from 'vitest';
import { centralDifferences, expectClose } from './check';
import {
  preferenceLoss,
  type PreferenceExample,
  type PreferenceSettings,
  type ReplyScore,
} from './preference';
import { at } from './vector';

const SETTINGS: PreferenceSettings = {
  beta: 0.1,
  label_smoothing: 0.1,
  sft_weight: 0.2,
  z0: 0.3,
  lambda_up: 1.1,
  lambda_down: 1.3,
};
const TOLERANCE = { rtol: 1e-7, atolScale: 1e-8 };
const score = (logprob: number, reference: number, tokens: number): ReplyScore => ({
  logprob,
  reference,
  tokens,
});

/** The example with its log-probabilities replaced. */
function withLogprobs(example: PreferenceExample, logprobs: Float64Array): PreferenceExample {
  if (example.kind !== 'pair') {
    return { ...example, reply: { ...example.reply, logprob: at(logprobs, 0) } };
  }
  return {
    ...example,
    chosen: { ...example.chosen, logprob: at(logprobs, 0) },
    rejected: { ...example.rejected, logprob: at(logprobs, 1) },
  };
}

const EXAMPLES: PreferenceExample[] = [
  { kind: 'pair', weight: 0.7, chosen: score(-10, -14, 5), rejected: score(-21, -18, 9) },
  { kind: 'pair', weight: 1, chosen: score(-30, -14, 5), rejected: score(-9, -18, 9) },
  { kind: 'up', weight: 0.4, reply: score(-12, -15, 6) },
  { kind: 'down', weight: 0.4, reply: score(-12, -15, 6) },
  { kind: 'sft', weight: 2, reply: score(-12, 0, 6) },
];

describe('preference losses', () => {
  it.each(EXAMPLES)('coefficients of $kind are the derivative of the loss', (example) => {
    const replies = example.kind === 'pair' ? [example.chosen, example.rejected] : [example.reply];
    const logprobs = Float64Array.from(replies, (reply) => reply.logprob);
    const f = () => preferenceLoss(withLogprobs(example, logprobs), SETTINGS).loss;
    const numeric = centralDifferences(f, logprobs);
    expectClose(preferenceLoss(example, SETTINGS).coefficients, numeric, TOLERANCE);
  });

  it('reports margins without the weight', () => {
    const margins = EXAMPLES.map((example) => preferenceLoss(example, SETTINGS).margin);
    expectClose(margins, [0.7, -2.5, 0.3, -0.3, 0], { rtol: 1e-12, atolScale: 1e-12 });
  });

  it('is plain DPO without smoothing and SFT: log 2 at the reference', () => {
    const example: PreferenceExample = {
      kind: 'pair',
      weight: 1,
      chosen: score(-3, -3, 2),
      rejected: score(-5, -5, 2),
    };
    const { loss, coefficients } = preferenceLoss(example, {
      ...SETTINGS,
      label_smoothing: 0,
      sft_weight: 0,
    });
    expect(loss).toBeCloseTo(Math.LN2, 12);
    expectClose(coefficients, [-0.05, 0.05], { rtol: 1e-12, atolScale: 1e-12 });
  });

  it('is unbiased under label flips: the mean over flips is the loss of the true label', () => {
    const chosen = score(-10, -14, 5);
    const rejected = score(-21, -18, 9);
    const loss = (kept: boolean, label_smoothing: number) =>
      preferenceLoss(
        {
          kind: 'pair',
          weight: 1,
          chosen: kept ? chosen : rejected,
          rejected: kept ? rejected : chosen,
        },
        { ...SETTINGS, sft_weight: 0, label_smoothing },
      ).loss;
    expect(0.9 * loss(true, 0.1) + 0.1 * loss(false, 0.1)).toBeCloseTo(loss(true, 0), 12);
  });

  it('with z0 = 0 and λ = 1 is APO-zero: 1 − σ(r) and σ(r)', () => {
    const apo = { ...SETTINGS, z0: 0, lambda_up: 1, lambda_down: 1, sft_weight: 0 };
    const reply = score(-12, -15, 6);
    const s = 1 / (1 + Math.exp(-0.3));
    expect(preferenceLoss({ kind: 'up', weight: 1, reply }, apo).loss).toBeCloseTo(1 - s, 12);
    expect(preferenceLoss({ kind: 'down', weight: 1, reply }, apo).loss).toBeCloseTo(s, 12);
  });

  it('stays finite for margins of any size', () => {
    for (const logprob of [-1e5, 1e5]) {
      const pair: PreferenceExample = {
        kind: 'pair',
        weight: 1,
        chosen: score(logprob, 0, 5),
        rejected: score(-logprob, 0, 9),
      };
      const { loss, coefficients } = preferenceLoss(pair, SETTINGS);
      expect([loss, ...coefficients].every(Number.isFinite)).toBe(true);
    }
  });
});
