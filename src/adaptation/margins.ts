import type { Score } from '../model/scorer';
import type { TrainingExample } from '../training/types';

/**
 * Margins of the implicit reward log π − log π_ref (Rafailov et al. 2023, eq. 5) without its β, in nats: chosen less
 * rejected, or for a lone thumb the reward itself, turned round for 👎. Positive: the model agrees with the user.
 * @param scores of the examples' replies, one after the other (`sequencesOf`).
 * @param reference the same under the base model; without it margins of log π, whose differences are those of the reward.
 */
export function marginsOf(
  examples: readonly TrainingExample[],
  scores: readonly Score[],
  reference: readonly Score[],
): number[] {
  let next = 0;
  const reward = (): number => {
    const index = next++;
    return (scores[index]?.logprob ?? NaN) - (reference[index]?.logprob ?? 0);
  };
  return examples.map((example) => {
    if (example.kind === 'pair') return reward() - reward();
    return example.kind === 'thumb' && !example.up ? -reward() : reward();
  });
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
