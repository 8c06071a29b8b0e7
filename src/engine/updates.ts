import { type ExampleSet, examplesOf } from '../adaptation/examples';
import { skipFlagged } from '../adaptation/flagged';
import { planUpdate } from '../adaptation/plan';
import { replay } from '../adaptation/replay';
import { textsSha256 } from '../adaptation/texts';
import { foresee, type Past, runUpdate, type UpdateHooks, type UpdateOutcome } from '../adaptation/update';
import { writeAdapter } from '../formats/adapter';
import type { ReceiptFile } from '../formats/receipt-file';
import { deviceName } from '../gpu/device';
import type { EngineEvent, TrainingProgress } from '../protocol/protocol';
import { required } from '../shared/assert';
import { messageOf, ThumbprintError, toPlainError } from '../shared/errors';
import { newId } from '../shared/ids';
import type { Receipt, Repetition, Signal, SkippedSignal, TrainingCheckpoint } from '../shared/records';
import { activeSignals, learnedBy } from '../shared/signals';
import { sha256 } from '../shared/sha256';
import type { Storage } from '../storage/database';
import { addReferences } from '../training/train';
import { Trainer } from '../training/trainer';
import {
  DEFAULT_HYPERPARAMETERS,
  loraOf,
  type Hyperparameters,
  type StepResult,
  type TrainingExample,
} from '../training/types';
import type { DeviceTurns } from './device-turns';
import { adapterOf, type ModelHost } from './model-host';
import { commitVersion } from './versions';

/** Longest submit of training that chat may have to wait for. */
export const SUBMIT_MS = 50;
const MOST_DIFFERENCES = 10;

export interface UpdatesContext {
  storage: Storage;
  host: ModelHost;
  turns: DeviceTurns;
  post: (event: EngineEvent) => void;
  /** The adapter in use has changed, or an update has ended. */
  onChange: () => Promise<void>;
}

/** How an update ended, for the status line. */
export type UpdateEnd = Pick<Receipt, 'decision' | 'reason' | 'version'>;

/** Trains, judges, keeps or refuses; repeats what has been. One thing at a time. */
export class Updates {
  private readonly context: UpdatesContext;
  private running: { stopper: AbortController; progress: TrainingProgress; detail: string } | null = null;
  private suspended = false;

  constructor(context: UpdatesContext) {
    this.context = context;
  }

  get progress(): TrainingProgress | null {
    return this.running && { ...this.running.progress, paused: this.context.turns.isPaused };
  }

  /** What is being done, for the status line; empty while nothing is. */
  get detail(): string {
    return this.running?.detail ?? '';
  }

  pause(paused: boolean): void {
    this.context.turns.isPaused = paused;
    this.post();
  }

  cancel(): void {
    this.running?.stopper.abort(new ThumbprintError('cancelled', 'You cancelled the update.'));
    this.context.turns.isPaused = false;
  }

  /** Ends the update without a receipt: its checkpoint stays, and another engine goes on from there. */
  suspend(): void {
    this.suspended = true;
    this.running?.stopper.abort(new ThumbprintError('cancelled', 'The update goes on in another tab.'));
  }

  /**
   * Runs an update from the signals as they are now, or goes on with an interrupted one.
   * @throws ThumbprintError `bad-input` when there is nothing to learn from. Failures while training end in a receipt.
   */
  async run(checkpoint?: TrainingCheckpoint): Promise<UpdateEnd> {
    return this.alone('Learning from your judgements.', checkpoint?.step ?? 0, async () => {
      return this.withTrainer(async (trainer) => {
        const draft = await this.draft(checkpoint, trainer);
        return this.train(trainer, draft, checkpoint);
      });
    });
  }

  /**
   * Repeats an update from its receipt and stores nothing.
   * @throws ThumbprintError `mismatch`, `bad-input` as `replay` does; `cancelled`.
   */
  async repeat(file: ReceiptFile): Promise<Repetition> {
    return this.alone('Repeating an update.', 0, async () => {
      const { runtime, identity, texts, tokenizer } = this.context.host;
      const { steps = DEFAULT_HYPERPARAMETERS.steps } = file.receipt.hyperparameters;
      const { verdict, sameDecision, differences } = await this.withTrainer((trainer) =>
        replay(runtime, trainer, file, { name: identity.name, texts, tokenizer }, this.hooks(steps)),
      );
      return { verdict, sameDecision, differences: differences.slice(0, MOST_DIFFERENCES) };
    });
  }

  /** Does one thing that trains, and tells how far it is. */
  private async alone<T>(detail: string, step: number, work: () => Promise<T>): Promise<T> {
    if (this.running) throw new ThumbprintError('bad-input', 'An update is already being trained.');
    this.running = {
      stopper: new AbortController(),
      detail,
      progress: {
        step,
        steps: 0,
        loss: 0,
        margin: 0,
        secondsLeft: null,
        paused: false,
        stage: 'reference',
      },
    };
    this.post();
    try {
      return await work();
    } finally {
      this.running = null;
      this.context.post({ type: 'training', progress: null });
      await this.context.onChange();
    }
  }

  /** A trainer that lets chat go first, and ends when it is cancelled. */
  private async withTrainer<T>(work: (trainer: Trainer) => Promise<T>): Promise<T> {
    const { host, turns } = this.context;
    const { signal } = required(this.running, 'the update').stopper;
    const trainer = await Trainer.create(host.runtime, {
      rows: 2 * host.identity.config.context_window_size,
      submitMs: SUBMIT_MS,
      turn: () => turns.background(signal),
    });
    try {
      return await work(trainer);
    } finally {
      trainer.destroy();
    }
  }

  /** Tells how far training and gate are, and ends them when they are cancelled. */
  private hooks(steps: number, done = 0): UpdateHooks {
    const { signal } = required(this.running, 'the update').stopper;
    const started = performance.now();
    let checking: number | undefined;
    return {
      signal,
      onStage: (stage) => this.update({ stage, steps }),
      onStep: (results) => {
        const { loss = 0, margin = 0 } = results.at(-1) ?? {};
        const secondsPerStep = (performance.now() - started) / 1000 / (results.length - done);
        const secondsLeft = secondsPerStep * (steps - results.length);
        this.update({ step: results.length, steps, loss, margin, secondsLeft });
        return Promise.resolve();
      },
      onCheck: (step, checks) => {
        checking ??= performance.now();
        const secondsPerStep = (performance.now() - checking) / 1000 / Math.max(1, step - 1);
        this.update({
          step,
          steps: checks,
          secondsLeft: step > 1 ? secondsPerStep * (checks - step) : null,
        });
      },
    };
  }

  private async draft(checkpoint: TrainingCheckpoint | undefined, trainer: Trainer): Promise<Draft> {
    const { storage, host } = this.context;
    const all = await storage.listSignals();
    const plan = planUpdate(all, activeSignals(all), host.hyperparameters);
    // A resumed update goes on with what it began with, less what was withdrawn since.
    const chosen = (planned: readonly Signal[], ids: readonly string[] | undefined): Signal[] => {
      const wanted = ids && new Set(ids);
      return wanted ? activeSignals(all).filter(({ id }) => wanted.has(id)) : [...planned];
    };
    const options = {
      tokenizer: host.tokenizer,
      model: host.identity.sha256,
      contextLength: host.identity.config.context_window_size,
      longest: trainer.rows,
    };
    const examples = (signals: readonly Signal[]): Promise<ExampleSet> =>
      skipFlagged(trainer, examplesOf(signals, options), host.texts.probes);
    const train = await examples(chosen(plan.train, checkpoint?.signalIds));
    const heldOut = await examples(chosen(plan.heldOut, checkpoint?.heldOutIds));
    if (train.examples.length === 0) {
      throw new ThumbprintError(
        'bad-input',
        train.skipped[0]?.reason ?? 'There is nothing to learn from yet. Rate or edit a reply first.',
      );
    }
    const parentVersion = checkpoint?.parentVersion ?? (await storage.activeVersion());
    const receipts = await storage.listReceipts();
    const record = parentVersion === 0 ? undefined : await storage.adapter(parentVersion);
    return {
      train: train.examples,
      heldOut: heldOut.examples,
      skipped: [...(checkpoint?.skipped ?? []), ...train.skipped, ...heldOut.skipped],
      hyperparameters: {
        ...host.hyperparameters,
        ...(checkpoint?.hyperparameters ?? plan.hyperparameters),
      },
      parentVersion,
      current: record ? await adapterOf(host, record) : null,
      learned: learnedBy(receipts, parentVersion),
      signals: activeSignals(all),
      receipts,
      model: host.identity.sha256,
      seed: checkpoint?.seed ?? crypto.getRandomValues(new Uint32Array(1))[0] ?? 0,
      startedAt: checkpoint?.startedAt ?? Date.now(),
    };
  }

  private async train(
    trainer: Trainer,
    draft: Draft,
    checkpoint: TrainingCheckpoint | undefined,
  ): Promise<UpdateEnd> {
    const { host } = this.context;
    const started = performance.now();
    const done = (checkpoint?.losses ?? []).map((loss, index): StepResult => ({
      loss,
      margin: checkpoint?.margins[index] ?? 0,
      rows: checkpoint?.rows?.[index] ?? 0,
      gradNorm: 0,
    }));
    let results: readonly StepResult[] = done;
    let foreseen: Pick<Receipt, 'predictions' | 'outdatedIds'> = {};
    const hooks = this.hooks(draft.hyperparameters.steps, done.length);
    const texts = await textsSha256(host.texts);
    const receipt = (
      rest: Pick<Receipt, 'decision' | 'reason' | 'figures' | 'scale' | 'gateSeconds'>,
    ): Receipt => ({
      id: newId(),
      createdAt: Date.now(),
      model: host.identity.sha256,
      parentVersion: draft.parentVersion,
      signalIds: draft.train.map(({ id }) => id),
      heldOutIds: draft.heldOut.map(({ id }) => id),
      skipped: draft.skipped,
      seed: draft.seed,
      hyperparameters: { ...draft.hyperparameters, ...loraOf(draft.current ?? draft.hyperparameters) },
      device: deviceName(host.runtime.gpu.info),
      textsSha256: texts,
      losses: results.map(({ loss }) => loss),
      margins: results.map(({ margin }) => margin),
      rows: results.map(({ rows }) => rows),
      ...foreseen,
      seconds: (performance.now() - started) / 1000,
      ...rest,
    });
    try {
      this.update({ stage: 'reference', steps: draft.hyperparameters.steps });
      const train = await this.withReferences(trainer, draft.train);
      const heldOut = await this.withReferences(trainer, draft.heldOut);
      foreseen = await foresee(trainer, [...train, ...heldOut], draft);
      const outcome = await runUpdate(
        host.runtime,
        trainer,
        {
          current: draft.current,
          train,
          heldOut,
          learned: draft.learned,
          outdated: new Set(foreseen.outdatedIds),
          texts: host.texts,
          hyperparameters: draft.hyperparameters,
          seed: draft.seed,
          ...(checkpoint ? { resume: { state: checkpoint, results: done } } : {}),
        },
        {
          ...hooks,
          onStart: () => this.saveCheckpoint(trainer, draft, []),
          onStep: async (all) => {
            results = all;
            await hooks.onStep?.(all);
            await this.saveCheckpoint(trainer, draft, all);
          },
        },
      );
      const { kept, reason, figures, scale, gateSeconds } = outcome;
      const decision = kept ? 'kept' : 'refused';
      const { safetensors } = writeAdapter(outcome.candidate, host.identity.config, host.identity.name);
      const candidate = await sha256(safetensors);
      const judged = { ...receipt({ decision, reason, figures, scale, gateSeconds }), candidate };
      return await this.settle(outcome, safetensors, judged);
    } catch (error) {
      if (this.suspended) throw error;
      const cancelled = error instanceof ThumbprintError && error.code === 'cancelled';
      const ended = receipt({
        decision: cancelled ? 'cancelled' : 'failed',
        reason: messageOf(error),
        figures: [],
      });
      await this.context.storage.putReceipt(ended);
      this.context.post({ type: 'receipt', receipt: ended });
      if (!cancelled) this.context.post({ type: 'error', error: toPlainError(error) });
      return ended;
    }
  }

  /** Keeps or refuses: adapter, receipt, signals and the active pointer change together. */
  private async settle(
    { kept, candidate }: UpdateOutcome,
    safetensors: Uint8Array<ArrayBuffer>,
    receipt: Receipt & { candidate: string },
  ): Promise<UpdateEnd> {
    const { storage, post } = this.context;
    if (!kept) await storage.putReceipt(receipt);
    const settled = kept ? await commitVersion(storage, candidate, safetensors, receipt) : receipt;
    post({ type: 'receipt', receipt: settled });
    return settled;
  }

  /** Base log-probabilities: computed once for each signal and model, and stored with the signal. */
  private async withReferences(
    trainer: Trainer,
    examples: readonly TrainingExample[],
  ): Promise<TrainingExample[]> {
    const complete = await addReferences(trainer, examples);
    for (const [index, example] of complete.entries()) {
      if (example === examples[index] || example.kind === 'text' || example.reference === undefined) continue;
      const values =
        example.kind === 'pair'
          ? example.reference
          : { [example.up ? 'chosen' : 'rejected']: example.reference };
      const model = this.context.host.identity.sha256;
      await this.context.storage.updateSignal(example.id, { reference: { model, ...values } });
    }
    return complete;
  }

  private async saveCheckpoint(
    trainer: Trainer,
    draft: Draft,
    results: readonly StepResult[],
  ): Promise<void> {
    const state = await trainer.state();
    await this.context.storage.saveCheckpoint({
      ...state,
      model: this.context.host.identity.sha256,
      parentVersion: draft.parentVersion,
      signalIds: draft.train.map(({ id }) => id),
      heldOutIds: draft.heldOut.map(({ id }) => id),
      skipped: draft.skipped,
      hyperparameters: { ...draft.hyperparameters },
      seed: draft.seed,
      losses: results.map(({ loss }) => loss),
      margins: results.map(({ margin }) => margin),
      rows: results.map(({ rows }) => rows),
      startedAt: draft.startedAt,
    });
  }

  private update(changes: Partial<TrainingProgress>): void {
    if (!this.running) return;
    this.running.progress = { ...this.running.progress, ...changes };
    this.post();
  }

  private post(): void {
    const { progress } = this;
    if (progress) this.context.post({ type: 'training', progress });
  }
}

interface Draft extends Past {
  train: TrainingExample[];
  heldOut: TrainingExample[];
  skipped: SkippedSignal[];
  hyperparameters: Hyperparameters;
  seed: number;
  startedAt: number;
}
