import { createRandom } from '../shared/random';
import type { TrainingExample } from '../training/types';

/** A judgement's margin, in nats, under the adapter in use and after training on others. */
export interface Change {
  before: number;
  after: number;
}

/**
 * What training on others does to each judgement: the examples are split in two by a seeded shuffle, a model is
 * fitted to either half, and judges the other (two-fold cross-fitting). Honest where there are too few judgements to
 * hold some back: none is judged by a model that has seen it.
 * @param fit trains on some examples and answers what became of others, in their order.
 * @returns one change an example, in their order; none where there are too few to split.
 */
export async function crossFit(
  examples: readonly TrainingExample[],
  seed: number,
  fit: (train: readonly TrainingExample[], judge: readonly TrainingExample[]) => Promise<Change[]>,
): Promise<Change[]> {
  if (examples.length < 2) return [];
  const order = createRandom(seed).shuffle(examples.map((_, index) => index));
  const halves = [0, 1].map((half) => order.filter((_, place) => place % 2 === half));
  const changes: Change[] = [];
  for (const [half, judged] of halves.entries()) {
    const trained = halves[1 - half] ?? [];
    const pick = (indices: readonly number[]): TrainingExample[] =>
      indices.flatMap((index) => examples[index] ?? []);
    const found = await fit(pick(trained), pick(judged));
    judged.forEach((index, i) => (changes[index] = found[i] ?? { before: NaN, after: NaN }));
  }
  return changes;
}
