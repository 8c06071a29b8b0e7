import type { ChatTurn, Signal } from '../../shared/records';

/** A question that the user has judged an answer to. */
export interface JudgedQuestion {
  /** Without the system prompt, which is today's. */
  turns: ChatTurn[];
  /** What the user said of the answer, last. */
  judgement: Signal;
}

/** Each question once, the one judged last first. @param signals newest first. */
export function judgedQuestions(signals: readonly Signal[]): JudgedQuestion[] {
  const questions = new Map<string, JudgedQuestion>();
  for (const judgement of signals) {
    const turns = judgement.context.filter(({ role }) => role !== 'system');
    const key = JSON.stringify(turns.map(({ role, content }) => [role, content]));
    if (turns.length > 0 && !questions.has(key)) questions.set(key, { turns, judgement });
  }
  return [...questions.values()];
}
