import { describe, expect, it } from 'vitest';
import { crossFit } from '../../src/adaptation/cross-fit';
import type { TrainingExample } from '../../src/training/types';

const examples = (count: number): TrainingExample[] =>
  Array.from({ length: count }, (_, i) => ({ kind: 'text', id: String(i), prompt: [1], reply: [i] }));

describe('cross-fitting', () => {
  it.each([2, 5, 20])('judges each of %i examples once, by a model that has not seen it', async (count) => {
    const judged: string[] = [];
    const change = (id: string) => ({ before: Number(id), after: Number(id) / 10 });
    const changes = await crossFit(examples(count), 3, (train, judge) => {
      expect(train.length + judge.length).toBe(count);
      expect(Math.abs(train.length - judge.length)).toBeLessThanOrEqual(1);
      for (const { id } of judge) expect(train.map((one) => one.id)).not.toContain(id);
      judged.push(...judge.map(({ id }) => id));
      return Promise.resolve(judge.map(({ id }) => change(id)));
    });
    expect(judged.toSorted()).toEqual(
      examples(count)
        .map(({ id }) => id)
        .toSorted(),
    );
    // In the order of the examples, whatever the order of the halves.
    expect(changes).toEqual(examples(count).map(({ id }) => change(id)));
  });

  it('says nothing of a single example, and splits as the seed says', async () => {
    expect(await crossFit(examples(1), 0, () => Promise.reject(new Error('nothing to fit')))).toEqual([]);
    const firstHalf = async (seed: number): Promise<string[]> => {
      const halves: string[][] = [];
      await crossFit(examples(20), seed, (_, judge) => {
        halves.push(judge.map(({ id }) => id));
        return Promise.resolve(judge.map(() => ({ before: 0, after: 0 })));
      });
      return halves[0] ?? [];
    };
    expect(await firstHalf(1)).toEqual(await firstHalf(1));
    expect(await firstHalf(1)).not.toEqual(await firstHalf(2));
  });
});
