import { afterAll, beforeAll, expect, it } from 'vitest';
import { textsSha256 } from '../../src/adaptation/texts';
import { DeviceTurns } from '../../src/engine/device-turns';
import type { ModelHost } from '../../src/engine/model-host';
import { Updates } from '../../src/engine/updates';
import type { ReceiptFile } from '../../src/formats/receipt-file';
import { deviceName } from '../../src/gpu/device';
import type { ModelRuntime } from '../../src/model/runtime';
import type { EngineEvent, TrainingProgress } from '../../src/protocol/protocol';
import { required } from '../../src/shared/assert';
import type { Receipt, TrainingCheckpoint } from '../../src/shared/records';
import type { Storage } from '../../src/storage/database';
import { recordedUpdate, tinyModel, tinyRuntime } from '../support/recorded-update';

let runtime: ModelRuntime;
let file: ReceiptFile;
beforeAll(async () => {
  runtime = await tinyRuntime();
  file = await recordedUpdate(runtime, true);
});
afterAll(() => runtime.destroy());

/** Updates of the tiny model; where no storage is given, whatever would be stored throws. */
function updatesOf(
  post: (event: EngineEvent) => void,
  storage = {} as unknown as Storage,
): { updates: Updates; ended: () => number } {
  const { name, texts, tokenizer, hyperparameters } = tinyModel;
  const host = {
    runtime,
    texts,
    tokenizer,
    hyperparameters,
    identity: { name, config: runtime.config, sha256: runtime.sha256 },
  };
  let ended = 0;
  const updates = new Updates({
    storage,
    host: host as unknown as ModelHost,
    turns: new DeviceTurns(),
    post,
    onChange: () => Promise.resolve(void ended++),
  });
  return { updates, ended: () => ended };
}

it('repeats an update, tells how far it is, and stores nothing', async () => {
  const told: (TrainingProgress | null)[] = [];
  const { updates, ended } = updatesOf((event) => {
    if (event.type === 'training') told.push(event.progress);
  });
  const repeating = updates.repeat(file);
  expect(updates.progress).not.toBeNull();
  expect(updates.detail).toBe('Repeating an update.');
  await expect(updates.run()).rejects.toThrow('already being trained');
  await expect(updates.repeat(file)).rejects.toThrow('already being trained');
  expect(await repeating).toEqual({ verdict: 'identical', sameDecision: true, differences: [] });
  const { losses } = file.receipt;
  const trained = told.filter((progress) => progress?.stage === 'training' && progress.step > 0);
  expect(trained.map((progress) => progress?.loss)).toEqual(losses);
  expect(trained.at(-1)).toMatchObject({ step: losses.length, steps: losses.length });
  expect(told.at(-1)).toBeNull();
  expect(updates.progress).toBeNull();
  expect(ended()).toBe(1);
});

it('names what differs, ten numbers at most', async () => {
  const { updates } = updatesOf(() => undefined);
  const { receipt } = file;
  const changed = { ...receipt, seed: receipt.seed + 1, figures: [...receipt.figures, ...receipt.figures] };
  const { verdict, differences } = await updates.repeat({ ...file, receipt: changed });
  expect(verdict).toBe('different');
  expect(differences).toHaveLength(10);
});

it('can be paused and cancelled', async () => {
  const { updates } = updatesOf((event) => {
    if (event.type === 'training' && event.progress?.step === 2 && !event.progress.paused)
      updates.pause(true);
  });
  const repeating = updates.repeat(file);
  await expect.poll(() => updates.progress?.paused).toBe(true);
  updates.cancel();
  await expect(repeating).rejects.toMatchObject({ code: 'cancelled' });
  expect(updates.progress).toBeNull();
});

it('refuses the receipt of another base model, naming both', async () => {
  const { updates } = updatesOf(() => undefined);
  const repeating = updates.repeat({ ...file, receipt: { ...file.receipt, model: 'another' } });
  await expect(repeating).rejects.toMatchObject({
    code: 'mismatch',
    message: expect.stringMatching(`another.*${runtime.sha256.slice(0, 12)}`),
  });
});

it('goes on with an interrupted update as if nothing had happened, and knows what it had skipped', async () => {
  const long = { ...required(file.signals[0], 'signal'), id: 'long', chosen: 'a'.repeat(100) };
  const signals = [...file.signals.slice(0, 5), long];
  const checkpoints: TrainingCheckpoint[] = [];
  const receipts: Receipt[] = [];
  /** Lasts as long as the test, and interrupts the first update after its third step. */
  const storage = {
    listSignals: () => Promise.resolve(signals),
    updateSignal: () => Promise.resolve(),
    activeVersion: () => Promise.resolve(0),
    listReceipts: () => Promise.resolve(receipts),
    saveCheckpoint: (checkpoint: TrainingCheckpoint) => {
      checkpoints.push(checkpoint);
      if (checkpoint.step === 3) first.suspend();
      return Promise.resolve();
    },
    putReceipt: (receipt: Receipt) => Promise.resolve(void receipts.push(receipt)),
    nextVersion: () => Promise.resolve(1),
    commitAdapter: ({ receipt }: { receipt: Receipt }) => Promise.resolve(void receipts.push(receipt)),
  } as unknown as Storage;

  const first = updatesOf(() => undefined, storage).updates;
  await expect(first.run()).rejects.toMatchObject({ code: 'cancelled' });
  expect(receipts).toEqual([]);
  const begun = required(checkpoints.at(-1), 'checkpoint');
  expect(begun.step).toBe(3);

  await updatesOf(() => undefined, storage).updates.run(begun);
  const [receipt] = receipts;
  expect(receipt?.decision).toMatch(/kept|refused/);
  expect(receipt?.skipped.map(({ signalId }) => signalId)).toEqual(['long']);
  expect(receipt?.losses.slice(0, 3)).toEqual(begun.losses);
  expect(receipt?.losses.length).toBeGreaterThan(3);
  expect(receipt).toMatchObject({
    device: deviceName(runtime.gpu.info),
    textsSha256: await textsSha256(tinyModel.texts),
  });
  expect(receipt?.gateSeconds).toBeGreaterThan(0);
  expect(receipt?.gateSeconds).toBeLessThan(receipt?.seconds ?? NaN);
});
