import { ThumbprintError } from '../shared/errors';
import type { ChatTokenizer, TokenizedTurn } from './tokenizer';

export interface FittedConversation {
  ids: number[];
  /** Oldest turns left out; a system turn at the start always stays. */
  dropped: number;
}

/**
 * Ids of a conversation that leave room for a reply: whole oldest turns are left out until the rest fits, and what is
 * left begins with a turn of the user.
 * @param limit most tokens of the prompt.
 * @throws ThumbprintError `bad-input` when even the last turn is too long.
 */
export function fitConversation(
  tokenizer: Pick<ChatTokenizer, 'encodeChat'>,
  turns: readonly TokenizedTurn[],
  limit: number,
): FittedConversation {
  const system = turns[0]?.role === 'system' ? turns.slice(0, 1) : [];
  const rest = turns.slice(system.length);
  for (let dropped = 0; dropped < rest.length; dropped++) {
    if (dropped > 0 && rest[dropped]?.role !== 'user') continue;
    const ids = tokenizer.encodeChat([...system, ...rest.slice(dropped)]);
    if (ids.length <= limit) return { ids, dropped };
  }
  throw new ThumbprintError(
    'bad-input',
    `This message is too long for the model, which reads about ${limit} tokens (some ${Math.floor(limit * 0.7)} words). Shorten it.`,
  );
}
