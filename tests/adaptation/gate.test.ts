import { describe, expect, it } from 'vitest';
import { type GateScorer, runGate } from '../../src/adaptation/gate';
import type { TrainingExample } from '../../src/training/types';

/** Log-probabilities from tables: each reply is one token, which names its row. Half a candidate is half of the way. */
function scorerOf(tables: Record<'base' | 'current' | 'candidate', number[]>): GateScorer {
  const at = (row: number, which: Parameters<GateScorer['score']>[1]): number => {
    const value = (table: number[]): number => table[row] ?? NaN;
    if (which === 'base' || which === 'current') return value(tables[which]);
    return value(tables.base) + which.scale * (value(tables.candidate) - value(tables.base));
  };
  return {
    score: (sequences, which) =>
      Promise.resolve(
        sequences.map(({ reply }) => ({
          logprob: at(reply[0] ?? -1, which),
          tokens: reply.length,
        })),
      ),
  };
}

const pair = (chosen: number, rejected: number): TrainingExample => ({
  kind: 'pair',
  id: `${chosen}${rejected}`,
  prompt: [0],
  chosen: [chosen],
  rejected: [rejected],
});
const ANCHORS = { sequences: [{ prompt: [0], reply: [4] }] };
const HELD = [pair(0, 1), pair(2, 3)];
const FLAT = [-5, -5, -5, -5, -3];

describe('the gate', () => {
  it('keeps a candidate that agrees with more held-out judgements and forgets little', async () => {
    const scorer = scorerOf({ base: FLAT, current: FLAT, candidate: [-4, -6, -4, -6, -3.02] });
    const result = await runGate(scorer, [], HELD, ANCHORS);
    expect(result).toMatchObject({ kept: true });
    expect(result.reason).toMatch(/agrees with 2 of 2 held-out judgements, the one before with 1/);
    expect(result.figures.map(({ after }) => Number(after.toFixed(3)))).toEqual([1, 2, 4.357]);
  });

  it('refuses one that agrees with fewer', async () => {
    const current = [-4, -6, -4, -6, -3];
    const scorer = scorerOf({ base: FLAT, current, candidate: [-2, -9, -5, -4, -3] });
    const result = await runGate(scorer, [], HELD, ANCHORS);
    expect(result.kept).toBe(false);
    expect(result.reason).toBe('Refused: it agrees with 1 of 2 held-out judgements, the one before with 2.');
  });

  it('refuses one that is no surer', async () => {
    const current = [-4, -6, -4, -6, -3];
    const scorer = scorerOf({ base: FLAT, current, candidate: [-4.5, -5.5, -4.5, -5.5, -3] });
    expect((await runGate(scorer, [], HELD, ANCHORS)).reason).toMatch('no surer');
  });

  it('refuses one that forgets, however well it learned', async () => {
    const scorer = scorerOf({ base: FLAT, current: FLAT, candidate: [-1, -9, -1, -9, -3.2] });
    const result = await runGate(scorer, [], HELD, ANCHORS);
    expect(result).toMatchObject({ kept: false, scale: 1 });
    expect(result.reason).toMatch('texts it should still know cost 0.289 bits a token more');
  });

  it('keeps half of one that forgets only at full strength', async () => {
    const scorer = scorerOf({ base: FLAT, current: FLAT, candidate: [-4, -6, -4, -6, -3.1] });
    const result = await runGate(scorer, [], HELD, ANCHORS);
    expect(result).toMatchObject({ kept: true, scale: 0.5 });
    expect(result.figures.map(({ after }) => Number(after.toFixed(3)))).toEqual([1, 1, 4.4]);
    expect(result.reason).toMatch(
      /^Kept at half strength: .* At full strength it forgets too much: .* 0\.144 bits/,
    );
  });

  it('judges by what it was trained on while there is nothing else, and says so', async () => {
    const scorer = scorerOf({ base: FLAT, current: FLAT, candidate: [-4, -6, -4, -6, -3] });
    const thumbs: TrainingExample[] = [
      { kind: 'thumb', id: 'a', prompt: [0], reply: [0], up: true },
      { kind: 'thumb', id: 'b', prompt: [0], reply: [1], up: false },
    ];
    const result = await runGate(scorer, thumbs, HELD.slice(0, 1), ANCHORS);
    expect(result.kept).toBe(true);
    expect(result.reason).toMatch('2 of 2 judgements it was trained on');
    expect(result.figures.map(({ name }) => name)).toEqual([
      'trained_accuracy',
      'trained_margin',
      'anchor_bits_per_token',
    ]);
  });
});
