import { expect, test } from 'vitest';
import { judgedQuestions } from '../../../src/app/versions/questions';
import type { ChatTurn } from '../../../src/shared/records';
import { signalOf } from '../../support/signal';

const system: ChatTurn = { role: 'system', content: 'Be brief.' };
const [tea, egg]: [ChatTurn, ChatTurn] = [
  { role: 'user', content: 'How do I make tea?' },
  { role: 'user', content: 'How do I boil an egg?' },
];
const reply: ChatTurn = { role: 'assistant', content: 'With water.' };

test('each question comes once, with what was said of it last', () => {
  const questions = judgedQuestions([
    signalOf({ id: '4', context: [tea] }),
    signalOf({ id: '3', context: [egg] }),
    signalOf({ id: '2', context: [system, tea] }),
    signalOf({ id: '1', context: [egg, reply, tea] }),
    signalOf({ id: '0', context: [] }),
  ]);
  expect(questions.map(({ turns, judgement }) => [judgement.id, turns])).toEqual([
    ['4', [tea]],
    ['3', [egg]],
    ['1', [egg, reply, tea]],
  ]);
});

test('the system prompt is no part of a question', () => {
  expect(judgedQuestions([signalOf({ context: [system, egg] })])[0]?.turns).toEqual([egg]);
});
