import { createRandom } from '../shared/random';
import type { TrainingExample } from '../training/types';

/**
 * What each judgement gains from training on others: the examples are split in two by a seeded shuffle, a model is
 * fitted to either half, and judges the other (two-fold cross-fitting). Honest where there are too few judgements to
 * hold some back: none is judged by a model that has seen it.
 * @param fit trains on some examples and answers how much surer the model became of others, in nats, in their order.
 * @returns one gain an example, in their order.
 */
export async function crossFit(
  examples: readonly TrainingExample[],
  seed: number,
  fit: (train: readonly TrainingExample[], judge: readonly TrainingExample[]) => Promise<number[]>,
): Promise<number[]> {
  const order = createRandom(seed).shuffle(examples.map((_, index) => index));
  const halves = [0, 1].map((half) => order.filter((_, place) => place % 2 === half));
  const gains = new Array<number>(examples.length).fill(0);
  for (const [half, judged] of halves.entries()) {
    const trained = halves[1 - half] ?? [];
    if (trained.length === 0 || judged.length === 0) continue;
    const pick = (indices: readonly number[]): TrainingExample[] =>
      indices.flatMap((index) => examples[index] ?? []);
    const found = await fit(pick(trained), pick(judged));
    judged.forEach((index, i) => (gains[index] = found[i] ?? 0));
  }
  return gains;
}
