import type { ReferenceAdapter, ReferenceLora } from './adapter';
import { packBatch, type PromptAndReplies } from './batch';
import type { ReferenceModel } from './model';
import {
  preferenceLoss,
  type PreferenceExample,
  type PreferenceSettings,
  type ReplyScore,
} from './preference';
import { at } from './vector';

/** A training example in tokens; `reference` has the base's log-probability of each reply. */
export type TokenExample =
  | {
      kind: 'pair';
      weight: number;
      prompt: number[];
      chosen: number[];
      rejected: number[];
      reference: { chosen: number; rejected: number };
    }
  | {
      kind: 'up' | 'down' | 'sft';
      weight: number;
      prompt: number[];
      reply: number[];
      reference: { reply: number };
    };

export interface TrainingStep {
  /** Weighted, one for each example; the step's loss is their sum. */
  losses: number[];
  margins: number[];
  /** For each example [chosen, rejected] or [reply]. */
  logprobs: number[][];
  /** Of the summed loss, by PEFT module path. */
  gradients: Map<string, ReferenceLora>;
}

/** Prompt and replies of an example, chosen before rejected. */
export function repliesOf(example: TokenExample): PromptAndReplies {
  const replies = example.kind === 'pair' ? [example.chosen, example.rejected] : [example.reply];
  return { prompt: example.prompt, replies };
}

/** Losses, margins and gradients of a batch under an adapter. */
export function trainingStep(
  model: ReferenceModel,
  adapter: ReferenceAdapter,
  examples: readonly TokenExample[],
  settings: PreferenceSettings,
): TrainingStep {
  const batch = packBatch(examples.map(repliesOf));
  const scores = model.sequenceLogprobs(batch, adapter);
  let sequence = 0;
  const logprobs = examples.map((example) => repliesOf(example).replies.map(() => at(scores, sequence++)));
  const results = examples.map((example, n) =>
    preferenceLoss(scoredExample(example, logprobs[n] ?? []), settings),
  );
  const coefficients = results.flatMap((result) => result.coefficients);
  return {
    losses: results.map((result) => result.loss),
    margins: results.map((result) => result.margin),
    logprobs,
    gradients: model.backward(batch, adapter, coefficients),
  };
}

function scoredExample(example: TokenExample, logprobs: readonly number[]): PreferenceExample {
  const score = (n: number, reference: number, reply: readonly number[]): ReplyScore => ({
    logprob: logprobs[n] ?? NaN,
    reference,
    tokens: reply.length,
  });
  const { kind, weight } = example;
  if (kind !== 'pair') return { kind, weight, reply: score(0, example.reference.reply, example.reply) };
  return {
    kind,
    weight,
    chosen: score(0, example.reference.chosen, example.chosen),
    rejected: score(1, example.reference.rejected, example.rejected),
  };
}
