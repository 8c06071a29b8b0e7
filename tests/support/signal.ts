import type { Signal } from '../../src/shared/records';

/** A thumb up of which nothing is known but what is given. */
export function signalOf(changes: Partial<Signal>): Signal {
  return {
    id: 's',
    kind: 'up',
    createdAt: 0,
    conversationId: 'c',
    messageId: 'm',
    context: [],
    chosen: 'Yes.',
    adapter: 0,
    model: 'm',
    ...changes,
  };
}
