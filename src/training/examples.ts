import { EXAMPLE_KIND } from '../kernels/preference';
import { type Group, packBatch, type PackedBatch, rowsOf, type Sequence } from '../model/packed-batch';
import { ThumbprintError } from '../shared/errors';
import type { Judgement, TrainingExample } from './types';

/** The sequences of an example; a pair's share their prompt. */
export function groupOf(example: TrainingExample): Group {
  switch (example.kind) {
    case 'pair':
      return { prompt: example.prompt, replies: [example.chosen, example.rejected] };
    case 'thumb':
    case 'text':
      return { prompt: example.prompt, replies: [example.reply] };
    default:
      return example satisfies never;
  }
}

/** Each reply of an example with its prompt. */
export function sequencesOf(example: TrainingExample): Sequence[] {
  const { prompt, replies } = groupOf(example);
  return replies.map((reply) => ({ prompt, reply }));
}

/** The examples that say what the user likes. */
export function judgementsOf(examples: readonly TrainingExample[]): Judgement[] {
  return examples.filter((example) => example.kind !== 'text');
}

/** What the user saw and judged. */
export function judgedReply(example: Judgement): Sequence {
  return { prompt: example.prompt, reply: example.kind === 'pair' ? example.rejected : example.reply };
}

/** Reference log-probabilities in the order of the example's replies. */
function referencesOf(example: TrainingExample): number[] {
  switch (example.kind) {
    case 'pair':
      return [example.reference?.chosen ?? NaN, example.reference?.rejected ?? NaN];
    case 'thumb':
      return [example.reference ?? NaN];
    case 'text':
      return [0];
    default:
      return example satisfies never;
  }
}

function kindOf(example: TrainingExample): number {
  switch (example.kind) {
    case 'pair':
      return EXAMPLE_KIND.pair;
    case 'thumb':
      return example.up ? EXAMPLE_KIND.up : EXAMPLE_KIND.down;
    case 'text':
      return EXAMPLE_KIND.sft;
    default:
      return example satisfies never;
  }
}

/** A batch of examples as the preference kernel takes it. */
export interface ExampleBatch {
  packed: PackedBatch;
  /** Example [examples], Sequence [sequences]: shaders/loss/preference.wgsl */
  examples: Uint32Array<ArrayBuffer>;
  sequences: Uint32Array<ArrayBuffer>;
  exampleCount: number;
}

/** Most examples of one micro-batch. */
export const MAX_EXAMPLES = 64;

/** Words of an Example and of a Sequence. */
export const EXAMPLE_WORDS = 4;
export const SEQUENCE_WORDS = 4;

/**
 * Packs examples, each weighted so that a step's loss is the mean over all of its examples.
 * @throws ThumbprintError `internal` when an example has no reference.
 */
export function packExamples(examples: readonly TrainingExample[], stepExamples: number): ExampleBatch {
  const packed = packBatch(examples.map(groupOf));
  const exampleWords = new Uint32Array(examples.length * EXAMPLE_WORDS);
  const sequenceWords = new Uint32Array(packed.extents.length * SEQUENCE_WORDS);
  const weights = new Float32Array(exampleWords.buffer);
  const references = new Float32Array(sequenceWords.buffer);
  let sequence = 0;
  examples.forEach((example, index) => {
    const at = index * EXAMPLE_WORDS;
    exampleWords.set([kindOf(example), sequence, sequence + 1], at);
    weights[at + 3] = (example.weight ?? 1) / stepExamples;
    for (const reference of referencesOf(example)) {
      if (Number.isNaN(reference)) throw new ThumbprintError('internal', `${example.id} has no reference`);
      const extent = packed.extents[sequence];
      sequenceWords.set([extent?.start ?? 0, extent?.end ?? 0], sequence * SEQUENCE_WORDS);
      references[sequence * SEQUENCE_WORDS + 2] = reference;
      sequence++;
    }
  });
  return { packed, examples: exampleWords, sequences: sequenceWords, exampleCount: examples.length };
}

/**
 * Splits a step's examples into parts of at most `rows` tokens and MAX_EXAMPLES examples; an example that is larger
 * stands alone.
 * @param most tokens that a part can have at all.
 */
export function microBatches(
  examples: readonly TrainingExample[],
  rows: number,
  most: number,
): TrainingExample[][] {
  const parts: TrainingExample[][] = [];
  let room = 0;
  for (const example of examples) {
    const size = rowsOf(groupOf(example));
    if (size > most) {
      throw new ThumbprintError(
        'bad-input',
        `An example has ${size} tokens; a training step takes at most ${most}.`,
      );
    }
    if (size > room || parts.at(-1)?.length === MAX_EXAMPLES) {
      parts.push([]);
      room = rows;
    }
    parts.at(-1)?.push(example);
    room -= size;
  }
  return parts;
}
