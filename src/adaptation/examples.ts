import type { ChatTokenizer } from '../text/tokenizer';
import { fitConversation } from '../text/fit';
import { ThumbprintError } from '../shared/errors';
import type { Signal, SkippedSignal } from '../shared/records';
import { rowsOf } from '../model/packed-batch';
import { groupOf } from '../training/examples';
import type { TrainingExample } from '../training/types';

export interface ExampleSet {
  examples: TrainingExample[];
  /** Signals that cannot be trained on, and why, for people. */
  skipped: SkippedSignal[];
}

export interface ExampleOptions {
  tokenizer: Pick<ChatTokenizer, 'encodeChat' | 'encodeReply'>;
  /** sha-256 of the model: reference log-probabilities of another model are not used. */
  model: string;
  contextLength: number;
  /** Most tokens of one example, where the device has less room than the model. */
  longest?: number;
}

/** Turns active signals into training examples, one each, with the signal's id. */
export function examplesOf(signals: readonly Signal[], options: ExampleOptions): ExampleSet {
  const set: ExampleSet = { examples: [], skipped: [] };
  for (const signal of signals) {
    try {
      const example = exampleOf(signal, options);
      const size = rowsOf(groupOf(example));
      if (size > (options.longest ?? Infinity)) {
        throw new ThumbprintError(
          'bad-input',
          `The conversation is too long to learn from on this device: ${size} tokens, it has room for ${options.longest}.`,
        );
      }
      set.examples.push(example);
    } catch (error) {
      if (!(error instanceof ThumbprintError)) throw error;
      set.skipped.push({ signalId: signal.id, reason: error.message });
    }
  }
  return set;
}

function exampleOf(signal: Signal, { tokenizer, model, contextLength }: ExampleOptions): TrainingExample {
  const reply = (side: 'chosen' | 'rejected'): number[] => {
    const text = signal[side];
    if (text === undefined || text.trim() === '')
      throw new ThumbprintError('bad-input', 'The reply is empty.');
    const ended = tokenizer.encodeReply(text);
    const ids = signal.cut?.[side] ? ended.slice(0, -1) : ended;
    if (ids.length > contextLength / 2)
      throw new ThumbprintError('bad-input', 'The reply is too long to learn from.');
    return ids;
  };
  const prompt = (longest: number): number[] =>
    fitConversation(tokenizer, signal.context, contextLength - longest).ids;
  const reference = (signal.reference?.model ?? signal.model) === model ? signal.reference : undefined;
  // An edit of an empty reply has nothing to be preferred to.
  if (signal.chosen === undefined || !signal.rejected?.trim()) {
    const up = signal.chosen !== undefined;
    const ids = reply(up ? 'chosen' : 'rejected');
    const known = up ? reference?.chosen : reference?.rejected;
    const example = { kind: 'thumb', id: signal.id, up, reply: ids, prompt: prompt(ids.length) } as const;
    return known === undefined ? example : { ...example, reference: known };
  }
  const chosen = reply('chosen');
  const rejected = reply('rejected');
  if (signal.chosen?.trim() === signal.rejected?.trim()) {
    throw new ThumbprintError('bad-input', 'Both replies are the same.');
  }
  const example = {
    kind: 'pair',
    id: signal.id,
    prompt: prompt(Math.max(chosen.length, rejected.length)),
    chosen,
    rejected,
  } as const;
  if (reference?.chosen === undefined || reference.rejected === undefined) return example;
  return { ...example, reference: { chosen: reference.chosen, rejected: reference.rejected } };
}

/** KTO's balance (Ethayarajh et al. 2024, section 4.1): the rarer kind of thumb weighs more, so that both sides count alike. */
export function balanceThumbs(examples: readonly TrainingExample[]): TrainingExample[] {
  const ups = examples.filter((example) => example.kind === 'thumb' && example.up).length;
  const downs = examples.filter((example) => example.kind === 'thumb' && !example.up).length;
  if (ups === 0 || downs === 0) return [...examples];
  return examples.map((example) => {
    if (example.kind !== 'thumb') return example;
    const balance = Math.min(4, Math.max(1, example.up ? downs / ups : ups / downs));
    return { ...example, weight: balance * (example.weight ?? 1) };
  });
}
