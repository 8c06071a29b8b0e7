import type { AdapterSummary, Receipt, Signal } from './records';

/** Signals that count: not withdrawn, and of several thumbs on one reply only the last. */
export function activeSignals(signals: readonly Signal[]): Signal[] {
  const lastThumb = new Map<string, string>();
  for (const { id, kind, messageId, withdrawnAt } of signals) {
    if (withdrawnAt === undefined && (kind === 'up' || kind === 'down')) lastThumb.set(messageId, id);
  }
  return signals.filter(({ id, kind, messageId, withdrawnAt }) => {
    if (withdrawnAt !== undefined) return false;
    return (kind !== 'up' && kind !== 'down') || lastThumb.get(messageId) === id;
  });
}

/** Whether two signals are of one reply, or lone thumbs of the same text after the same turns: the later one counts. */
export function judgeTheSame(a: Signal, b: Signal): boolean {
  if (a.messageId === b.messageId) return true;
  const texts = (signal: Signal): string[] =>
    [signal.chosen, signal.rejected].filter((text) => text !== undefined);
  const [ofA, ofB] = [texts(a), texts(b)];
  return (
    ofA.length === 1 &&
    ofB.length === 1 &&
    ofA[0] === ofB[0] &&
    a.context.length === b.context.length &&
    a.context.every(
      ({ role, content }, i) => role === b.context[i]?.role && content === b.context[i]?.content,
    )
  );
}

/** What an update made of a signal. */
export type SignalOutcome =
  | { state: 'learned'; version: number }
  /** Kept from training: it judges updates. */
  | { state: 'held-out' }
  /** An update that used it was refused, and none has been kept since. */
  | { state: 'tried' }
  | { state: 'skipped'; reason: string };

/**
 * What became of each signal, by its id; one without an entry waits. Receipts alone say so: with another base model
 * all signals wait anew, and those of a cancelled or failed update still wait.
 * @param receipts oldest first.
 */
export function signalOutcomes(receipts: readonly Receipt[], model: string): Map<string, SignalOutcome> {
  const outcomes = new Map<string, SignalOutcome>();
  for (const { decision, version, signalIds, heldOutIds, skipped, model: trained } of receipts) {
    if (trained !== model || (decision !== 'kept' && decision !== 'refused')) continue;
    for (const { signalId, reason } of skipped) outcomes.set(signalId, { state: 'skipped', reason });
    for (const id of heldOutIds) outcomes.set(id, { state: 'held-out' });
    for (const id of signalIds) {
      if (outcomes.get(id)?.state === 'learned') continue;
      outcomes.set(id, version === undefined ? { state: 'tried' } : { state: 'learned', version });
    }
  }
  return outcomes;
}

/** Ids of the signals that a version has learned, its ancestors' included. Version 0, the base, has learned none. */
export function learnedBy(receipts: readonly Receipt[], version: number): Set<string> {
  const learned = new Set<string>();
  for (let at = version; at > 0;) {
    const receipt = receipts.find((one) => one.version === at);
    for (const id of receipt?.signalIds ?? []) learned.add(id);
    at = receipt?.parentVersion ?? 0;
  }
  return learned;
}

/**
 * The nearest ancestor of a version, itself included, that is still stored and has not learned a signal; in the end the
 * base.
 */
export function versionWithout(
  receipts: readonly Receipt[],
  stored: readonly Pick<AdapterSummary, 'version'>[],
  version: number,
  signalId: string,
): number {
  const isStored = (wanted: number): boolean => stored.some((adapter) => adapter.version === wanted);
  let at = version;
  while (at > 0 && (!isStored(at) || learnedBy(receipts, at).has(signalId))) {
    at = receipts.find((receipt) => receipt.version === at)?.parentVersion ?? 0;
  }
  return at;
}

/** Active signals that no update has dealt with. */
export function waitingSignals(
  signals: readonly Signal[],
  receipts: readonly Receipt[],
  model: string,
): Signal[] {
  const outcomes = signalOutcomes(receipts, model);
  return activeSignals(signals).filter(({ id }) => !outcomes.has(id));
}
