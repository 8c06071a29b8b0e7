import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mismatchOf } from '../../src/adaptation/mismatches';
import { differencesOf, replay, TOLERANCE, verdictOf } from '../../src/adaptation/replay';
import { readReceiptFile, type ReceiptFile, writeReceiptFile } from '../../src/formats/receipt-file';
import type { Tile } from '../../src/gpu/device';
import type { ModelRuntime } from '../../src/model/runtime';
import type { GateFigure, Receipt } from '../../src/shared/records';
import { Trainer } from '../../src/training/trainer';
import { recordedUpdate, tinyModel, tinyRuntime, TRAINER_OPTIONS } from '../support/recorded-update';

let runtime: ModelRuntime;
beforeAll(async () => {
  runtime = await tinyRuntime();
});
afterAll(() => runtime.destroy());

describe('a receipt', () => {
  it.each([
    ['the base', false],
    ['an adapter', true],
  ])('of an update of %s is enough to repeat it bit for bit', async (_, withParent) => {
    const file = await recordedUpdate(runtime, withParent);
    const trainer = await Trainer.create(runtime, TRAINER_OPTIONS);
    const read = readReceiptFile(writeReceiptFile(file));
    expect(read).toEqual(file);
    expect(await replay(runtime, trainer, read, tinyModel)).toMatchObject({
      verdict: 'identical',
      sameDecision: true,
      differences: [],
    });
    // Another seed is another update.
    const other = { ...read, receipt: { ...read.receipt, seed: 12 } };
    const changed = await replay(runtime, trainer, other, tinyModel);
    expect(changed.verdict).toBe('different');
    expect(changed.differences.length).toBeGreaterThan(0);
    trainer.destroy();
  });

  it('is repeated within tolerance where products are added up in another order, as on another device', async () => {
    const file = await recordedUpdate(runtime, true);
    const { gpu } = runtime;
    const { forms } = gpu;
    const { tiled, attention } = forms.batch;
    const tile: Tile = { ...forms.batch, rows: 4, tiled: !tiled, attention: attention === 8 ? 32 : 8 };
    gpu.forms = { batch: tile, row: tile, shapes: {} };
    const trainer = await Trainer.create(runtime, TRAINER_OPTIONS);
    const { verdict, sameDecision, differences } = await replay(runtime, trainer, file, tinyModel);
    gpu.forms = forms;
    trainer.destroy();
    expect({ verdict, sameDecision }).toEqual({ verdict: 'within-tolerance', sameDecision: true });
    expect(differences.length).toBeGreaterThan(0);
  });

  it('from before updates were averaged is repeated without', async () => {
    const file = await recordedUpdate(runtime, false);
    const trainer = await Trainer.create(runtime, TRAINER_OPTIONS);
    const trained = async (hyperparameters: Record<string, number>) => {
      const receipt = { ...file.receipt, hyperparameters };
      return (await replay(runtime, trainer, { ...file, receipt }, tinyModel)).outcome.trained;
    };
    const { ema_decay: decay, ...earlier } = file.receipt.hyperparameters;
    const before = await trained(earlier);
    expect(before).toEqual(await trained({ ...earlier, ema_decay: 0 }));
    expect(before).not.toEqual(await trained({ ...earlier, ema_decay: decay ?? NaN }));
    trainer.destroy();
  });

  it('is another update on its word alone: a changed loss, a step or a figure that the repeat lacks', async () => {
    const { receipt, ...file } = await recordedUpdate(runtime, false);
    const trainer = await Trainer.create(runtime, TRAINER_OPTIONS);
    const repeat = (changes: Partial<Receipt>) =>
      replay(runtime, trainer, { ...file, receipt: { ...receipt, ...changes } }, tinyModel);
    const { losses, rows = [] } = receipt;
    const [first = NaN] = losses;
    expect(await repeat({ losses: [first * 1.01, ...losses.slice(1)] })).toMatchObject({
      verdict: 'different',
      sameDecision: true,
      differences: [{ what: 'loss of step 1', then: first * 1.01, now: first }],
    });
    const shorter = await repeat({ rows: rows.slice(0, -1) });
    expect(shorter.verdict).toBe('different');
    expect(shorter.differences[0]).toEqual({ what: 'loss of step 6', then: losses[5], now: null });
    const other = receipt.decision === 'kept' ? 'refused' : 'kept';
    expect(await repeat({ decision: other })).toMatchObject({ verdict: 'identical', sameDecision: false });
    trainer.destroy();
  });

  it('of an update without an end, or without a signal, is refused', async () => {
    const file = await recordedUpdate(runtime, false);
    const trainer = await Trainer.create(runtime, TRAINER_OPTIONS);
    const with_ = (changes: Partial<ReceiptFile['receipt']>) =>
      replay(runtime, trainer, { ...file, receipt: { ...file.receipt, ...changes } }, tinyModel);
    await expect(with_({ decision: 'cancelled' })).rejects.toThrow('not finished');
    await expect(with_({ signalIds: [] })).rejects.toThrow('no signal that can be learned from');
    trainer.destroy();
  });
});

describe('the verdict on a repetition', () => {
  const figure = (name: GateFigure['name'], after: number): GateFigure => ({
    name,
    before: 0,
    after,
    limit: 1,
    count: 1,
    passed: true,
  });
  const then = {
    losses: [2, 1],
    figures: [figure('trained_accuracy', 0.75), figure('own_kl_per_token', 1e-4)],
  };
  const verdictOn = (losses: number[], figures: GateFigure[], sameCandidate = false) => {
    const results = losses.map((loss) => ({ loss, margin: 0, rows: 0, chosen: 0, gradNorm: 0 }));
    const differences = differencesOf(then, { results, figures });
    return { verdict: verdictOf(differences, sameCandidate), named: differences.map(({ what }) => what) };
  };
  const { losses, figures } = then;

  it.each([
    ['the same bit for bit', losses, figures, true, 'identical', []],
    ['the same numbers of a candidate that is not', losses, figures, false, 'within-tolerance', []],
    [
      'numbers next to them, the largest difference first',
      [2 * (1 + 0.5 * TOLERANCE), 1 + 0.9 * TOLERANCE],
      figures,
      false,
      'within-tolerance',
      ['loss of step 2', 'loss of step 1'],
    ],
    ['another loss', [2, 1 + 1.1 * TOLERANCE], figures, false, 'different', ['loss of step 2']],
    [
      'another figure of the same candidate',
      losses,
      [figure('trained_accuracy', 1), ...figures.slice(1)],
      true,
      'different',
      ['trained_accuracy'],
    ],
    [
      'a number near zero',
      losses,
      [...figures.slice(0, 1), figure('own_kl_per_token', 1.5e-4)],
      false,
      'within-tolerance',
      ['own_kl_per_token'],
    ],
    ['fewer steps', [2], figures, false, 'different', ['loss of step 2']],
    ['more steps', [2, 1, 1], figures, false, 'different', ['loss of step 3']],
    ['a loss that is no number', [2, NaN], figures, false, 'different', ['loss of step 2']],
    ['a figure less', losses, figures.slice(1), true, 'different', ['trained_accuracy']],
    [
      'a figure that was not measured then',
      losses,
      [...figures, figure('length_ratio', 1)],
      true,
      'identical',
      [],
    ],
  ])('%s', (_, losses, figures, sameCandidate, verdict, named) => {
    expect(verdictOn(losses, figures, sameCandidate)).toEqual({ verdict, named });
  });
});

describe('a receipt that does not match', () => {
  it('is told all that is wrong with it at once, and is not repeated', async () => {
    const file = await recordedUpdate(runtime, true);
    const trainer = await Trainer.create(runtime, TRAINER_OPTIONS);
    expect(await mismatchOf(file, runtime, tinyModel.texts)).toBeNull();
    const { hyperparameters } = file.receipt;
    const other: Receipt = {
      ...file.receipt,
      model: 'another',
      textsSha256: 'other texts',
      hyperparameters: { ...hyperparameters, rank: 64, momentum: 0.9 },
    };
    const json = writeReceiptFile({ ...file, receipt: other, parent: null }).replace(
      '"seed"',
      '"mood": "good", "seed"',
    );
    const read = readReceiptFile(json);
    const message = await mismatchOf(read, runtime, tinyModel.texts);
    for (const problem of [
      `it is of the base model another, this is ${runtime.sha256.slice(0, 12)}`,
      'the texts that were rehearsed and judged by were other texts, here they are',
      'v3, which it began with, is missing',
      'its adapter has rank 64, the largest here is 8',
      'this version does not know its mood, hyperparameters.momentum',
    ]) {
      expect(message).toContain(problem);
    }
    await expect(replay(runtime, trainer, read, tinyModel)).rejects.toMatchObject({
      code: 'mismatch',
      message,
    });
    trainer.destroy();
  });

  it.each<[string, (file: ReceiptFile) => ReceiptFile]>([
    [
      'v3, which it began with, is of the base model another',
      (file) => ({ ...file, parent: file.parent && { ...file.parent, model: 'another' } }),
    ],
    [
      'v3, which it began with, cannot be used: The adapter does not fit this model',
      (file) => ({ ...file, parent: file.parent && { ...file.parent, rank: 4 } }),
    ],
    [
      'it began with the base, but holds another version',
      (file) => ({ ...file, receipt: { ...file.receipt, parentVersion: 0 } }),
    ],
  ])('in the version that it began with: %s', async (problem, change) => {
    const file = change(await recordedUpdate(runtime, true));
    expect(await mismatchOf(file, runtime, tinyModel.texts)).toContain(problem);
  });

  it('may be one from before texts and ranks were noted', async () => {
    const { receipt, ...file } = await recordedUpdate(runtime, false);
    const { textsSha256: _, ...rest } = receipt;
    const { rank: __, ...hyperparameters } = receipt.hyperparameters;
    const old = { ...file, receipt: { ...rest, hyperparameters } };
    expect(await mismatchOf(old, runtime, tinyModel.texts)).toBeNull();
  });
});
