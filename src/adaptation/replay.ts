import { readStoredAdapter, scaleAdapter, writeAdapter } from '../formats/adapter';
import type { ReceiptFile } from '../formats/receipt-file';
import type { ModelRuntime } from '../model/runtime';
import { ThumbprintError } from '../shared/errors';
import type { Difference, Receipt, Repetition, Signal } from '../shared/records';
import { sha256 } from '../shared/sha256';
import type { Trainer } from '../training/trainer';
import { DEFAULT_HYPERPARAMETERS } from '../training/types';
import { type ExampleOptions, examplesOf } from './examples';
import { mismatchOf } from './mismatches';
import type { ModelTexts } from './texts';
import { runUpdate, type UpdateHooks, type UpdateOutcome } from './update';

/**
 * How far a loss or a figure may be from the receipt's, as a share of it, to be the same update on another device.
 * Training and gate compute in f32 everywhere, only sums are added up in another order: with other forms of the products
 * (`Tile`) all numbers of an update of Thumbling from twelve edits stayed within 1e-6. A changed word in one of them moved
 * a loss by 0.9 % within four steps, an edit less by 8 %, another seed by 11 %.
 */
export const TOLERANCE = 1e-3;

/** A number nearer to zero than this differs by a share of this. */
const SMALL = 0.1;

export interface Replay extends Repetition {
  outcome: UpdateOutcome;
}

/**
 * Repeats an update from its receipt: with the same signals, seed, hyperparameters, starting point and sizes of
 * micro-batches the same device finds the same candidate, and another one nearly the same.
 * @throws ThumbprintError `mismatch` that says all that does not fit the model at hand, `bad-input` for an update that
 *   never came to a decision or whose signals cannot be learned from.
 */
export async function replay(
  runtime: ModelRuntime,
  trainer: Trainer,
  file: ReceiptFile,
  model: { name: string; texts: ModelTexts; tokenizer: ExampleOptions['tokenizer'] },
  hooks: UpdateHooks = {},
): Promise<Replay> {
  const { receipt, signals, learned, parent } = file;
  const mismatch = await mismatchOf(file, runtime, model.texts);
  if (mismatch !== null) throw new ThumbprintError('mismatch', mismatch);
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
  const train = examples(receipt.signalIds);
  if (train.length === 0) {
    throw new ThumbprintError('bad-input', 'This receipt holds no signal that can be learned from.');
  }
  const outcome = await runUpdate(
    runtime,
    trainer,
    {
      current: parent && readStoredAdapter(parent, runtime.config, runtime.sha256),
      train,
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
  const differences = differencesOf(receipt, outcome);
  return {
    outcome,
    verdict: verdictOf(differences, receipt.candidate === digest),
    sameDecision: outcome.kept === (receipt.decision === 'kept'),
    differences,
  };
}

/**
 * Losses by step, where either has more, and the receipt's figures: a gate may measure more by now. The largest difference
 * first.
 */
export function differencesOf(
  receipt: Pick<Receipt, 'losses' | 'figures'>,
  { results, figures }: Pick<UpdateOutcome, 'results' | 'figures'>,
): Difference[] {
  const steps = Math.max(receipt.losses.length, results.length);
  const numbers = [
    ...Array.from({ length: steps }, (_, step) => ({
      what: `loss of step ${step + 1}`,
      then: receipt.losses[step] ?? null,
      now: results[step]?.loss ?? null,
    })),
    ...receipt.figures.map(({ name, after }) => ({
      what: name,
      then: after,
      now: figures.find((figure) => figure.name === name)?.after ?? null,
    })),
  ];
  return numbers
    .filter(({ then, now }) => then !== now)
    .sort((a, b) => (sizeOf(b) > sizeOf(a) ? 1 : sizeOf(b) < sizeOf(a) ? -1 : 0));
}

/** @param sameCandidate bit for bit; false where that cannot be told. */
export function verdictOf(differences: readonly Difference[], sameCandidate: boolean): Repetition['verdict'] {
  if (sameCandidate && differences.length === 0) return 'identical';
  return differences.every((difference) => sizeOf(difference) <= TOLERANCE)
    ? 'within-tolerance'
    : 'different';
}

/** Relative to what it was; infinite where one of the two is missing or no number. */
function sizeOf({ then, now }: Difference): number {
  if (then === null || now === null || Number.isNaN(now)) return Infinity;
  return Math.abs(now - then) / Math.max(SMALL, Math.abs(then));
}

/** sha-256 of a candidate as it is stored. */
export async function candidateDigest(
  { candidate }: Pick<UpdateOutcome, 'candidate'>,
  { config }: Pick<ModelRuntime, 'config'>,
  name: string,
): Promise<string> {
  return sha256(writeAdapter(candidate, config, name).safetensors);
}
