import type { Signal } from '../shared/records';
import type { Hyperparameters } from '../training/types';

/** From this signal on every fourth is kept from training and judges the updates. */
const HELD_OUT_FROM = 8;
const HELD_OUT_EVERY = 4;

export interface UpdatePlan {
  /** New signals and all earlier ones, replayed. */
  train: Signal[];
  /** Never trained on, by any update. */
  heldOut: Signal[];
  hyperparameters: Hyperparameters;
}

/**
 * What the next update trains on and what judges it. Whether a signal is held out depends on its place among all
 * signals ever given, so that it never changes.
 * @param all every signal, withdrawn ones too, oldest first.
 * @param hyperparameters the model's.
 */
export function planUpdate(
  all: readonly Signal[],
  active: readonly Signal[],
  hyperparameters: Hyperparameters,
): UpdatePlan {
  const isHeldOut = new Set(all.filter((_, index) => judges(index)).map(({ id }) => id));
  const train = active.filter(({ id }) => !isHeldOut.has(id));
  return {
    train,
    heldOut: active.filter(({ id }) => isHeldOut.has(id)),
    hyperparameters: { ...hyperparameters, steps: stepsFor(train.length, hyperparameters) },
  };
}

/** Whether the signal at this place, of all ever given, judges updates instead of being trained on. */
export function judges(index: number): boolean {
  return index >= HELD_OUT_FROM && index % HELD_OUT_EVERY === HELD_OUT_EVERY - 1;
}

/** Fewer signals bear fewer steps before they are only learned by heart. */
export function stepsFor(count: number, { steps }: Hyperparameters): number {
  return Math.min(steps, 12 + count);
}
