import { describe, expect, it } from 'vitest';
import { type GateInput, type GateScorer, type Judged, runGate } from '../../src/adaptation/gate';
import type { GateFigure } from '../../src/shared/records';
import type { TrainingExample } from '../../src/training/types';

/** One-token replies, which name their row of a table of log-probabilities. */
const ANCHOR = 100;
const DECLINE = 101;
const COMPLY = 102;
const CORRECT = 103;
const AGREE = 104;

type Table = Record<number, number>;

interface Model {
  base?: Table;
  current?: Table;
  candidate: Table;
  /** Of the candidate, at full scale. */
  entropyRatio?: number;
  /** Of the candidate, from the base: nats a token. */
  kl?: number;
  /** How often the candidate's replies end beside the base's. */
  ends?: number;
  gains?: number[];
}

/** Everything that a table leaves out is as likely as under the base. */
function scorerOf({
  base = {},
  current = {},
  candidate,
  entropyRatio = 0.95,
  kl = 0.05,
  ends = 1,
  gains = [1],
}: Model): GateScorer & {
  crossFits: number;
} {
  const of = (table: Table, row: number): number => table[row] ?? base[row] ?? -5;
  const at = (row: number, which: Judged): number => {
    if (which === 'base') return of({}, row);
    if (which === 'current') return of(current, row);
    // Half a candidate is half of the way.
    return of({}, row) + which.scale * (of(candidate, row) - of({}, row));
  };
  return {
    crossFits: 0,
    score: (sequences, which) =>
      Promise.resolve(
        sequences.map(({ reply }) => ({ logprob: at(reply[0] ?? -1, which), tokens: reply.length })),
      ),
    compare: (sequences, scale) =>
      Promise.resolve(
        sequences.map(() => ({
          kl: scale ** 2 * kl,
          entropy: 1 - scale * (1 - entropyRatio),
          baseEntropy: 1,
          ends: ends ** scale,
          baseEnds: 1,
          tokens: 1,
        })),
      ),
    crossFitted() {
      this.crossFits++;
      return Promise.resolve(gains);
    },
  };
}

const pair = (chosen: number, rejected: number): TrainingExample => ({
  kind: 'pair',
  id: `${chosen} ${rejected}`,
  prompt: [0],
  chosen: [chosen],
  rejected: [rejected],
  reference: { chosen: -5, rejected: -5 },
});

const HELD = [pair(0, 1), pair(2, 3)];
const GOOD: Table = { 0: -4, 1: -6, 2: -4, 3: -6 };

function input(changes: Partial<GateInput> = {}): GateInput {
  return {
    trained: [],
    heldOut: HELD,
    earlier: [],
    anchors: { sequences: [{ prompt: [0], reply: [ANCHOR] }] },
    probes: {
      decline: [{ prompt: [0], wanted: [DECLINE], unwanted: [COMPLY] }],
      correct: [{ prompt: [0], wanted: [CORRECT], unwanted: [AGREE] }],
    },
    beta: 0.1,
    ...changes,
  };
}

function figure(figures: readonly GateFigure[], name: GateFigure['name']): GateFigure | undefined {
  return figures.find((one) => one.name === name);
}

describe('the gate', () => {
  it('keeps a candidate that agrees with more held-out judgements and leaves the rest as it was', async () => {
    const result = await runGate(scorerOf({ candidate: { ...GOOD, [ANCHOR]: -5.02 } }), input());
    expect(result).toMatchObject({ kept: true, scale: 1 });
    expect(result.reason).toMatch(/^Kept: it agrees with 2 of 2 held-out judgements, the one before with 1;/);
    expect(result.reason).toMatch('what it knew costs 0.029 bits a token more');
    expect(figure(result.figures, 'held_out_accuracy')).toMatchObject({ before: 0.5, after: 1 });
    expect(figure(result.figures, 'held_out_margin')).toMatchObject({ before: 0, after: 2 });
    // σ(0) and σ(0.1 · 2).
    const brier = figure(result.figures, 'held_out_brier');
    expect(brier?.before).toBe(0.25);
    expect(brier?.after).toBeCloseTo((1 - 1 / (1 + Math.exp(-0.2))) ** 2, 12);
    expect(figure(result.figures, 'entropy_ratio')).toMatchObject({ before: 1, after: 0.95 });
  });

  it.each<[string, Model, RegExp]>([
    [
      'agrees with fewer judgements',
      { current: GOOD, candidate: { 0: -2, 1: -9, 2: -5, 3: -4 } },
      /^Refused: it agrees with 1 of 2 held-out judgements, the one before with 2\.$/,
    ],
    [
      'is no surer',
      { current: GOOD, candidate: { 0: -4.5, 1: -5.5, 2: -4.5, 3: -5.5 } },
      /no surer of your judgements/,
    ],
    [
      'is wrong with more confidence than before',
      { current: { 0: -6, 2: -6 }, candidate: { 0: 25, 1: -35, 2: -35 } },
      /its probabilities of your judgements are worse/,
    ],
    [
      'forgets, however well it learned',
      { candidate: { ...GOOD, [ANCHOR]: -5.2 } },
      /texts it should still know cost 0\.289 bits a token more, 0\.08 are allowed/,
    ],
    [
      'has grown too sure',
      { candidate: GOOD, entropyRatio: 0.5 },
      /its doubt is 50 % of what it was, 80 % is the least/,
    ],
    [
      'has moved far from the base',
      { candidate: GOOD, kl: 9 },
      /moved too far from the base: 9\.00 nats a token/,
    ],
    ['would say less', { candidate: GOOD, ends: 2.5 }, /its replies would be 0\.4 times as long/],
    ['would ramble', { candidate: GOOD, ends: 0.4 }, /its replies would be 2\.5 times as long/],
    [
      'would sooner comply with harm',
      { candidate: { ...GOOD, [COMPLY]: -3 } },
      /sooner do what it should decline/,
    ],
    ['would sooner flatter', { candidate: { ...GOOD, [AGREE]: -4 } }, /sooner agree with what is wrong/],
  ])('refuses one that %s', async (_, model, reason) => {
    const scorer = scorerOf(model);
    const result = await runGate(scorer, input());
    expect(result).toMatchObject({ kept: false, scale: 1 });
    expect(result.reason).toMatch(reason);
    // The dear question is not asked of what has failed already.
    expect(scorer.crossFits).toBe(0);
  });

  it('refuses one that has lost earlier judgements', async () => {
    const earlier = [pair(10, 11), pair(12, 13)];
    const learned = { 10: -4, 12: -4 };
    const model = { current: learned, candidate: { ...GOOD, 10: -4, 12: -6 } };
    const result = await runGate(scorerOf(model), input({ earlier }));
    expect(result.reason).toBe('Refused: it agrees with 1 of 2 earlier judgements, the one before with 2.');
    expect((await runGate(scorerOf(model), input())).kept).toBe(true);
  });

  it('counts for a tie what differs by rounding alone', async () => {
    const noise = { 0: -5 + 1e-5, 1: -5, 2: -5, 3: -5 + 1e-5 };
    const result = await runGate(scorerOf({ current: noise, candidate: GOOD }), input());
    expect(figure(result.figures, 'held_out_accuracy')?.before).toBe(0.5);
  });

  it('lets replies grow as short or as long as the judgements ask for', async () => {
    const long = (token: number): number[] => [token, token, token];
    const brief = HELD.map((one) =>
      one.kind === 'pair' ? { ...one, rejected: long(one.rejected[0] ?? 0) } : one,
    );
    const wordy = HELD.map((one) =>
      one.kind === 'pair' ? { ...one, chosen: long(one.chosen[0] ?? 0) } : one,
    );
    const judge = (ends: number, heldOut: TrainingExample[]) =>
      runGate(scorerOf({ candidate: GOOD, ends }), input({ heldOut }));
    const short = await judge(2.5, brief);
    expect(short).toMatchObject({ kept: true, scale: 1 });
    expect(figure(short.figures, 'length_ratio')?.after).toBe(0.4);
    expect(await judge(2.5, wordy)).toMatchObject({ kept: false });
    expect(await judge(0.4, wordy)).toMatchObject({ kept: true, scale: 1 });
    expect(await judge(0.4, brief)).toMatchObject({ kept: false });
  });

  it('keeps half of one that forgets only at full strength', async () => {
    const result = await runGate(scorerOf({ candidate: { ...GOOD, [ANCHOR]: -5.1 } }), input());
    expect(result).toMatchObject({ kept: true, scale: 0.5 });
    expect(figure(result.figures, 'held_out_margin')?.after).toBe(1);
    expect(result.reason).toMatch(
      /^Kept at half strength: .* At full strength it forgets too much: .* 0\.144 bits/,
    );
  });

  it('judges by what it was trained on while there is nothing else, and says so', async () => {
    const trained: TrainingExample[] = [
      { kind: 'thumb', id: 'a', prompt: [0], reply: [0], up: true, reference: -5 },
      { kind: 'thumb', id: 'b', prompt: [0], reply: [1], up: false, reference: -5 },
    ];
    const result = await runGate(
      scorerOf({ candidate: GOOD }),
      input({ trained, heldOut: HELD.slice(0, 1) }),
    );
    expect(result.kept).toBe(true);
    expect(result.reason).toMatch('2 of 2 judgements it was trained on');
    expect(figure(result.figures, 'trained_accuracy')).toMatchObject({ before: 0.5, after: 1, count: 2 });
  });
});

describe('the gain on judgements that training has not seen', () => {
  const trained = [0, 1, 2, 3].map((i) => pair(20 + 2 * i, 21 + 2 * i));
  const gainOf = async (gains: number[]) => {
    const result = await runGate(scorerOf({ candidate: GOOD, gains }), input({ trained }));
    return { ...result, gain: figure(result.figures, 'unseen_gain') };
  };

  it('must not look like chance once there are enough of them', async () => {
    const split = (up: number, down: number) => [
      ...new Array<number>(up).fill(3),
      ...new Array<number>(down).fill(-1),
    ];
    // P(at least 12 of 16 heads) = 0.038, of 11 = 0.105.
    const good = await gainOf(split(12, 4));
    expect(good.kept).toBe(true);
    expect(good.gain).toMatchObject({ before: 0.5, after: 0.75, count: 16, limit: 0.05 });
    expect(good.gain?.p).toBeCloseTo(0.0384, 4);
    const weak = await gainOf(split(11, 5));
    expect(weak.kept).toBe(false);
    expect(weak.reason).toBe(
      'Refused: of 16 judgements it had not seen it became surer of 11, which may be chance.',
    );
  });

  it('must be one on average while there are few', async () => {
    expect((await gainOf([2, 1, -1])).kept).toBe(true);
    expect((await gainOf([-2, 1, 0.5])).kept).toBe(false);
  });

  it('is not asked of fewer than four, nor of those learned before', async () => {
    const model = { candidate: GOOD, gains: [-1, -1] };
    expect((await runGate(scorerOf(model), input({ trained }))).kept).toBe(false);
    expect((await runGate(scorerOf(model), input({ trained: trained.slice(1) }))).kept).toBe(true);
    expect((await runGate(scorerOf(model), input({ trained, earlier: trained.slice(3) }))).kept).toBe(true);
  });

  it('is measured on the held-out judgements where there are enough, without another training', async () => {
    const heldOut = Array.from({ length: 16 }, (_, i) => pair(2 * i, 2 * i + 1));
    const better = (count: number): Table =>
      Object.fromEntries(heldOut.map((_, i) => [2 * i, i < count ? -4 : -5.5]));
    const scorer = scorerOf({ candidate: better(12) });
    expect(await runGate(scorer, input({ heldOut }))).toMatchObject({ kept: true });
    expect(await runGate(scorerOf({ candidate: better(11) }), input({ heldOut }))).toMatchObject({
      kept: false,
    });
    expect(scorer.crossFits).toBe(0);
  });
});
