import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { textsSha256 } from '../../src/adaptation/texts';
import { DeviceTurns } from '../../src/engine/device-turns';
import type { ModelHost } from '../../src/engine/model-host';
import { Updates } from '../../src/engine/updates';
import type { ReceiptFile } from '../../src/formats/receipt-file';
import { deviceName } from '../../src/gpu/device';
import type { ModelRuntime } from '../../src/model/runtime';
import type { EngineEvent, TrainingProgress } from '../../src/protocol/protocol';
import { required } from '../../src/shared/assert';
import type { Receipt, Signal, TrainingCheckpoint } from '../../src/shared/records';
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

/** Keeps what an engine would, as long as the test lasts. `onSave` sees every checkpoint. */
function memory(
  signals: Signal[],
  onSave: (checkpoint: TrainingCheckpoint) => Promise<void> = () => Promise.resolve(),
): { storage: Storage; receipts: Receipt[]; checkpoints: TrainingCheckpoint[]; cleared: () => number } {
  const receipts: Receipt[] = [];
  const checkpoints: TrainingCheckpoint[] = [];
  let cleared = 0;
  const storage = {
    listSignals: () => Promise.resolve(signals),
    updateSignal: () => Promise.resolve(),
    activeVersion: () => Promise.resolve(0),
    listReceipts: () => Promise.resolve(receipts),
    saveCheckpoint: (checkpoint: TrainingCheckpoint) => {
      checkpoints.push(checkpoint);
      return onSave(checkpoint);
    },
    clearCheckpoint: () => Promise.resolve(void cleared++),
    putReceipt: (receipt: Receipt) => Promise.resolve(void receipts.push(receipt)),
    nextVersion: () => Promise.resolve(1),
    commitAdapter: ({ receipt }: { receipt: Receipt }) => Promise.resolve(void receipts.push(receipt)),
  } as unknown as Storage;
  return { storage, receipts, checkpoints, cleared: () => cleared };
}

it('goes on with an interrupted update as if nothing had happened, and knows what it had skipped', async () => {
  const long = { ...required(file.signals[0], 'signal'), id: 'long', chosen: 'a'.repeat(100) };
  // Interrupts the first update after its third step.
  const { storage, receipts, checkpoints } = memory([...file.signals.slice(0, 5), long], ({ step }) => {
    if (step === 3) first.suspend();
    return Promise.resolve();
  });
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

it('refuses what has only signals to skip, so that they do not wait for the next update', async () => {
  const long = { ...required(file.signals[0], 'signal'), chosen: 'a'.repeat(100) };
  const { storage, receipts, checkpoints } = memory([long]);
  await updatesOf(() => undefined, storage).updates.run();
  expect(receipts).toMatchObject([
    { decision: 'refused', signalIds: [], skipped: [{ signalId: long.id }], losses: [] },
  ]);
  expect(receipts[0]?.reason).toMatch(/^Refused: there is nothing to learn from\. /);
  expect(checkpoints).toEqual([]);
});

describe('a signal that is withdrawn', () => {
  const SEEN = 4;
  const withdrawn = (signals: readonly Signal[], id: string): Signal[] =>
    signals.map((signal) => (signal.id === id ? { ...signal, withdrawnAt: 1 } : signal));
  /** Whether an engine that was never told of it comes, from the same seed, to the same adapter. */
  const isUnseen = async (receipt: Receipt | undefined, signals: readonly Signal[]) => {
    const others = signals.filter(({ withdrawnAt }) => withdrawnAt === undefined);
    const { updates } = updatesOf(() => undefined);
    return updates.repeat({
      receipt: required(receipt, 'receipt'),
      signals: others,
      learned: [],
      parent: null,
    });
  };
  const SAME = { verdict: 'identical', sameDecision: true, differences: [] };

  it('while an update trains on it is in nothing that comes of it', async () => {
    const signals = file.signals.slice(0, SEEN);
    const { storage, receipts, checkpoints } = memory(signals, async ({ step }) => {
      if (step !== 2 || signals[1]?.withdrawnAt !== undefined) return;
      signals.splice(0, SEEN, ...withdrawn(signals, 's1'));
      await updates.reconsider();
    });
    const { updates } = updatesOf(() => undefined, storage);
    await updates.run();
    expect(receipts).toHaveLength(1);
    expect(await isUnseen(receipts[0], signals)).toEqual(SAME);
    expect(receipts[0]?.signalIds).toEqual(['s0', 's2', 's3']);
    expect(checkpoints.at(-1)?.signalIds).toEqual(['s0', 's2', 's3']);
  });

  it('is not in what is resumed either, nor does it stay where nobody tells the update', async () => {
    const signals = file.signals.slice(0, SEEN);
    const begun: TrainingCheckpoint[] = [];
    const { storage, receipts, cleared } = memory(signals, (checkpoint) => {
      if (checkpoint.step === 3 && begun.push(checkpoint) === 1) first.suspend();
      // The last step: only the gate is left.
      if (checkpoint.step === 6 && signals[2]?.withdrawnAt === undefined)
        signals.splice(0, SEEN, ...withdrawn(signals, 's2'));
      return Promise.resolve();
    });
    const first = updatesOf(() => undefined, storage).updates;
    await expect(first.run()).rejects.toMatchObject({ code: 'cancelled' });
    signals.splice(0, SEEN, ...withdrawn(signals, 's0'));
    await updatesOf(() => undefined, storage).updates.run(begun[0]);
    expect(cleared()).toBe(2);
    expect(receipts.map(({ signalIds }) => signalIds)).toEqual([['s1', 's3']]);
    expect(await isUnseen(receipts[0], signals)).toEqual(SAME);
  });

  it('does not hold up an engine that is closing', async () => {
    const signals = file.signals.slice(0, SEEN);
    const { storage, receipts, cleared } = memory(signals, async ({ step }) => {
      if (step !== 2) return;
      signals.splice(0, SEEN, ...withdrawn(signals, 's1'));
      await updates.reconsider();
      updates.suspend();
    });
    const { updates } = updatesOf(() => undefined, storage);
    await expect(updates.run()).rejects.toThrow('You withdrew');
    expect(receipts).toEqual([]);
    expect(cleared()).toBe(0);
  });

  it('ends an update that has nothing else to learn from, without a receipt', async () => {
    const signals = file.signals.slice(0, 1);
    const { storage, receipts, cleared } = memory(signals, async ({ step }) => {
      if (step !== 1) return;
      signals.splice(0, 1, ...withdrawn(signals, 's0'));
      await updates.reconsider();
    });
    const { updates } = updatesOf(() => undefined, storage);
    expect(await updates.run()).toEqual({
      decision: 'cancelled',
      reason: 'You withdrew what it was learning from.',
    });
    expect(receipts).toEqual([]);
    expect(cleared()).toBe(1);
    expect(updates.progress).toBeNull();
  });
});
