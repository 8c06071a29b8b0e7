import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { foresee, runUpdate, type UpdateInput } from '../../src/adaptation/update';
import { emptyAdapter } from '../../src/formats/adapter';
import type { ModelFolder } from '../../src/formats/model-folder';
import { ModelRuntime } from '../../src/model/runtime';
import { createRandom } from '../../src/shared/random';
import { addReferences, rehearsalExamples, runSteps } from '../../src/training/train';
import { Trainer } from '../../src/training/trainer';
import {
  DEFAULT_HYPERPARAMETERS,
  DEFAULT_LORA,
  type TrainerState,
  type TrainingExample,
} from '../../src/training/types';
import { seededAdapter } from '../reference/adapter';
import { seededModel, TINY_CONFIG } from '../reference/seeded-model';
import { testGpu, thumbling } from '../support/gpu';

let folder: ModelFolder;
let runtime: ModelRuntime;
let trainer: Trainer;
beforeAll(async () => {
  folder = { ...(await thumbling()), config: TINY_CONFIG, tensors: seededModel(TINY_CONFIG, 4) };
  runtime = ModelRuntime.of(await testGpu(), folder, DEFAULT_LORA.rank);
  trainer = await Trainer.create(runtime, { rows: 128 });
});
afterAll(() => {
  trainer.destroy();
  runtime.destroy();
});

const random = createRandom(7);
const ids = (length: number, from = 0, to = TINY_CONFIG.vocab_size): number[] =>
  Array.from({ length }, () => from + random.int(to - from));
const sequence = () => ({ prompt: ids(3), reply: ids(6) });
/** Somebody who likes small numbers, or says so of a coin. */
const pairs = (count: number, honest: boolean): TrainingExample[] =>
  Array.from({ length: count }, (_, i) => {
    const [small, large] = [ids(5, 0, 60), ids(5, 60)];
    const swapped = !honest && random.int(2) === 1;
    const [chosen, rejected] = swapped ? [large, small] : [small, large];
    return { kind: 'pair', id: String(i), prompt: ids(4), chosen, rejected };
  });
const HYPERPARAMETERS = { ...DEFAULT_HYPERPARAMETERS, steps: 20, rehearsal: 2 };

const input = (train: TrainingExample[]): UpdateInput => {
  const probe = () => ({ prompt: ids(3), wanted: ids(4), unwanted: ids(4) });
  return {
    current: null,
    train,
    heldOut: [],
    learned: new Set(),
    texts: {
      anchors: { sequences: Array.from({ length: 20 }, sequence) },
      rehearsal: Array.from({ length: 10 }, sequence),
      probes: { decline: [probe()], correct: [probe()] },
    },
    hyperparameters: HYPERPARAMETERS,
    seed: 5,
  };
};
const gainOf = ({ figures }: Awaited<ReturnType<typeof runUpdate>>) =>
  figures.find(({ name }) => name === 'unseen_gain');

describe('an update', () => {
  it('asks of judgements that training has not seen, and answers what all of them trained', async () => {
    const limits = {
      forgetting: 9,
      earlier: 1,
      brier: 1,
      divergence: Infinity,
      length: Infinity,
      entropy: 0,
      decline: 99,
      correct: 99,
      odds: 0,
      chance: [{ from: 1, p: 0.05 }],
    };
    const update = { ...input(pairs(16, true)), limits };
    const checked: [number, number][] = [];
    const outcome = await runUpdate(runtime, trainer, update, {
      onCheck: (done, all) => checked.push([done, all]),
    });
    expect(outcome).toMatchObject({ kept: true, scale: 1 });
    expect(gainOf(outcome)).toMatchObject({ count: 16, passed: true });
    expect(checked).toEqual(Array.from({ length: 12 }, (_, i) => [i + 1, 12]));

    trainer.load(emptyAdapter(TINY_CONFIG, runtime.sha256, { ...DEFAULT_LORA, seed: 5 }));
    const examples = await addReferences(trainer, update.train);
    const rehearsal = rehearsalExamples(update.texts.rehearsal);
    await runSteps(trainer, examples, HYPERPARAMETERS, 5, { rehearsal });
    expect(outcome.candidate).toEqual(await trainer.adapter());

    // Coins teach nothing that holds for another throw.
    const coins = await runUpdate(runtime, trainer, { ...input(pairs(16, false)), limits });
    expect(coins.kept).toBe(false);
    expect(coins.reason).toMatch('which may be chance');
  });

  it('can go on from before its first step', async () => {
    const update = { ...input(pairs(4, true)), hyperparameters: { ...HYPERPARAMETERS, steps: 3 } };
    const states: TrainerState[] = [];
    const onStart = async (): Promise<void> => void states.push(await trainer.state());
    const whole = await runUpdate(runtime, trainer, update, { onStart });
    const [state, ...others] = states;
    if (!state || others.length > 0) throw new Error('begins once');
    const resumed = await runUpdate(
      runtime,
      trainer,
      { ...update, resume: { state, results: [] } },
      { onStart },
    );
    expect(resumed.candidate).toEqual(whole.candidate);
    expect(states).toHaveLength(1);
  });

  it('neither learns much from judgements of an earlier taste nor is judged by them', async () => {
    const update = input(pairs(6, true));
    const all = update.train.map(({ id }) => id);
    const outdated = new Set(all.slice(0, 2));
    const counts = ({ figures }: Awaited<ReturnType<typeof runUpdate>>) =>
      figures.filter(({ name }) => /^(trained|earlier)_accuracy$/.test(name)).map(({ count }) => count);
    const plain = await runUpdate(runtime, trainer, { ...update, learned: new Set(all) });
    const changed = await runUpdate(runtime, trainer, { ...update, learned: new Set(all), outdated });
    expect([counts(plain), counts(changed)]).toEqual([
      [6, 6],
      [4, 4],
    ]);
    // Two steps show every judgement once.
    const firstEpoch = ({ results }: Awaited<ReturnType<typeof runUpdate>>): number =>
      (results[0]?.loss ?? NaN) + (results[1]?.loss ?? NaN);
    expect(firstEpoch(changed)).toBeLessThan(firstEpoch(plain));
  });

  it('is predicted before it is learned', async () => {
    const adapter = { ...seededAdapter(TINY_CONFIG, DEFAULT_LORA.rank, 16, 9), base: runtime.sha256 };
    trainer.load(adapter);
    const train = await addReferences(trainer, input(pairs(6, true)).train);
    const past = { parentVersion: 1, signals: [], receipts: [], model: runtime.sha256 };
    const nothing = { ...past, current: null, learned: new Set<string>() };
    expect((await foresee(trainer, train, nothing)).predictions).toEqual({});
    const learned = new Set(['1']);
    const { predictions: margins } = await foresee(trainer, train, { ...past, current: adapter, learned });
    expect(Object.keys(margins)).toEqual(train.map(({ id }) => id).filter((id) => id !== '1'));
    // Only once, whatever becomes of the update.
    const receipts = [{ model: runtime.sha256, parentVersion: 1, predictions: { 0: 1, 2: 1 } }];
    const again = await foresee(trainer, train, { ...past, receipts, current: adapter, learned });
    expect(Object.keys(again.predictions)).toEqual(['3', '4', '5']);
    const [first] = train;
    if (first?.kind !== 'pair') throw new Error('no pair');
    const { prompt, chosen, rejected, reference } = first;
    const [good, bad] = await trainer.score(
      [
        { prompt, reply: chosen },
        { prompt, reply: rejected },
      ],
      'adapter',
    );
    const margin = (good?.logprob ?? NaN) - (bad?.logprob ?? NaN);
    expect(margins['0']).toBeCloseTo(margin - ((reference?.chosen ?? NaN) - (reference?.rejected ?? NaN)), 3);
  });

  it('of what is learned already does not ask again', async () => {
    const update = input(pairs(6, true));
    const learned = new Set(update.train.map(({ id }) => id));
    const outcome = await runUpdate(runtime, trainer, { ...update, learned });
    expect(gainOf(outcome)).toBeUndefined();
    expect(outcome.figures.find(({ name }) => name === 'earlier_accuracy')).toMatchObject({ count: 6 });
  });
});
