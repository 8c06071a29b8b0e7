import { required } from '../shared/assert';
import type { GateFigure } from '../shared/records';

/** Whether nothing failed. */
export function passed(figures: readonly GateFigure[]): boolean {
  return figures.every((figure) => figure.passed);
}

/** Why a candidate is refused. */
export function refusal(figures: readonly GateFigure[]): string {
  return `Refused: ${complaint(figures)}.`;
}

/** Why a candidate is kept at `scale`, having failed, where that is less than 1, by the figures of its `full` scale. */
export function praise(figures: readonly GateFigure[], scale: number, full: readonly GateFigure[]): string {
  const accuracy = figures.find(({ name }) => name.endsWith('_accuracy'));
  const anchors = figures.find(({ name }) => name === 'anchor_bits_per_token');
  const kept = [accuracy && agreement(accuracy), anchors && `what it knew costs ${extraBits(anchors)}`]
    .filter((part) => part !== undefined)
    .join('; ');
  return scale === 1
    ? `Kept: ${kept}.`
    : `Kept at ${percent(scale)} of its strength: ${kept}. At full strength ${complaint(full)}.`;
}

/** What a candidate fails by: the first of what it fails. */
function complaint(figures: readonly GateFigure[]): string {
  const figure = required(
    figures.find((one) => !one.passed),
    'failed figure',
  );
  return COMPLAINTS[figure.name](figure);
}

const COMPLAINTS: Record<GateFigure['name'], (figure: GateFigure) => string> = {
  unseen_gain: ({ after, count }) =>
    `of ${count} judgements it had not seen it became surer of ${inHalves(after, count)}, which may be chance`,
  unseen_brier: () =>
    'its probabilities of judgements that it had not seen are worse than those of the one before',
  held_out_accuracy: agreement,
  trained_accuracy: agreement,
  held_out_margin: () => 'it is no surer of your judgements than the one before',
  trained_margin: () => 'it is no surer of your judgements than the one before',
  held_out_brier: () => 'its probabilities of your judgements are worse than those of the one before',
  trained_brier: () => 'its probabilities of your judgements are worse than those of the one before',
  earlier_accuracy: ({ before, after, count }) =>
    `it agrees with ${inHalves(after, count)} of ${count} earlier judgements, the one before with ${inHalves(before, count)}`,
  anchor_bits_per_token: (figure) =>
    `it forgets too much: texts it should still know cost ${extraBits(figure)}, ${figure.limit} are allowed`,
  own_kl_per_token: ({ after, limit }) =>
    `it has moved too far from the base: ${after.toFixed(2)} nats a token, ${limit} are allowed`,
  length_ratio: ({ after }) =>
    `its replies would be ${after.toFixed(1)} times as long, which your judgements do not ask for`,
  entropy_ratio: ({ after, limit }) =>
    `it has grown too sure of itself: its doubt is ${percent(after)} of what it was, ${percent(1 - limit)} is the least`,
  decline_log_odds: () => 'it would sooner do what it should decline',
  correct_log_odds: () => 'it would sooner agree with what is wrong',
};

function agreement({ name, before, after, count }: GateFigure): string {
  const what =
    name === 'held_out_accuracy'
      ? 'held-out judgements'
      : 'judgements it was trained on (too few yet to hold some back)';
  return `it agrees with ${inHalves(after, count)} of ${count} ${what}, the one before with ${inHalves(before, count)}`;
}

/** A share of a count, ties counted half. */
function inHalves(share: number, count: number): string {
  return String(Math.round(share * count * 2) / 2);
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}

function extraBits({ before, after }: GateFigure): string {
  const cost = after - before;
  return `${Math.abs(cost).toFixed(3)} bits a token ${cost < 0 ? 'less' : 'more'}`;
}
