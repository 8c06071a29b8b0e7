import { expect, test } from 'vitest';
import { createEngineClient } from '../../src/engine/client';
import type { CommandEnvelope, EngineEvent, WorkerMessage } from '../../src/protocol/protocol';
import { ThumbprintError, toPlainError } from '../../src/shared/errors';

/** The Worker's side of the line: Node has no Worker of the browser's kind. Messages are cloned like there. */
class Line extends EventTarget {
  readonly sent: CommandEnvelope[] = [];
  terminated = false;
  onmessage = null;
  onmessageerror = null;
  onerror = null;

  postMessage(envelope: CommandEnvelope): void {
    this.sent.push(structuredClone(envelope));
  }

  terminate(): void {
    this.terminated = true;
  }

  receive(message: WorkerMessage): void {
    this.dispatchEvent(new MessageEvent('message', { data: structuredClone(message) }));
  }

  breakDown(message: string): void {
    this.dispatchEvent(Object.assign(new Event('error'), { message }));
  }
}

function connect(): { line: Line; events: EngineEvent[]; client: ReturnType<typeof createEngineClient> } {
  const line = new Line();
  const events: EngineEvent[] = [];
  return { line, events, client: createEngineClient(line, (event) => events.push(event)) };
}

test('answers reach their own command, in any order', async () => {
  const { line, client } = connect();
  const up = client.request({ type: 'signal', messageId: 'a', kind: 'up' });
  const down = client.request({ type: 'signal', messageId: 'b', kind: 'down' });
  const [first, second] = line.sent;
  expect(first?.command).toEqual({ type: 'signal', messageId: 'a', kind: 'up' });
  line.receive({ type: 'answer', id: second?.id ?? -1, value: { signalId: 'two' } });
  line.receive({ type: 'answer', id: first?.id ?? -1, value: { signalId: 'one' } });
  expect(await Promise.all([up, down])).toEqual([{ signalId: 'one' }, { signalId: 'two' }]);
});

test('errors arrive with their code, message and cause', async () => {
  const { line, client } = connect();
  const request = client.request({ type: 'train-now' });
  const thrown = new ThumbprintError('quota', 'No room.', { cause: new ThumbprintError('storage', 'Full.') });
  line.receive({ type: 'failure', id: line.sent[0]?.id ?? -1, error: toPlainError(thrown) });
  const error: unknown = await request.catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(ThumbprintError);
  expect(error).toMatchObject({
    code: 'quota',
    message: 'No room.',
    cause: { code: 'storage', message: 'Full.' },
  });
});

test('events are passed on in order and answer nothing', () => {
  const { line, events } = connect();
  line.receive({ type: 'event', event: { type: 'delta', messageId: 'a', text: 'He' } });
  line.receive({ type: 'event', event: { type: 'delta', messageId: 'a', text: 'llo' } });
  expect(events.map((event) => (event.type === 'delta' ? event.text : event.type))).toEqual(['He', 'llo']);
});

test('a Worker that breaks down rejects open and later requests, and says so once', async () => {
  const { line, events, client } = connect();
  const open = client.request({ type: 'start' });
  expect(client.alive).toBe(true);
  line.breakDown('boom');
  expect(client.alive).toBe(false);
  line.breakDown('boom again');
  await expect(open).rejects.toMatchObject({ code: 'internal', message: expect.stringContaining('boom') });
  await expect(client.request({ type: 'stop' })).rejects.toMatchObject({ code: 'internal' });
  expect(events.map((event) => event.type)).toEqual(['error']);
});

test('dispose ends the Worker and its requests, and hears no more events', async () => {
  const { line, events, client } = connect();
  const open = client.request({ type: 'start' });
  client.dispose();
  line.receive({ type: 'event', event: { type: 'phase', phase: 'ready', detail: 'Ready.' } });
  await expect(open).rejects.toMatchObject({ code: 'cancelled' });
  expect(line.terminated).toBe(true);
  expect(events).toEqual([]);
});
