import type { BatchSize } from '../gpu/program';
import { ThumbprintError } from '../shared/errors';

/** A reply in its context. Ids of the reply include the token that ends it, unless it was cut off. */
export interface Sequence {
  prompt: readonly number[];
  reply: readonly number[];
}

/** Sequences that share a prompt, which is then computed once. */
export interface Group {
  prompt: readonly number[];
  replies: readonly (readonly number[])[];
}

/** Words of a Token (shaders/lib/token.wgsl) and of a Target (shaders/lib/target.wgsl). */
export const TOKEN_WORDS = 8;
export const TARGET_WORDS = 4;

/** Rows, targets and the extent of each sequence of a batch, ready for upload. */
export interface PackedBatch {
  rows: number;
  /** u32 [rows, TOKEN_WORDS] */
  tokens: Uint32Array<ArrayBuffer>;
  /** u32 [targets, TARGET_WORDS] */
  targets: Uint32Array<ArrayBuffer>;
  /** Targets of each sequence, in the order of groups and replies. */
  extents: { start: number; end: number }[];
}

/** Rows that a group takes: its last prompt token stands once before every reply, whose own last token is only a target. */
export function rowsOf(group: Group): number {
  return group.prompt.length - 1 + group.replies.reduce((sum, reply) => sum + reply.length, 0);
}

/** What a run of a batch that is only scored computes. */
export function scoredSize({ rows, extents }: PackedBatch): BatchSize {
  return { tokens: rows, targets: extents.at(-1)?.end ?? 0, sequences: extents.length, examples: 0 };
}

/**
 * Packs groups into one batch without padding: [prompt | reply | reply …]; a reply sees its prompt and itself.
 * @throws ThumbprintError `bad-input` for an empty prompt or reply.
 */
export function packBatch(groups: readonly Group[]): PackedBatch {
  const rows = groups.reduce((sum, group) => sum + rowsOf(group), 0);
  const targetCount = groups.reduce(
    (sum, { replies }) => sum + replies.reduce((n, reply) => n + reply.length, 0),
    0,
  );
  const tokens = new Uint32Array(rows * TOKEN_WORDS);
  const targets = new Uint32Array(targetCount * TARGET_WORDS);
  const extents: PackedBatch['extents'] = [];
  let row = 0;
  let target = 0;
  for (const { prompt, replies } of groups) {
    const last = prompt.at(-1);
    if (last === undefined)
      throw new ThumbprintError('bad-input', 'A prompt without tokens cannot be scored.');
    const shared = prompt.length - 1;
    const start = row;
    const groupEnd = start + rowsOf({ prompt, replies });
    const put = (id: number, position: number, prefixEnd: number, ownStart: number): void => {
      const prefixStart = prefixEnd === 0 ? 0 : start;
      tokens.set([id, position, prefixStart, prefixEnd, ownStart, row, groupEnd, 0], row * TOKEN_WORDS);
      row++;
    };
    for (let i = 0; i < shared; i++) put(prompt[i] ?? 0, i, 0, start);
    for (const reply of replies) {
      if (reply.length === 0)
        throw new ThumbprintError('bad-input', 'A reply without tokens cannot be scored.');
      const ownStart = row;
      const first = target;
      const end = reply.at(-1) ?? 0;
      reply.forEach((token, i) => {
        targets.set([row, token, extents.length, end], target * TARGET_WORDS);
        target++;
        put(i === 0 ? last : (reply[i - 1] ?? 0), shared + i, shared > 0 ? start + shared : 0, ownStart);
      });
      extents.push({ start: first, end: target });
    }
  }
  return { rows, tokens, targets, extents };
}
