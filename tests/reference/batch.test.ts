import { describe, expect, it } from 'vitest';
import { visibleRows } from './attention';
import { packBatch } from './batch';

describe('packBatch', () => {
  const batch = packBatch([
    {
      prompt: [10, 11],
      replies: [
        [20, 21, 2],
        [30, 2],
      ],
    },
    { prompt: [12], replies: [[40, 2]] },
  ]);

  it('shares the prompt and leaves out last tokens', () => {
    expect(batch.ids).toEqual([10, 11, 20, 21, 30, 12, 40]);
    expect(batch.positions).toEqual([0, 1, 2, 3, 2, 0, 1]);
    expect(batch.sequences).toBe(3);
  });

  it('shows each reply its prompt and itself', () => {
    expect(batch.visibility.map(visibleRows)).toEqual([
      [0],
      [0, 1],
      [0, 1, 2],
      [0, 1, 2, 3],
      [0, 1, 4],
      [5],
      [5, 6],
    ]);
  });

  it('predicts each reply from the prompt’s last row on', () => {
    const targets = batch.targets.map(({ row, token, sequence }) => [row, token, sequence]);
    expect(targets).toEqual([
      [1, 20, 0],
      [2, 21, 0],
      [3, 2, 0],
      [1, 30, 1],
      [4, 2, 1],
      [5, 40, 2],
      [6, 2, 2],
    ]);
  });
});
