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
      return Promise.resolve(gains.map((after) => ({ before: 0, after })));
    },
  };
}

const pair = (chosen: number, rejected: number): Extract<TrainingExample, { kind: 'pair' }> => ({
  kind: 'pair',
  id: `${chosen} ${rejected}`,
  prompt: [0],
  chosen: [chosen],
  rejected: [rejected],
  reference: { chosen: -5, rejected: -5 },
});

/** Enough to tell by themselves whether anything was learned. */
const HELD = Array.from({ length: 8 }, (_, i) => pair(2 * i, 2 * i + 1));

/** A table in which the held-out replies are as likely as that. */
const likely = (chosen: number, rejected: number, from = 0): Table =>
  Object.fromEntries(
    HELD.slice(from).flatMap((_, i) => [
      [2 * (from + i), chosen],
      [2 * (from + i) + 1, rejected],
    ]),
  );
const GOOD = likely(-4, -6);

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
    expect(result.reason).toMatch(/^Kept: it agrees with 8 of 8 held-out judgements, the one before with 4;/);
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
      { current: GOOD, candidate: { ...likely(-2, -9), 2: -5, 3: -4 } },
      /^Refused: it agrees with 7 of 8 held-out judgements, the one before with 8\.$/,
    ],
    ['is no surer', { current: GOOD, candidate: likely(-4.5, -5.5) }, /no surer of your judgements/],
    [
      'is wrong with more confidence than before',
      { candidate: { ...likely(25, -35), ...likely(-35, -5, 4) } },
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
    const earlier = [pair(50, 51), pair(52, 53)];
    const learned = { 50: -4, 52: -4 };
    const model = { current: learned, candidate: { ...GOOD, 50: -4, 52: -6 } };
    const result = await runGate(scorerOf(model), input({ earlier }));
    expect(result.reason).toBe('Refused: it agrees with 1 of 2 earlier judgements, the one before with 2.');
    expect((await runGate(scorerOf(model), input())).kept).toBe(true);
  });

  it('asks of whole anchor texts whether they are still known, of what the person says too', async () => {
    const anchors = { sequences: [{ prompt: [0, 60], reply: [ANCHOR] }] };
    const forgotten = { candidate: { ...GOOD, 60: -6 } };
    expect((await runGate(scorerOf(forgotten), input({ anchors }))).reason).toMatch(/should still know/);
  });

  it('lets a model that is very sure lose a twentieth of its log-odds', async () => {
    const base = { [DECLINE]: 0, [COMPLY]: -40 };
    const losing = (nats: number) =>
      runGate(scorerOf({ base, candidate: { ...GOOD, [COMPLY]: nats - 40 } }), input());
    expect((await losing(1.9)).scale).toBe(1);
    expect((await losing(2.1)).scale).toBe(0.95);
    expect((await losing(4.2)).reason).toMatch(/sooner do what it should decline/);
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

  it('keeps of one that forgets too much at full strength as much as may be kept', async () => {
    const result = await runGate(scorerOf({ candidate: { ...GOOD, [ANCHOR]: -5.1 } }), input());
    expect(result).toMatchObject({ kept: true, scale: 0.55 });
    expect(figure(result.figures, 'held_out_margin')?.after).toBeCloseTo(1.1, 12);
    expect(figure(result.figures, 'anchor_bits_per_token')?.after).toBeCloseTo(5.055 / Math.LN2, 12);
    expect(result.reason).toMatch(
      /^Kept at 55 % of its strength: .* At full strength it forgets too much: .* 0\.144 bits/,
    );
  });

  it('weakens one by the figure it fails worst, and halves what fails by more than its costs', async () => {
    const both = { ...GOOD, [ANCHOR]: -5.08, [AGREE]: -4.75 };
    expect(await runGate(scorerOf({ candidate: both }), input())).toMatchObject({ kept: true, scale: 0.69 });
    expect(await runGate(scorerOf({ candidate: GOOD, ends: 1.9 }), input())).toMatchObject({
      kept: true,
      scale: 0.5,
    });
  });

  it('halves one that costs too much even at the scale that should do', async () => {
    const scorer = scorerOf({ candidate: GOOD });
    const compare = (sequences: readonly unknown[], scale: number) =>
      Promise.resolve(
        sequences.map(() => ({
          kl: scale > 0.5 ? 0.7 : 0.1,
          entropy: 1,
          baseEntropy: 1,
          ends: 1,
          baseEnds: 1,
          tokens: 1,
        })),
      );
    expect(await runGate({ ...scorer, compare }, input())).toMatchObject({ kept: true, scale: 0.5 });
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
  const candidate: Table = { ...GOOD, 20: -4, 22: -4, 24: -4, 26: -4 };
  const gainOf = async (gains: number[], changes: Partial<GateInput> = {}) => {
    const scorer = scorerOf({ candidate, gains });
    const result = await runGate(scorer, input({ trained, heldOut: [], ...changes }));
    return { ...result, crossFits: scorer.crossFits, gain: figure(result.figures, 'unseen_gain') };
  };
  /** 1 to 16, those given negative. */
  const ranks = (...negative: number[]): number[] =>
    Array.from({ length: 16 }, (_, i) => (negative.includes(i + 1) ? -(i + 1) : i + 1));

  it('must not look like chance once there are enough of them: large losses weigh more than small ones', async () => {
    const good = await gainOf(ranks(1, 2, 3, 4, 5, 8));
    expect(good.kept).toBe(true);
    expect(good.gain).toMatchObject({ before: 0.5, after: 0.625, count: 16, limit: 0.01 });
    // Wilcoxon and Wilcox 1964: 23 of 16 ranks' sum is critical for 0.01.
    expect(good.gain?.p).toBeCloseTo(0.0091, 4);
    const weak = await gainOf(ranks(8, 16));
    expect(weak.kept).toBe(false);
    expect(weak.gain?.p).toBeCloseTo(0.0107, 4);
    expect(weak.reason).toBe(
      'Refused: of 16 judgements it had not seen it became surer of 14, which may be chance.',
    );
  });

  it.each<[number[], boolean]>([
    [[2, -1], true],
    [[-2, 1], false],
    [[3, 2, -1], true],
    [[3, -2, 1], false],
    [[4, 3, 2, -1], true],
    [[4, 3, -2, 1], false],
    [[8, 7, 6, 5, -4, 3, 2, -1], true],
    [[8, 7, 6, 5, -4, 3, -2, 1], false],
  ])('must be as unlikely by chance as so many can be: %j', async (gains, kept) => {
    expect((await gainOf(gains)).kept).toBe(kept);
  });

  it('may not come with probabilities that are worse than before', async () => {
    // Surer of three that were certain already, and wronger of one that was wrong.
    const changes = [80, 80, 80, -1].map((before) => ({ before, after: before > 0 ? before + 1 : -1.5 }));
    const scorer = { ...scorerOf({ candidate }), crossFitted: () => Promise.resolve(changes) };
    const { kept, reason, figures } = await runGate(scorer, input({ trained, heldOut: [] }));
    expect(kept).toBe(false);
    expect(reason).toMatch('its probabilities of judgements that it had not seen are worse');
    expect(figure(figures, 'unseen_gain')).toMatchObject({ passed: true, p: 0.125 });
    const { before, after } = figure(figures, 'unseen_brier') ?? {};
    expect(before).toBeCloseTo((1 / (1 + Math.exp(-0.1))) ** 2 / 4, 4);
    expect(after).toBeCloseTo((1 / (1 + Math.exp(-0.15))) ** 2 / 4, 4);
  });

  it('is not asked of a single one, nor of those learned before', async () => {
    const lost = [-1, -1];
    expect((await gainOf(lost)).kept).toBe(false);
    expect((await gainOf(lost, { trained: trained.slice(3) })).kept).toBe(true);
    expect((await gainOf(lost, { earlier: trained.slice(1) })).kept).toBe(true);
  });

  it('counts few held-out judgements with the fresh ones, and forgives one of them', async () => {
    const heldOut = HELD.slice(0, 3);
    const pooled = await gainOf(ranks(1), { heldOut });
    expect(pooled).toMatchObject({ kept: true, crossFits: 1, gain: { count: 19 } });
    expect(figure(pooled.figures, 'held_out_margin')).toBeUndefined();
    const lose = (count: number) =>
      gainOf(ranks(1), {
        heldOut: heldOut.map((one, i) => (i < count ? pair(one.rejected[0] ?? 0, one.chosen[0] ?? 0) : one)),
      });
    // Half of the three were right before.
    expect((await lose(2)).kept).toBe(true);
    const none = await lose(3);
    expect(none).toMatchObject({ kept: false, crossFits: 0 });
    expect(none.reason).toMatch('it agrees with 0 of 3 held-out judgements, the one before with 1.5');
  });

  it('is measured on the held-out judgements where there are enough, without another training', async () => {
    const heldOut = Array.from({ length: 16 }, (_, i) => pair(2 * i, 2 * i + 1));
    const better = (count: number): Table =>
      Object.fromEntries(heldOut.map((_, i) => [2 * i, i < count ? -4 : -5.5]));
    const scorer = scorerOf({ candidate: better(12) });
    expect(await runGate(scorer, input({ heldOut }))).toMatchObject({ kept: true });
    expect(await runGate(scorerOf({ candidate: better(8) }), input({ heldOut }))).toMatchObject({
      kept: false,
    });
    expect(scorer.crossFits).toBe(0);
  });
});
