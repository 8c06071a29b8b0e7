import type { EngineEvent } from '../protocol/protocol';
import type { UpdateEnd } from './updates';

type PhaseEvent = Extract<EngineEvent, { type: 'phase' }>;

/** What is told of an update; of one that the user ended there is nothing to tell. */
const PHASE_OF: Partial<Record<UpdateEnd['decision'], PhaseEvent['phase']>> = {
  kept: 'updated',
  refused: 'refused',
  failed: 'error',
};

/**
 * The status line while nothing is written or trained: how the last update ended, else what the next one waits for.
 * @param waiting signals that no update has learned from.
 * @param missing how many more there have to be; 0 too where updates are begun by hand.
 */
export function idleStatus(lastEnd: UpdateEnd | null, waiting: number, missing: number): PhaseEvent {
  const phase = lastEnd ? PHASE_OF[lastEnd.decision] : undefined;
  if (!lastEnd || !phase) return { type: 'phase', phase: 'ready', detail: prospect(waiting, missing) };
  const { decision, version, reason } = lastEnd;
  return { type: 'phase', phase, detail: decision === 'kept' ? `Now v${version ?? ''}. ${reason}` : reason };
}

function prospect(waiting: number, missing: number): string {
  if (waiting === 0) return 'Ready. Rate or edit a reply and it will learn.';
  return missing === 0 ? `${waiting} to learn from. Press “Train now”.` : `Trains after ${missing} more.`;
}
