import { expect, test } from 'vitest';
import { Comparison } from '../../src/app/state/comparison.svelte';
import type { EngineState } from '../../src/app/state/engine.svelte';
import type { Command, Question } from '../../src/protocol/protocol';

/** An engine that answers `compare` when it is told to, with a piece after `stop`. */
class Line {
  readonly asked: (number | 'stop')[] = [];
  question: Question | null = null;
  #answer: (text: string) => void = () => undefined;
  #fail: (error: Error) => void = () => undefined;
  readonly engine: Pick<EngineState, 'request' | 'tell'>;

  constructor() {
    const request = (command: Command): Promise<unknown> => {
      if (command.type !== 'compare') throw new Error(command.type);
      this.asked.push(command.version);
      this.question = command.question;
      return new Promise((resolve, reject) => {
        this.#answer = (text) => resolve({ text, adapter: command.version });
        this.#fail = reject;
      });
    };
    const tell = (): Promise<boolean> => {
      this.asked.push('stop');
      this.#answer('a piece');
      return Promise.resolve(true);
    };
    this.engine = { request: request as EngineState['request'], tell };
  }

  async answer(text: string): Promise<void> {
    this.#answer(text);
    await settled();
  }

  async fail(message: string): Promise<void> {
    this.#fail(new Error(message));
    await settled();
  }
}

/** The base beside a reply. */
function compared({ engine }: Line): Comparison {
  const comparison = new Comparison(engine, [0, null]);
  comparison.ask({ messageId: 'm' });
  return comparison;
}

const settled = (): Promise<void> => new Promise((resolve) => setTimeout(resolve));

test('each version is written once, one at a time', async () => {
  const line = new Line();
  const comparison = compared(line);
  comparison.choose(1, 2);
  expect(line.asked).toEqual([0]);
  await line.answer('base');
  expect(line.asked).toEqual([0, 2]);
  await line.answer('two');
  comparison.choose(0, 2);
  comparison.choose(1, 0);
  comparison.choose(1, null);
  await settled();
  expect(line.asked).toEqual([0, 2]);
  expect(comparison.answer(0)).toEqual({ text: 'base' });
  expect(comparison.answer(2)).toEqual({ text: 'two' });
});

test('what is no longer on a side is stopped, and its piece is not taken for an answer', async () => {
  const line = new Line();
  const comparison = compared(line);
  comparison.choose(0, 1);
  comparison.choose(0, 0);
  await settled();
  expect(comparison.answer(0)).toBeUndefined();
  expect(line.asked).toEqual([0, 'stop', 0]);
  await line.answer('base');
  expect(comparison.answer(0)).toEqual({ text: 'base' });
});

test('closing stops what is being written, and nothing more', async () => {
  const line = new Line();
  const comparison = compared(line);
  comparison.choose(1, 1);
  comparison.close();
  await settled();
  expect(line.asked).toEqual([0, 'stop']);

  const over = new Line();
  const done = compared(over);
  await over.answer('base');
  done.close();
  expect(over.asked).toEqual([0]);
});

test('a failure is shown, and a version chosen again gets another try', async () => {
  const line = new Line();
  const comparison = compared(line);
  await line.fail('no longer stored');
  expect(comparison.answer(0)).toEqual({ failure: 'no longer stored' });
  comparison.choose(0, 1);
  await line.answer('one');
  comparison.choose(0, 0);
  expect(line.asked).toEqual([0, 1, 0]);
});

test('nothing is written before something is asked, and another question is answered anew', async () => {
  const line = new Line();
  const comparison = new Comparison(line.engine, [1, 0]);
  comparison.choose(0, 2);
  expect(line.asked).toEqual([]);
  const [first, second] = ['Why?', 'How?'].map((content) => ({
    turns: [{ role: 'user' as const, content }],
  }));
  if (!first || !second) throw new Error('two questions');
  comparison.ask(first);
  await line.answer('because');
  expect(line.question).toBe(first);

  comparison.ask(second);
  await settled();
  expect(comparison.answer(2)).toBeUndefined();
  expect(line.asked).toEqual([2, 0, 'stop', 2]);
  expect(line.question).toBe(second);
  await line.answer('like this');
  expect(comparison.answer(2)).toEqual({ text: 'like this' });
  expect(comparison.answer(0)).toBeUndefined();
});
