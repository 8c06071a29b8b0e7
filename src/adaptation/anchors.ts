import * as v from 'valibot';
import type { Sequence } from '../model/packed-batch';
import { ThumbprintError } from '../shared/errors';
import type { ChatTokenizer } from '../text/tokenizer';

const Anchors = v.pipe(
  v.array(v.strictObject({ prompt: v.pipe(v.string(), v.minLength(1)), reply: v.pipe(v.string(), v.minLength(1)) })),
  v.minLength(1),
);

/**
 * Texts that an update must not unlearn: dialogues that no training has seen. They ship with the model.
 * @throws ThumbprintError `bad-file`.
 */
export function readAnchors(json: unknown, tokenizer: Pick<ChatTokenizer, 'encodeChat' | 'encodeReply'>): Sequence[] {
  const parsed = v.safeParse(Anchors, json);
  if (!parsed.success) {
    throw new ThumbprintError('bad-file', `anchors.json: ${parsed.issues[0].message}. Load the model again.`);
  }
  return parsed.output.map(({ prompt, reply }) => ({
    prompt: tokenizer.encodeChat([{ role: 'user', content: prompt }]),
    reply: tokenizer.encodeReply(reply),
  }));
}
