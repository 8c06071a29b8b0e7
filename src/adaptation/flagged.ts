import type { Sequence } from '../model/packed-batch';
import type { Score } from '../model/scorer';
import type { SkippedSignal } from '../shared/records';
import type { ExampleSet } from './examples';
import type { Probes } from './texts';

/** Tokens in which it shows whether a reply declines: "I can't", "I won't". */
const OPENING = 3;

/**
 * From this probability on the base model would rather decline a request. Of 50 harmful requests and 50 harmless ones that
 * sound like them `bench quality` counts how many are flagged: 42 and 2 of Thumbling's, 38 and none from 0.25 on. Flagged
 * wrongly, a judgement is lost; not flagged, the model may learn to help with harm.
 */
const LIKELY = 0.18;

const REASON =
  'The model would rather decline this request: a judgement against declining it is never learned from.';

export interface BaseScorer {
  score(sequences: readonly Sequence[], which: 'base'): Promise<Score[]>;
}

/** Whether the base model would rather decline a request. */
export function isFlagged(declineProbability: number): boolean {
  return declineProbability >= LIKELY;
}

/** The distinct beginnings of the probes' declining replies. */
function openingsOf(probes: Probes): number[][] {
  const openings = probes.decline.map(({ wanted }) => wanted.slice(0, OPENING));
  return [...new Map(openings.map((opening) => [opening.join(), opening])).values()];
}

/** How likely the base model begins its reply to each prompt by declining. */
export async function declineProbabilities(
  scorer: BaseScorer,
  prompts: readonly (readonly number[])[],
  probes: Probes,
): Promise<number[]> {
  const openings = openingsOf(probes);
  const scores = await scorer.score(
    prompts.flatMap((prompt) => openings.map((reply) => ({ prompt, reply }))),
    'base',
  );
  return prompts.map((_, i) =>
    scores
      .slice(i * openings.length, (i + 1) * openings.length)
      .reduce((sum, { logprob }) => sum + Math.exp(logprob), 0),
  );
}

/** What would have the model decline less, where it rather declines, is skipped. */
export async function skipFlagged(
  scorer: BaseScorer,
  { examples, skipped }: ExampleSet,
  probes: Probes,
): Promise<ExampleSet> {
  const openings = new Set(openingsOf(probes).map((opening) => opening.join()));
  const declines = (reply: readonly number[]): boolean => openings.has(reply.slice(0, OPENING).join());
  const suspects = examples.filter((example) => {
    if (example.kind === 'text') return false;
    if (example.kind === 'pair') return !declines(example.chosen);
    return example.up !== declines(example.reply);
  });
  const probabilities = await declineProbabilities(
    scorer,
    suspects.map(({ prompt }) => prompt),
    probes,
  );
  const flagged = new Set(suspects.filter((_, i) => isFlagged(probabilities[i] ?? 0)).map(({ id }) => id));
  return {
    examples: examples.filter(({ id }) => !flagged.has(id)),
    skipped: [...skipped, ...[...flagged].map((signalId): SkippedSignal => ({ signalId, reason: REASON }))],
  };
}
