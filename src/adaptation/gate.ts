import type { Sequence } from '../model/packed-batch';
import type { Score } from '../model/scorer';
import type { GateFigure } from '../shared/records';
import { sequencesOf } from '../training/examples';
import type { TrainingExample } from '../training/types';

/** Scores replies with the base model, the adapter in use, or the candidate. */
export interface GateScorer {
  score(sequences: readonly Sequence[], which: 'base' | 'current' | 'candidate'): Promise<Score[]>;
}

/** Texts that measure forgetting. */
export interface Anchors {
  sequences: readonly Sequence[];
  /** The base model's bits per token: measured by the first gate, and the same ever after. */
  baseBits?: number;
}

export interface GateLimits {
  /** Most bits per token that the anchor texts may cost more than under the base model. */
  forgetting: number;
}

export const GATE_LIMITS: GateLimits = { forgetting: 0.08 };

export interface GateResult {
  kept: boolean;
  /** One sentence for people. */
  reason: string;
  figures: GateFigure[];
}

/** Fewer held-out signals than this say nothing: the trained ones are judged instead. */
const LEAST_HELD_OUT = 2;

/**
 * Judges a candidate adapter: does it order the user's judgements better than the adapter in use, and does it still
 * know what it knew? Held-out signals decide where there are any; before that, the signals trained on, and the
 * sentence says so.
 */
export async function runGate(
  scorer: GateScorer,
  trained: readonly TrainingExample[],
  heldOut: readonly TrainingExample[],
  anchors: Anchors,
  limits: GateLimits = GATE_LIMITS,
): Promise<GateResult> {
  const useHeldOut = heldOut.length >= LEAST_HELD_OUT;
  const judges = useHeldOut ? heldOut : trained;
  const sequences = judges.flatMap(sequencesOf);
  const reference = await scorer.score(sequences, 'base');
  const before = judge(judges, await scorer.score(sequences, 'current'), reference);
  const after = judge(judges, await scorer.score(sequences, 'candidate'), reference);
  anchors.baseBits ??= bitsPerToken(await scorer.score(anchors.sequences, 'base'));
  const base = anchors.baseBits;
  const candidate = bitsPerToken(await scorer.score(anchors.sequences, 'candidate'));
  const accuracy: GateFigure = {
    name: 'held_out_accuracy',
    before: before.correct / judges.length,
    after: after.correct / judges.length,
    limit: 0,
    count: judges.length,
    passed: after.correct >= before.correct,
  };
  const margin: GateFigure = {
    name: 'held_out_margin',
    before: before.margin,
    after: after.margin,
    limit: 0,
    count: judges.length,
    passed: after.margin > before.margin,
  };
  const anchorBits: GateFigure = {
    name: 'anchor_bits_per_token',
    before: base,
    after: candidate,
    limit: limits.forgetting,
    count: anchors.sequences.length,
    passed: candidate - base <= limits.forgetting,
  };
  const figures = [accuracy, margin, anchorBits];
  return { kept: figures.every(({ passed }) => passed), reason: sentence(figures, useHeldOut), figures };
}

interface Judgement {
  correct: number;
  /** Mean, in nats. */
  margin: number;
}

/** Margins of the implicit reward log π − log π_ref: chosen less rejected, or the reward itself for lone thumbs. */
function judge(
  examples: readonly TrainingExample[],
  scores: readonly Score[],
  reference: readonly Score[],
): Judgement {
  let next = 0;
  const reward = (): number => {
    const index = next++;
    return (scores[index]?.logprob ?? 0) - (reference[index]?.logprob ?? 0);
  };
  const margins = examples.map((example) => {
    if (example.kind === 'pair') return reward() - reward();
    return example.kind === 'thumb' && !example.up ? -reward() : reward();
  });
  return {
    // A tie, as the base has everywhere, is half right.
    correct: margins.reduce((sum, margin) => sum + (margin > 0 ? 1 : margin === 0 ? 0.5 : 0), 0),
    margin: margins.reduce((sum, margin) => sum + margin, 0) / margins.length,
  };
}

/** Bits per token of texts. */
export function bitsPerToken(scores: readonly Score[]): number {
  const logprob = scores.reduce((sum, score) => sum + score.logprob, 0);
  const tokens = scores.reduce((sum, score) => sum + score.tokens, 0);
  return -logprob / tokens / Math.LN2;
}

function sentence([accuracy, margin, anchors]: GateFigure[], heldOut: boolean): string {
  if (!accuracy || !margin || !anchors) return '';
  const what = heldOut
    ? 'held-out judgements'
    : 'judgements it was trained on (too few yet to hold some back)';
  const right = (share: number): string => String(Math.round(share * accuracy.count * 2) / 2);
  const counts = `it agrees with ${right(accuracy.after)} of ${accuracy.count} ${what}, the one before with ${right(accuracy.before)}`;
  const cost = (anchors.after - anchors.before).toFixed(3);
  if (!accuracy.passed) return `Refused: ${counts}.`;
  if (!margin.passed) return `Refused: it is no surer of your judgements than the one before.`;
  if (!anchors.passed) {
    return `Refused: it forgets too much (${cost} bits a token on texts it should still know; ${anchors.limit} are allowed).`;
  }
  return `Kept: ${counts}; what it knew costs ${cost} bits a token.`;
}
