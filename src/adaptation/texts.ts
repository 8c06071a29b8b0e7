import * as v from 'valibot';
import type { Sequence } from '../model/packed-batch';
import { ThumbprintError } from '../shared/errors';
import type { ChatTokenizer } from '../text/tokenizer';

const Texts = v.pipe(
  v.array(
    v.strictObject({ prompt: v.pipe(v.string(), v.minLength(1)), reply: v.pipe(v.string(), v.minLength(1)) }),
  ),
  v.minLength(1),
);

/**
 * Dialogues that ship with a model: `anchors.json`, which no training has seen and which measures what an update
 * unlearns, and `rehearsal.json`, from the model's own training, which keeps it from unlearning.
 * @throws ThumbprintError `bad-file`.
 */
export function readTexts(
  file: string,
  json: unknown,
  tokenizer: Pick<ChatTokenizer, 'encodeChat' | 'encodeReply'>,
): Sequence[] {
  const parsed = v.safeParse(Texts, json);
  if (!parsed.success) {
    throw new ThumbprintError('bad-file', `${file}: ${parsed.issues[0].message}. Load the model again.`);
  }
  return parsed.output.map(({ prompt, reply }) => ({
    prompt: tokenizer.encodeChat([{ role: 'user', content: prompt }]),
    reply: tokenizer.encodeReply(reply),
  }));
}
