import type { Visibility } from './attention';

/** Where a reply's token is predicted: the logits of `row` give the probability of `token`. */
export interface Target {
  row: number;
  token: number;
  /** Index of the reply it belongs to. */
  sequence: number;
}

/** Sequences packed one after the other; row i of the batch is also row i of the key and value cache. */
export interface TokenBatch {
  ids: number[];
  positions: number[];
  visibility: Visibility[];
  targets: Target[];
  /** Number of replies. */
  sequences: number;
}

export interface PromptAndReplies {
  prompt: readonly number[];
  /** Each with its end token. */
  replies: readonly (readonly number[])[];
}

/**
 * Packs each example as [prompt | reply | reply …]: the prompt's rows are shared by its replies, a reply sees the prompt
 * and itself, and its positions go on from the prompt's end. The last token of a reply is only a target, never an input.
 */
export function packBatch(examples: readonly PromptAndReplies[]): TokenBatch {
  const batch: TokenBatch = { ids: [], positions: [], visibility: [], targets: [], sequences: 0 };
  for (const { prompt, replies } of examples) {
    const start = batch.ids.length;
    const end = start + prompt.length;
    append(batch, prompt, 0, { prefix_start: 0, prefix_end: 0, own_start: start });
    for (const reply of replies) {
      const own = batch.ids.length;
      reply.forEach((token, i) => {
        const row = i === 0 ? end - 1 : own + i - 1;
        batch.targets.push({ row, token, sequence: batch.sequences });
      });
      const view = { prefix_start: start, prefix_end: end, own_start: own };
      append(batch, reply.slice(0, -1), prompt.length, view);
      batch.sequences += 1;
    }
  }
  return batch;
}

function append(
  batch: TokenBatch,
  ids: readonly number[],
  firstPosition: number,
  view: Omit<Visibility, 'row'>,
): void {
  ids.forEach((id, i) => {
    batch.visibility.push({ ...view, row: batch.ids.length });
    batch.ids.push(id);
    batch.positions.push(firstPosition + i);
  });
}
