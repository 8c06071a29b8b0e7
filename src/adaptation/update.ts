import { emptyAdapter, scaleAdapter } from '../formats/adapter';
import type { AdapterWeights } from '../formats/tensors';
import type { ModelRuntime } from '../model/runtime';
import type { Receipt, Signal } from '../shared/records';
import { sequencesOf } from '../training/examples';
import { addReferences, rehearsalExamples, runSteps } from '../training/train';
import type { Trainer } from '../training/trainer';
import {
  loraOf,
  type Hyperparameters,
  type StepResult,
  type TrainerState,
  type TrainingExample,
} from '../training/types';
import { type Change, crossFit } from './cross-fit';
import { OLD_WEIGHT, outdatedSignals, predictionsOf, type Predictor } from './drift';
import { balanceThumbs } from './examples';
import { type GateLimits, type GateResult, type GateScorer, runGate } from './gate';
import { marginsOf } from './margins';
import type { ModelTexts } from './texts';

/** Steps of each half of the cross-fit, as a share of the update's: both together and the rest of the gate cost less than the training. */
const CROSS_FIT_SHARE = 0.3;

export interface UpdateInput {
  /** The adapter in use; null is the base. */
  current: AdapterWeights | null;
  train: readonly TrainingExample[];
  heldOut: readonly TrainingExample[];
  /** Ids of the signals that the adapter in use has learned. */
  learned: ReadonlySet<string>;
  /** Ids of signals from before the user's taste changed: they count less, and judge nothing. */
  outdated?: ReadonlySet<string>;
  texts: ModelTexts;
  hyperparameters: Hyperparameters;
  seed: number;
  /** Most tokens of each step's micro-batches, of an update that is to be repeated. */
  rows?: readonly number[];
  /** The gate's, where they are not the default. */
  limits?: GateLimits;
  /** Steps done before an interruption, with the optimizer after them. */
  resume?: { state: TrainerState; results: StepResult[] };
}

export interface UpdateHooks {
  onStage?: (stage: 'reference' | 'training' | 'gate') => void;
  /** An update that is not resumed is about to train: from here on it can be. */
  onStart?: () => Promise<void>;
  onStep?: (results: readonly StepResult[]) => Promise<void>;
  /** Steps of the cross-fit done, and all there are. */
  onCheck?: (done: number, all: number) => void;
  signal?: AbortSignal;
}

export interface UpdateOutcome extends GateResult {
  /** At the scale that the gate judged it at. */
  candidate: AdapterWeights;
  /** At full scale. */
  trained: AdapterWeights;
  results: StepResult[];
  gateSeconds: number;
}

/** A fresh adapter, or a copy of the one in use: updates always start from the last kept version. */
function startOf(runtime: ModelRuntime, input: UpdateInput): AdapterWeights {
  return (
    input.current ??
    emptyAdapter(runtime.config, runtime.sha256, {
      ...loraOf(input.hyperparameters),
      seed: input.seed,
    })
  );
}

/** What is known before an update. */
export interface Past {
  /** The adapter in use and its version; null and 0 are the base. */
  current: AdapterWeights | null;
  parentVersion: number;
  /** Ids of the signals that it has learned. */
  learned: ReadonlySet<string>;
  /** All that count, oldest first. */
  signals: readonly Signal[];
  /** Oldest first. */
  receipts: readonly Predictor[];
  /** SHA-256 of the model. */
  model: string;
}

/**
 * By which margin, in nats, the adapter in use would have agreed with each judgement that is new to it, and which signals
 * are, by that and by what was foreseen earlier, from before the user's taste changed. The base predicts nothing.
 * @param examples with their references.
 */
export async function foresee(
  trainer: Trainer,
  examples: readonly TrainingExample[],
  { current, parentVersion, learned, signals, receipts, model }: Past,
): Promise<Required<Pick<Receipt, 'predictions' | 'outdatedIds'>>> {
  const earlier = predictionsOf(receipts, parentVersion, model);
  const fresh = examples.filter(({ id }) => !learned.has(id) && !earlier.has(id));
  let predictions: Record<string, number> = {};
  if (current !== null && fresh.length > 0) {
    trainer.slot.load(current);
    const predicted = await margins(trainer, fresh);
    predictions = Object.fromEntries(fresh.map(({ id }, i) => [id, predicted[i] ?? 0]));
  }
  const outdatedIds = outdatedSignals(signals, new Map([...earlier, ...Object.entries(predictions)]));
  return { predictions, outdatedIds };
}

/** One update: references, training, gate. Stores nothing: what becomes of the candidate is the caller's. */
export async function runUpdate(
  runtime: ModelRuntime,
  trainer: Trainer,
  input: UpdateInput,
  hooks: UpdateHooks = {},
): Promise<UpdateOutcome> {
  const start = startOf(runtime, input);
  hooks.onStage?.('reference');
  if (input.resume) {
    trainer.restore(start, input.resume.state);
  } else {
    trainer.load(start);
    await hooks.onStart?.();
  }
  const { outdated = new Set() } = input;
  const examples = (await addReferences(trainer, input.train)).map((example) =>
    outdated.has(example.id) ? { ...example, weight: OLD_WEIGHT } : example,
  );
  hooks.onStage?.('training');
  const signal = hooks.signal ? { signal: hooks.signal } : {};
  const { current, learned, texts, hyperparameters, seed } = input;
  const results = await runSteps(trainer, balanceThumbs(examples), hyperparameters, seed, {
    rehearsal: rehearsalExamples(input.texts.rehearsal),
    ...signal,
    ...(input.resume ? { done: input.resume.results } : {}),
    ...(input.rows ? { rows: input.rows } : {}),
    ...(hooks.onStep ? { onStep: hooks.onStep } : {}),
  });
  hooks.onStage?.('gate');
  const gateStart = performance.now();
  const presentOf = (all: readonly TrainingExample[]): TrainingExample[] =>
    all.filter(({ id }) => !outdated.has(id));
  const trained = await trainer.adapter();
  const known = examples.filter(({ id }) => learned.has(id));
  const fresh = examples.filter(({ id }) => !learned.has(id));
  const steps = Math.ceil(CROSS_FIT_SHARE * results.length);
  let done = 0;
  const fit = async (train: readonly TrainingExample[]): Promise<void> => {
    trainer.load(start);
    const given = balanceThumbs([...known, ...train]);
    const onStep = (): void => hooks.onCheck?.(++done, 2 * steps);
    // Without rehearsal, which is half of the work: what is forgotten is not asked here.
    const few = { ...hyperparameters, steps, kl_stop: Infinity };
    // As the training was cut, so that this too can be repeated bit for bit.
    await runSteps(trainer, given, few, seed, { ...signal, onStep, rows: results.map(({ rows }) => rows) });
  };
  const crossFitted = (): Promise<Change[]> =>
    crossFit(fresh, seed + 1, async (train, judge) => {
      await fit(train);
      const after = await margins(trainer, judge);
      trainer.slot.load(current);
      const before = await margins(trainer, judge);
      return after.map((margin, i) => ({ before: before[i] ?? NaN, after: margin }));
    });
  const gate = await runGate(
    { ...candidateScorer(trainer, current, trained), crossFitted },
    {
      trained: presentOf(examples),
      heldOut: presentOf(await addReferences(trainer, input.heldOut)),
      earlier: presentOf(known),
      anchors: texts.anchors,
      probes: texts.probes,
      beta: hyperparameters.beta,
    },
    input.limits,
  );
  hooks.signal?.throwIfAborted();
  return {
    ...gate,
    candidate: scaleAdapter(trained, gate.scale),
    trained,
    results,
    gateSeconds: (performance.now() - gateStart) / 1000,
  };
}

/** Under the adapter in the trainer's slot. */
async function margins(trainer: Trainer, examples: readonly TrainingExample[]): Promise<number[]> {
  return marginsOf(examples, await trainer.score(examples.flatMap(sequencesOf), 'adapter'));
}

/** Scores on the trainer's slot, with the adapter that is asked for. */
function candidateScorer(
  trainer: Trainer,
  current: AdapterWeights | null,
  candidate: AdapterWeights,
): Omit<GateScorer, 'crossFitted'> {
  return {
    async score(sequences, which) {
      if (which === 'base' || (which === 'current' && current === null))
        return trainer.score(sequences, 'base');
      trainer.slot.load(which === 'current' ? current : scaleAdapter(candidate, which.scale));
      return trainer.score(sequences, 'adapter');
    },
    async compare(sequences, scale) {
      trainer.slot.load(scaleAdapter(candidate, scale));
      return trainer.compare(sequences);
    },
  };
}
