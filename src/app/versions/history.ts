import type { GateFigure, Receipt } from '../shared/records';

/** What a kept update has come to; NaN where it was not measured. */
export interface HistoryPoint {
  version: number;
  /** Share of the judgements it agrees with: of those held out, or of those trained on where none were. */
  accuracy: number;
  /** Bits a token that texts it should still know cost more than before anything was learned. */
  forgetting: number;
}

/** How the kept updates have done, one after the other. */
export function historyOf(receipts: readonly Receipt[]): HistoryPoint[] {
  return receipts
    .flatMap(({ decision, version, figures }) => {
      if (decision !== 'kept' || version === undefined) return [];
      const find = (name: GateFigure['name']): GateFigure | undefined =>
        figures.find((figure) => figure.name === name);
      const anchors = find('anchor_bits_per_token');
      return {
        version,
        accuracy: (find('held_out_accuracy') ?? find('trained_accuracy'))?.after ?? NaN,
        forgetting: anchors ? anchors.after - anchors.before : NaN,
      };
    })
    .sort((a, b) => a.version - b.version);
}
