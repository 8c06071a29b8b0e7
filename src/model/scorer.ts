import { type Group, packBatch, rowsOf, scoredSize, type Sequence } from './packed-batch';
import type { PackedForward, Turn } from './packed-forward';

/** Log-probability of a reply: the sum over its tokens, natural. */
export interface Score {
  logprob: number;
  tokens: number;
}

/** Log-probability of each reply given its prompt, batch by batch. */
export async function scoreSequences(
  forward: PackedForward,
  sequences: readonly Sequence[],
  turn: Turn,
): Promise<Score[]> {
  const scores: Score[] = [];
  for (const chunk of chunksOf(sequences, forward.rows)) {
    const batch = packBatch(chunk);
    const size = scoredSize(batch);
    await forward.run(batch, size, turn);
    const logprobs = await forward.readLogprobs(size.targets);
    for (const { start, end } of batch.extents) {
      let logprob = 0;
      for (let i = start; i < end; i++) logprob += logprobs[i] ?? 0;
      scores.push({ logprob, tokens: end - start });
    }
  }
  return scores;
}

/** Sequences in batches that fit into `rows` tokens; neighbours with the same prompt share it. */
export function chunksOf(sequences: readonly Sequence[], rows: number): Group[][] {
  const chunks: { prompt: readonly number[]; replies: (readonly number[])[] }[][] = [];
  let room = 0;
  for (const { prompt, reply } of sequences) {
    const last = chunks.at(-1)?.at(-1);
    if (last && reply.length <= room && isSame(last.prompt, prompt)) {
      last.replies.push(reply);
      room -= reply.length;
      continue;
    }
    const group = { prompt, replies: [reply] };
    const size = rowsOf(group);
    if (size > room) {
      chunks.push([]);
      room = rows;
    }
    chunks.at(-1)?.push(group);
    room -= size;
  }
  return chunks;
}

function isSame(a: readonly number[], b: readonly number[]): boolean {
  return a === b || (a.length === b.length && a.every((id, i) => id === b[i]));
}
