import type { Receipt, Signal } from '../shared/records';
import { lineageOf } from '../shared/signals';

/** Mistakes in excess of the mean that are put down to chance, and how many more than that are not. */
const TOLERANCE = 0.1;
const THRESHOLD = 2.5;

/** What judgements given before the user's taste changed still count. */
export const OLD_WEIGHT = 0.25;

/**
 * Page–Hinkley test for a rising mean (Page 1954; as in Gama et al. 2014, section 3.2.2): m_t = Σ (x_i − x̄_i − δ), alarm
 * when m_t − min m > λ. After an alarm it begins anew, so that the last of several changes is found.
 * @param losses in the order in which they were suffered.
 * @returns the index of the first loss after the last change, or 0.
 */
export function lastChange(losses: readonly number[], delta = TOLERANCE, lambda = THRESHOLD): number {
  let change = 0;
  let [sum, count, m, least, leastAt] = [0, 0, 0, 0, 0];
  losses.forEach((loss, index) => {
    sum += loss;
    count++;
    m += loss - sum / count - delta;
    if (m <= least) [least, leastAt] = [m, index + 1];
    if (m - least <= lambda) return;
    change = leastAt;
    // What came after the change is where the next one is looked for.
    [sum, count, m, least] = [0, 0, 0, 0];
    for (const later of losses.slice(change, index + 1)) {
      sum += later;
      count++;
    }
    leastAt = index + 1;
  });
  return change;
}

/** What tells of earlier predictions. */
export type Predictor = Pick<Receipt, 'model' | 'version' | 'parentVersion' | 'predictions'>;

/**
 * By which margin, in nats, each signal was predicted by a version and those that it grew out of, which had not learned
 * from it (prequentially, Dawid 1984). The first prediction counts: a signal whose update was refused is met again. What
 * the base, which knows nothing of the user, another branch or another model foresaw does not count.
 */
export function predictionsOf(
  receipts: readonly Predictor[],
  version: number,
  model: string,
): Map<string, number> {
  const lineage = new Set(lineageOf(receipts, version));
  const margins = new Map<string, number>();
  for (const receipt of receipts) {
    if (receipt.model !== model || !lineage.has(receipt.parentVersion)) continue;
    for (const [id, margin] of Object.entries(receipt.predictions ?? {})) {
      if (!margins.has(id)) margins.set(id, margin);
    }
  }
  return margins;
}

/**
 * Ids of the signals from before the user's taste changed: from some signal on the predictions were wrong much more often
 * than before.
 * @param signals oldest first.
 * @param predictions margins by the signals' ids.
 */
export function outdatedSignals(
  signals: readonly Signal[],
  predictions: ReadonlyMap<string, number>,
): string[] {
  const predicted = signals.filter(({ id }) => predictions.has(id));
  const change = lastChange(predicted.map(({ id }) => ((predictions.get(id) ?? 0) > 0 ? 0 : 1)));
  const first = predicted[change];
  if (change === 0 || !first) return [];
  return signals.filter(({ createdAt }) => createdAt < first.createdAt).map(({ id }) => id);
}
