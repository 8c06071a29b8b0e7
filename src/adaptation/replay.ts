import { readStoredAdapter, scaleAdapter, writeAdapter } from '../formats/adapter';
import type { ReceiptFile } from '../formats/receipt-file';
import type { ModelRuntime } from '../model/runtime';
import { ThumbprintError } from '../shared/errors';
import type { Signal } from '../shared/records';
import { sha256 } from '../shared/sha256';
import type { Trainer } from '../training/trainer';
import { DEFAULT_HYPERPARAMETERS } from '../training/types';
import { type ExampleOptions, examplesOf } from './examples';
import type { ModelTexts } from './texts';
import { runUpdate, type UpdateHooks, type UpdateOutcome } from './update';

/** A number of the receipt beside the one found now. */
export interface Difference {
  what: string;
  then: number;
  now: number;
}

export interface Replay {
  outcome: UpdateOutcome;
  /** The candidate is the same bit for bit; undefined where the receipt names none. */
  identical: boolean | undefined;
  sameDecision: boolean;
  /** Losses by step and figures of the gate found both times, those that differ, the largest relative difference first. */
  differences: Difference[];
}

/**
 * Repeats an update from its receipt: with the same signals, seed, hyperparameters, starting point and sizes of
 * micro-batches the same device finds the same candidate, and another one nearly the same.
 * @throws ThumbprintError `mismatch` for a receipt of another base model, `bad-input` for one of an update that never
 *   came to a decision.
 */
export async function replay(
  runtime: ModelRuntime,
  trainer: Trainer,
  { receipt, signals, learned, parent }: ReceiptFile,
  model: { name: string; texts: ModelTexts; tokenizer: ExampleOptions['tokenizer'] },
  hooks: UpdateHooks = {},
): Promise<Replay> {
  if (receipt.model !== runtime.sha256) {
    throw new ThumbprintError(
      'mismatch',
      `This receipt is of the base model ${receipt.model}; the model at hand is ${runtime.sha256}.`,
    );
  }
  if (receipt.decision !== 'kept' && receipt.decision !== 'refused') {
    throw new ThumbprintError('bad-input', 'This update was not finished: there is nothing to repeat.');
  }
  const byId = new Map(signals.map((signal) => [signal.id, signal]));
  const examples = (ids: readonly string[]) =>
    examplesOf(
      ids.flatMap((id): Signal[] => {
        const signal = byId.get(id);
        return signal ? [signal] : [];
      }),
      {
        tokenizer: model.tokenizer,
        model: runtime.sha256,
        contextLength: runtime.config.context_window_size,
      },
    ).examples;
  const outcome = await runUpdate(
    runtime,
    trainer,
    {
      current: parent && readStoredAdapter(parent, runtime.config, runtime.sha256),
      train: examples(receipt.signalIds),
      heldOut: examples(receipt.heldOutIds),
      learned: new Set(learned),
      outdated: new Set(receipt.outdatedIds ?? []),
      texts: model.texts,
      // Receipts that do not name it are from before there were averages.
      hyperparameters: { ...DEFAULT_HYPERPARAMETERS, ema_decay: 0, ...receipt.hyperparameters },
      seed: receipt.seed,
      ...(receipt.rows ? { rows: receipt.rows } : {}),
    },
    hooks,
  );
  // At the receipt's scale: the gate that found it may have had other limits.
  const candidate = scaleAdapter(outcome.trained, receipt.scale ?? 1);
  const digest = await candidateDigest({ candidate }, runtime, model.name);
  const differences = [
    ...receipt.losses.map((then, step) => ({
      what: `loss of step ${step + 1}`,
      then,
      now: outcome.results[step]?.loss ?? NaN,
    })),
    ...receipt.figures.map(({ name, after }) => ({
      what: name,
      then: after,
      now: outcome.figures.find((figure) => figure.name === name)?.after ?? NaN,
    })),
  ].filter(({ then, now }) => then !== now && !Number.isNaN(now));
  const size = ({ then, now }: Difference): number => Math.abs(now - then) / Math.max(1e-6, Math.abs(then));
  return {
    outcome,
    identical: receipt.candidate === undefined ? undefined : receipt.candidate === digest,
    sameDecision: outcome.kept === (receipt.decision === 'kept'),
    differences: differences.sort((a, b) => size(b) - size(a)),
  };
}

/** sha-256 of a candidate as it is stored. */
export async function candidateDigest(
  { candidate }: Pick<UpdateOutcome, 'candidate'>,
  { config }: Pick<ModelRuntime, 'config'>,
  name: string,
): Promise<string> {
  return sha256(writeAdapter(candidate, config, name).safetensors);
}
