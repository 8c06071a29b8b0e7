import { expect, test } from 'vitest';
import type { EngineState } from '../../src/app/state/engine.svelte';
import { Repeats, summaryOf } from '../../src/app/state/repeats.svelte';
import type { Repetition } from '../../src/shared/records';

const differences = [
  { what: 'held_out_accuracy', then: 0.75, now: 0.5 },
  { what: 'loss of step 3', then: 0.6931472, now: -0.6931 },
];

test.each<[Repetition, string]>([
  [
    { verdict: 'identical', sameDecision: true, differences: [] },
    'Repeated: the same decision from the same candidate, bit for bit.',
  ],
  [
    { verdict: 'different', sameDecision: true, differences },
    'Repeated: the same decision from other numbers; the largest difference is in “Held-out accuracy”: 0.75 then, 0.5 now.',
  ],
  [
    { verdict: 'within-tolerance', sameDecision: true, differences: differences.slice(1) },
    'Repeated: the same decision from about the same numbers, as another device finds them; the largest difference is in “loss of step 3”: 0.693147 then, −0.6931 now.',
  ],
  [
    { verdict: 'within-tolerance', sameDecision: true, differences: [] },
    'Repeated: the same decision from about the same numbers, as another device finds them.',
  ],
  // A gate with other limits may judge the same candidate differently.
  [
    { verdict: 'identical', sameDecision: false, differences: [] },
    'Repeated: another decision from the same candidate, bit for bit.',
  ],
  [
    {
      verdict: 'different',
      sameDecision: false,
      differences: [{ what: 'loss of step 9', then: 0.5, now: null }],
    },
    'Repeated: another decision from other numbers; the largest difference is in “loss of step 9”: 0.5 then, none now.',
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
      : Promise.resolve({ verdict: 'identical', sameDecision: true, differences: [] });
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
