import type { GateFigure, Receipt, Signal } from '../../shared/records';
import { learnedBy } from '../../shared/signals';

/** What is known of a version. */
export interface VersionFacts {
  /** The signals it has learned, its ancestors' included, newest first. */
  learned: Signal[];
  /** How many of them were withdrawn afterwards. */
  withdrawn: number;
  /** With how many judgements it agrees; null where none were asked. */
  agreement: { agrees: number; count: number; heldOut: boolean } | null;
  /** Bits a token that texts it should still know cost more than under the base; null where that was not measured. */
  forgetting: number | null;
  /** Share of its strength that it was kept at. */
  scale: number;
}

/** @param signals newest first. */
export function factsOf(
  version: number,
  receipts: readonly Receipt[],
  signals: readonly Signal[],
): VersionFacts {
  const ids = learnedBy(receipts, version);
  const learned = signals.filter(({ id }) => ids.has(id));
  const receipt = receipts.find((one) => one.version === version);
  const agreement = accuracyOf(receipt);
  const anchors = figureOf(receipt, 'anchor_bits_per_token');
  return {
    learned,
    withdrawn: learned.filter(({ withdrawnAt }) => withdrawnAt !== undefined).length,
    agreement: agreement
      ? {
          agrees: Math.round(agreement.after * agreement.count * 2) / 2, // ties count half
          count: agreement.count,
          heldOut: agreement.name === 'held_out_accuracy',
        }
      : null,
    forgetting: anchors ? anchors.after - anchors.before : null,
    scale: receipt?.scale ?? 1,
  };
}

/** Of the judgements held out, or of those trained on where none were. */
export function accuracyOf(receipt: Receipt | undefined): GateFigure | undefined {
  return figureOf(receipt, 'held_out_accuracy') ?? figureOf(receipt, 'trained_accuracy');
}

/** What a receipt measured by that name. */
export function figureOf(receipt: Receipt | undefined, name: GateFigure['name']): GateFigure | undefined {
  return receipt?.figures.find((figure) => figure.name === name);
}
