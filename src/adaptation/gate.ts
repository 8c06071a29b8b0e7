import type { Sequence } from '../model/packed-batch';
import type { Score } from '../model/scorer';
import { required } from '../shared/assert';
import type { GateFigure } from '../shared/records';
import { sequencesOf } from '../training/examples';
import type { TrainingExample } from '../training/types';

/** Scores replies with the base model, the adapter in use, or the candidate at `scale` times its effect. */
export interface GateScorer {
  score(sequences: readonly Sequence[], which: 'base' | 'current' | { scale: number }): Promise<Score[]>;
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
  /** Measured at `scale`. */
  figures: GateFigure[];
  scale: number;
}

/** What a candidate is tried at. Near the base, forgetting grows with the square of the scale, what is learned linearly. */
const SCALES = [1, 0.5];

/** Fewer held-out signals than this say nothing: the trained ones are judged instead. */
const LEAST_HELD_OUT = 2;

/**
 * Judges a candidate adapter: does it order the user's judgements better than the adapter in use, and does it still
 * know what it knew? Held-out signals decide where there are any; before that, the signals trained on, and the
 * sentence says so. What fails is measured once more at half its scale.
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
  const baseBits = (anchors.baseBits ??= bitsPerToken(await scorer.score(anchors.sequences, 'base')));
  const prefix = useHeldOut ? 'held_out' : 'trained';
  const measure = async (scale: number): Promise<Figures> => {
    const after = judge(judges, await scorer.score(sequences, { scale }), reference);
    const bits = bitsPerToken(await scorer.score(anchors.sequences, { scale }));
    return {
      accuracy: {
        name: `${prefix}_accuracy`,
        before: before.correct / judges.length,
        after: after.correct / judges.length,
        limit: 0,
        count: judges.length,
        passed: after.correct >= before.correct,
      },
      margin: {
        name: `${prefix}_margin`,
        before: before.margin,
        after: after.margin,
        limit: 0,
        count: judges.length,
        passed: after.margin > before.margin,
      },
      anchors: {
        name: 'anchor_bits_per_token',
        before: baseBits,
        after: bits,
        limit: limits.forgetting,
        count: anchors.sequences.length,
        passed: bits - baseBits <= limits.forgetting,
      },
    };
  };
  let first: Figures | undefined;
  for (const scale of SCALES) {
    const figures = await measure(scale);
    first ??= figures;
    if (Object.values(figures).every(({ passed }) => passed)) {
      return { kept: true, scale, reason: praise(figures, first), figures: Object.values(figures) };
    }
  }
  const figures = required(first, 'figures');
  return {
    kept: false,
    scale: 1,
    reason: `Refused: ${complaint(figures)}.`,
    figures: Object.values(figures),
  };
}

type Figures = Record<'accuracy' | 'margin' | 'anchors', GateFigure>;

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

/** Why a candidate is kept, perhaps at less than the scale it failed at. */
function praise(figures: Figures, full: Figures): string {
  const kept = `${agreement(figures.accuracy)}; what it knew costs ${extraBits(figures.anchors)}`;
  return figures === full
    ? `Kept: ${kept}.`
    : `Kept at half strength: ${kept}. At full strength ${complaint(full)}.`;
}

/** What a candidate fails by. */
function complaint({ accuracy, margin, anchors }: Figures): string {
  if (!accuracy.passed) return agreement(accuracy);
  if (!margin.passed) return 'it is no surer of your judgements than the one before';
  return `it forgets too much: texts it should still know cost ${extraBits(anchors)}, ${anchors.limit} are allowed`;
}

function agreement({ name, before, after, count }: GateFigure): string {
  const what =
    name === 'held_out_accuracy'
      ? 'held-out judgements'
      : 'judgements it was trained on (too few yet to hold some back)';
  const right = (share: number): string => String(Math.round(share * count * 2) / 2);
  return `it agrees with ${right(after)} of ${count} ${what}, the one before with ${right(before)}`;
}

function extraBits({ before, after }: GateFigure): string {
  const cost = after - before;
  return `${Math.abs(cost).toFixed(3)} bits a token ${cost < 0 ? 'less' : 'more'}`;
}
