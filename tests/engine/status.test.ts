import { expect, it } from 'vitest';
import { idleStatus } from '../../src/engine/status';

it.each([
  [{ decision: 'kept', reason: 'It agrees.', version: 3 }, 'updated', 'Now v3. It agrees.'],
  [{ decision: 'refused', reason: 'Refused: no.' }, 'refused', 'Refused: no.'],
  [{ decision: 'failed', reason: 'The disk is full.' }, 'error', 'The disk is full.'],
  [{ decision: 'cancelled', reason: 'Cancelled.' }, 'ready', 'Trains after 2 more.'],
  [null, 'ready', 'Trains after 2 more.'],
] as const)('after %j says %s', (lastEnd, phase, detail) => {
  expect(idleStatus(lastEnd, 2, 2)).toEqual({ type: 'phase', phase, detail });
});

it('says what the next update waits for', () => {
  expect(idleStatus(null, 0, 4).detail).toBe('Ready. Rate or edit a reply and it will learn.');
  expect(idleStatus(null, 5, 0).detail).toBe('5 to learn from. Press “Train now”.');
});
