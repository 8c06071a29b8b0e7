import type { Sequence } from '../../model/packed-batch';
import type { Score } from '../../model/scorer';
import type { ChatTokenizer } from '../../text/tokenizer';
import { type Preference, prefers, type StyledPrompt, STYLES } from './styles';

/** Every prompt's six replies, in the order of STYLES. */
export function heldSequences(tokenizer: ChatTokenizer, held: readonly StyledPrompt[]): Sequence[] {
  return held.flatMap(({ prompt, replies }) => {
    const ids = tokenizer.encodeChat([{ role: 'user', content: prompt }]);
    return STYLES.map((style) => ({ prompt: ids, reply: tokenizer.encodeReply(replies[style]) }));
  });
}

/**
 * Of all held-out pairs of which the user likes one reply better, those that the implicit reward log π/π_ref orders as
 * the user does; ties are half right.
 * @param scores of `heldSequences`, with the adapter.
 * @param base the same without it.
 */
export function countCorrect(
  preference: Preference,
  held: readonly StyledPrompt[],
  scores: readonly Score[],
  base: readonly Score[],
): { correct: number; pairs: number } {
  const rewards = scores.map(({ logprob }, i) => logprob - (base[i]?.logprob ?? NaN));
  let correct = 0;
  let pairs = 0;
  for (const [index, { replies }] of held.entries()) {
    const rewardOf = (style: number): number => rewards[index * STYLES.length + style] ?? NaN;
    STYLES.forEach((one, i) => {
      STYLES.forEach((other, j) => {
        if (!prefers(preference, replies, one, other)) return;
        const difference = rewardOf(i) - rewardOf(j);
        correct += difference > 0 ? 1 : difference === 0 ? 0.5 : 0;
        pairs++;
      });
    });
  }
  return { correct, pairs };
}
