import type { AdapterSummary, ChatTurn, Receipt, Signal } from './records';

/** Signals that count: a later one that takes their place withdraws them. */
export function activeSignals(signals: readonly Signal[]): Signal[] {
  return signals.filter(({ withdrawnAt }) => withdrawnAt === undefined);
}

/**
 * Whether a signal takes the place of an earlier one: both are of the same reply, or lone thumbs that contradict each
 * other on the same text after the same turns.
 */
export function replaces(later: Signal, earlier: Signal): boolean {
  if (later.messageId === earlier.messageId) return true;
  const text = (thumb: Signal, side: 'chosen' | 'rejected'): string | undefined =>
    thumb.kind === 'up' || thumb.kind === 'down' ? thumb[side] : undefined;
  const judged = text(later, 'chosen') ?? text(later, 'rejected');
  const contrary = later.kind === 'up' ? text(earlier, 'rejected') : text(earlier, 'chosen');
  return judged !== undefined && judged === contrary && sameTurns(later.context, earlier.context);
}

function sameTurns(a: readonly ChatTurn[], b: readonly ChatTurn[]): boolean {
  return (
    a.length === b.length &&
    a.every(({ role, content }, i) => role === b[i]?.role && content === b[i].content)
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

/** A version and those that it grew out of, the latest first, but for the base. */
export function lineageOf(
  receipts: readonly Pick<Receipt, 'version' | 'parentVersion'>[],
  version: number,
): number[] {
  const lineage: number[] = [];
  for (let at = version; at > 0;) {
    lineage.push(at);
    const parent = receipts.find((receipt) => receipt.version === at)?.parentVersion ?? 0;
    at = parent < at ? parent : 0; // what is damaged must not lead in circles
  }
  return lineage;
}

/** Receipts of a version and of those that it grew out of. */
function receiptsOf(receipts: readonly Receipt[], version: number): Receipt[] {
  const lineage = new Set<number | undefined>(lineageOf(receipts, version));
  return receipts.filter((receipt) => lineage.has(receipt.version));
}

/** Ids of the signals that a version has learned, its ancestors' included. Version 0, the base, has learned none. */
export function learnedBy(receipts: readonly Receipt[], version: number): Set<string> {
  return new Set(receiptsOf(receipts, version).flatMap(({ signalIds }) => signalIds));
}

/**
 * Whether a version may have learned what nobody knows of here: it grew out of an adapter from elsewhere, or is one. An
 * adapter that comes back has the signals of the version that it was.
 */
export function hasUnknownPast(receipts: readonly Receipt[], version: number): boolean {
  return receiptsOf(receipts, version).some(
    ({ decision, signalIds }) => decision === 'imported' && signalIds.length === 0,
  );
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
  const clean = lineageOf(receipts, version).find(
    (at) => isStored(at) && !learnedBy(receipts, at).has(signalId),
  );
  return clean ?? 0;
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
