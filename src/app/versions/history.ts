import type { Receipt } from '../../shared/records';
import { accuracyOf, figureOf } from './facts';

/** What an update has come to; NaN where it was not measured. */
export interface HistoryPoint {
  /** Undefined when the candidate was refused. */
  version: number | undefined;
  parentVersion: number;
  /** Share of the judgements it agrees with: of those held out, or of those trained on where none were. */
  accuracy: number;
  /** Bits a token that texts it should still know cost more than before anything was learned. */
  forgetting: number;
}

/** How the updates that came to a decision have done, one after the other. @param receipts oldest first. */
export function historyOf(receipts: readonly Receipt[]): HistoryPoint[] {
  return receipts
    .filter(({ decision }) => decision === 'kept' || decision === 'refused')
    .map((receipt) => {
      const anchors = figureOf(receipt, 'anchor_bits_per_token');
      return {
        version: receipt.version,
        parentVersion: receipt.parentVersion,
        accuracy: accuracyOf(receipt)?.after ?? NaN,
        forgetting: anchors ? anchors.after - anchors.before : NaN,
      };
    });
}
