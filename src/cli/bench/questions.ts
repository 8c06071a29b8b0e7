import * as v from 'valibot';
import { readJsonLines } from '../io';

const Question = v.object({
  question: v.string(),
  answers: v.pipe(v.array(v.string()), v.minLength(1)),
  topic: v.string(),
});

/** A short question with one right answer, in some of its spellings. */
export type Question = v.InferOutput<typeof Question>;

/** The recipe's 200, which no training has seen. */
export function readQuestions(): Promise<Question[]> {
  return readJsonLines('models/recipe/questions.jsonl', Question);
}
