import type { Receipt } from '../../src/shared/records';

/** A receipt of a kept update that nothing is known of but what is given. */
export function receiptOf(changes: Partial<Receipt>): Receipt {
  return {
    id: 'r',
    createdAt: 0,
    decision: 'kept',
    reason: '',
    model: 'm',
    parentVersion: 0,
    signalIds: [],
    heldOutIds: [],
    skipped: [],
    seed: 0,
    hyperparameters: {},
    losses: [],
    margins: [],
    figures: [],
    seconds: 0,
    ...changes,
  };
}
