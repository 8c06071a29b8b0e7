import { expect, it } from 'vitest';
import { DeviceTurns } from '../../src/engine/device-turns';

const soon = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 5));

it('lets training submit while nobody writes, and holds it back while somebody does', async () => {
  const turns = new DeviceTurns();
  const { signal } = new AbortController();
  await turns.background(signal);
  let finish = (): void => undefined;
  const chat = turns.foreground(() => new Promise<void>((resolve) => (finish = resolve)));
  let submitted = false;
  const training = turns.background(signal).then(() => (submitted = true));
  await soon();
  expect(submitted).toBe(false);
  finish();
  await Promise.all([chat, training]);
  expect(submitted).toBe(true);
});

it('holds training back while paused, and ends it when cancelled', async () => {
  const turns = new DeviceTurns();
  const stopper = new AbortController();
  turns.isPaused = true;
  const training = turns.background(stopper.signal);
  stopper.abort(new Error('cancelled'));
  await expect(training).rejects.toThrow('cancelled');
});

it('runs chat work one after the other, also after a failure', async () => {
  const turns = new DeviceTurns();
  const order: string[] = [];
  const slow = turns.foreground(async () => {
    await soon();
    order.push('slow');
    throw new Error('failed');
  });
  const quick = turns.foreground(() => Promise.resolve(order.push('quick')));
  await expect(slow).rejects.toThrow('failed');
  await quick;
  expect(order).toEqual(['slow', 'quick']);
});
