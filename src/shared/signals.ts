import type { Receipt, Signal } from './records';

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

/** Active signals given since the last update ended, however it ended: a refusal waits for news, too. */
export function waitingSignals(signals: readonly Signal[], receipts: readonly Receipt[]): Signal[] {
  const last = receipts.reduce((time, { createdAt }) => Math.max(time, createdAt), 0);
  return activeSignals(signals).filter(({ createdAt }) => createdAt > last);
}
