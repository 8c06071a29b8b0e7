import { expect, test } from 'vitest';
import type { EngineState } from '../../src/app/state/engine.svelte';
import { Repeats, summaryOf } from '../../src/app/state/repeats.svelte';

const differences = [
  { what: 'held_out_accuracy', then: 0.75, now: 0.5 },
  { what: 'loss of step 3', then: 0.6931472, now: -0.6931 },
];

test.each([
  [{ identical: true, sameDecision: true, differences: [] }, 'Repeated: the same candidate, bit for bit.'],
  [
    { identical: false, sameDecision: true, differences },
    'Repeated: the same decision; the largest difference is in “Held-out accuracy”: 0.75 then, 0.5 now.',
  ],
  [
    { identical: null, sameDecision: true, differences: differences.slice(1) },
    'Repeated: the same decision; the largest difference is in “loss of step 3”: 0.693147 then, −0.6931 now.',
  ],
  [
    { identical: null, sameDecision: true, differences: [] },
    'Repeated: the same decision, and the same numbers.',
  ],
  // A gate with other limits may judge the same candidate differently.
  [
    { identical: true, sameDecision: false, differences: [] },
    'Repeated: another decision, from the same numbers.',
  ],
  [
    { identical: false, sameDecision: false, differences },
    'Repeated: another decision; the largest difference is in “Held-out accuracy”: 0.75 then, 0.5 now.',
  ],
])('what came of it, in one sentence', (repetition, sentence) => {
  expect(summaryOf(repetition)).toBe(sentence);
});

test('an outcome belongs to its receipt, be it a failure', async () => {
  const asked: unknown[] = [];
  const request = (command: { source?: object }): Promise<unknown> => {
    asked.push(command.source);
    return 'text' in (command.source ?? {})
      ? Promise.reject(new Error('of another model'))
      : Promise.resolve({ identical: true, sameDecision: true, differences: [] });
  };
  const repeats = new Repeats({ request: request as unknown as EngineState['request'] });
  const running = repeats.run('own');
  expect(repeats.running).toBe('own');
  await running;
  await repeats.run('foreign', '{}');
  expect(repeats.running).toBeNull();
  expect(asked).toEqual([{ receiptId: 'own' }, { text: '{}' }]);
  expect(repeats.outcome('own')).toContain('bit for bit');
  expect(repeats.outcome('foreign')).toBe('of another model');
  expect(repeats.outcome('third')).toBe('');
});
