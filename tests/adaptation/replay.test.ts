import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { replay } from '../../src/adaptation/replay';
import { readReceiptFile, type ReceiptFile, writeReceiptFile } from '../../src/formats/receipt-file';
import type { ModelRuntime } from '../../src/model/runtime';
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
      identical: true,
      sameDecision: true,
      differences: [],
    });
    // Another seed is another update.
    const other = { ...read, receipt: { ...read.receipt, seed: 12 } };
    const changed = await replay(runtime, trainer, other, tinyModel);
    expect(changed.identical).toBe(false);
    expect(changed.differences.length).toBeGreaterThan(0);
    trainer.destroy();
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

  it('of another base model, or of an update without an end, is refused', async () => {
    const file = await recordedUpdate(runtime, false);
    const trainer = await Trainer.create(runtime, TRAINER_OPTIONS);
    const with_ = (changes: Partial<ReceiptFile['receipt']>) =>
      replay(runtime, trainer, { ...file, receipt: { ...file.receipt, ...changes } }, tinyModel);
    await expect(with_({ model: 'another' })).rejects.toThrow('the model at hand is');
    await expect(with_({ decision: 'cancelled' })).rejects.toThrow('not finished');
    trainer.destroy();
  });
});
