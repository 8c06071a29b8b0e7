import type { Score } from '../model/scorer';
import type { TrainingExample } from '../training/types';

/**
 * Margins of the implicit reward log π − log π_ref (Rafailov et al. 2023, eq. 5) without its β, in nats: chosen less
 * rejected, or for a lone thumb the reward itself, turned round for 👎. Positive: the model agrees with the user.
 * @param examples with their references; without them margins of log π, whose differences are those of the reward.
 * @param scores of the examples' replies, one after the other (`sequencesOf`).
 */
export function marginsOf(examples: readonly TrainingExample[], scores: readonly Score[]): number[] {
  let next = 0;
  const reward = (reference = 0): number => (scores[next++]?.logprob ?? NaN) - reference;
  return examples.map((example) => {
    if (example.kind === 'pair') {
      return reward(example.reference?.chosen) - reward(example.reference?.rejected);
    }
    if (example.kind === 'text') return reward();
    return example.up ? reward(example.reference) : -reward(example.reference);
  });
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
