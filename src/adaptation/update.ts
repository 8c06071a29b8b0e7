import { emptyAdapter, scaleAdapter } from '../formats/adapter';
import type { AdapterWeights } from '../formats/tensors';
import type { Sequence } from '../model/packed-batch';
import type { ModelRuntime } from '../model/runtime';
import { addReferences, rehearsalExamples, runSteps } from '../training/train';
import type { Trainer } from '../training/trainer';
import {
  DEFAULT_LORA,
  type Hyperparameters,
  type StepResult,
  type TrainerState,
  type TrainingExample,
} from '../training/types';
import { balanceThumbs } from './examples';
import { type Anchors, type GateResult, runGate } from './gate';

export interface UpdateInput {
  /** The adapter in use; null is the base. */
  current: AdapterWeights | null;
  train: readonly TrainingExample[];
  heldOut: readonly TrainingExample[];
  anchors: Anchors;
  rehearsal: readonly Sequence[];
  hyperparameters: Hyperparameters;
  seed: number;
  /** Steps done before an interruption, with the optimizer after them. */
  resume?: { state: TrainerState; results: StepResult[] };
}

export interface UpdateHooks {
  onStage?: (stage: 'reference' | 'training' | 'gate') => void;
  /** Base log-probabilities, computed once for each signal. */
  onReferences?: (examples: readonly TrainingExample[]) => Promise<void>;
  onStep?: (results: readonly StepResult[]) => Promise<void>;
  signal?: AbortSignal;
}

export interface UpdateOutcome extends GateResult {
  candidate: AdapterWeights;
  results: StepResult[];
}

/** A fresh adapter, or a copy of the one in use: updates always start from the last kept version. */
function startOf(runtime: ModelRuntime, input: UpdateInput): AdapterWeights {
  return input.current ?? emptyAdapter(runtime.config, runtime.sha256, { ...DEFAULT_LORA, seed: input.seed });
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
  if (input.resume) trainer.restore(start, input.resume.state);
  else trainer.load(start);
  const examples = await addReferences(trainer, input.train);
  await hooks.onReferences?.(examples);
  hooks.onStage?.('training');
  const results = await runSteps(trainer, balanceThumbs(examples), input.hyperparameters, input.seed, {
    ...(input.resume ? { done: input.resume.results } : {}),
    rehearsal: rehearsalExamples(input.rehearsal),
    ...(hooks.onStep ? { onStep: hooks.onStep } : {}),
    ...(hooks.signal ? { signal: hooks.signal } : {}),
  });
  hooks.onStage?.('gate');
  const candidate = await trainer.adapter();
  const gate = await runGate(
    gateScorer(trainer, input.current, candidate),
    examples,
    input.heldOut,
    input.anchors,
  );
  hooks.signal?.throwIfAborted();
  return { ...gate, candidate: scaleAdapter(candidate, gate.scale), results };
}

/** Scores on the trainer's slot, exchanging the adapter only where it changes. */
function gateScorer(
  trainer: Trainer,
  current: AdapterWeights | null,
  candidate: AdapterWeights,
): Parameters<typeof runGate>[0] {
  return {
    async score(sequences, which) {
      if (which === 'base' || (which === 'current' && current === null))
        return trainer.score(sequences, 'base');
      trainer.slot.load(which === 'current' ? current : scaleAdapter(candidate, which.scale));
      return trainer.score(sequences, 'adapter');
    },
  };
}
