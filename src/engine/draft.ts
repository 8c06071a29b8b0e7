import { type ExampleSet, examplesOf } from '../adaptation/examples';
import { skipFlagged } from '../adaptation/flagged';
import { planUpdate } from '../adaptation/plan';
import type { Past } from '../adaptation/update';
import { ThumbprintError } from '../shared/errors';
import type { Signal, SkippedSignal, TrainingCheckpoint } from '../shared/records';
import { activeSignals, learnedBy } from '../shared/signals';
import type { Storage } from '../storage/database';
import type { Trainer } from '../training/trainer';
import type { Hyperparameters, TrainingExample } from '../training/types';
import { adapterOf, type ModelHost } from './model-host';

/** An update before it trains. */
export interface Draft extends Past {
  train: TrainingExample[];
  heldOut: TrainingExample[];
  skipped: SkippedSignal[];
  hyperparameters: Hyperparameters;
  seed: number;
  startedAt: number;
}

/** The signals that an update is from. */
export interface ChosenSignals {
  train: Signal[];
  heldOut: Signal[];
  /** All that count, oldest first. */
  active: Signal[];
  hyperparameters: Hyperparameters;
}

/** Whether there is a judgement to train on that the adapter in use has not learned. */
export async function hasNews(storage: Storage, { hyperparameters }: ModelHost): Promise<boolean> {
  const [all, receipts, version] = await Promise.all([
    storage.listSignals(),
    storage.listReceipts(),
    storage.activeVersion(),
  ]);
  const learned = learnedBy(receipts, version);
  return planUpdate(all, activeSignals(all), hyperparameters).train.some(({ id }) => !learned.has(id));
}

/**
 * What the next update trains on and what judges it; one that is resumed goes on with what it began with.
 * @throws ThumbprintError `bad-input` when there is nothing to learn from.
 */
export async function chooseSignals(
  storage: Storage,
  { hyperparameters }: ModelHost,
  checkpoint: TrainingCheckpoint | undefined,
): Promise<ChosenSignals> {
  const all = await storage.listSignals();
  const active = activeSignals(all);
  const plan = planUpdate(all, active, hyperparameters);
  const chosen = (planned: Signal[], ids: readonly string[] | undefined): Signal[] => {
    const wanted = ids && new Set(ids);
    return wanted ? all.filter(({ id }) => wanted.has(id)) : planned;
  };
  const train = chosen(plan.train, checkpoint?.signalIds);
  if (train.length === 0) {
    throw new ThumbprintError('bad-input', 'There is nothing to learn from yet. Rate or edit a reply first.');
  }
  return {
    train,
    heldOut: chosen(plan.heldOut, checkpoint?.heldOutIds),
    active,
    hyperparameters: {
      ...hyperparameters,
      ...(checkpoint?.hyperparameters ?? plan.hyperparameters),
    },
  };
}

/** Tokenizes the signals, skips what must not be learned, and finds the version to begin from. */
export async function draftUpdate(
  storage: Storage,
  host: ModelHost,
  trainer: Trainer,
  { train, heldOut, active, hyperparameters }: ChosenSignals,
  checkpoint: TrainingCheckpoint | undefined,
): Promise<Draft> {
  const options = {
    tokenizer: host.tokenizer,
    model: host.identity.sha256,
    contextLength: host.identity.config.context_window_size,
    longest: trainer.rows,
  };
  const examples = (signals: readonly Signal[]): Promise<ExampleSet> =>
    skipFlagged(trainer, examplesOf(signals, options), host.texts.probes);
  const trained = await examples(train);
  const judging = await examples(heldOut);
  const parentVersion = checkpoint?.parentVersion ?? (await storage.activeVersion());
  const receipts = await storage.listReceipts();
  const record = parentVersion === 0 ? undefined : await storage.adapter(parentVersion);
  return {
    train: trained.examples,
    heldOut: judging.examples,
    skipped: [...(checkpoint?.skipped ?? []), ...trained.skipped, ...judging.skipped],
    hyperparameters,
    parentVersion,
    current: record ? await adapterOf(host, record) : null,
    learned: learnedBy(receipts, parentVersion),
    signals: active,
    receipts,
    model: host.identity.sha256,
    seed: checkpoint?.seed ?? crypto.getRandomValues(new Uint32Array(1))[0] ?? 0,
    startedAt: checkpoint?.startedAt ?? Date.now(),
  };
}
