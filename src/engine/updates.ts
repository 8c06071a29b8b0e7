import { outdatedSignals } from '../adaptation/drift';
import { examplesOf } from '../adaptation/examples';
import { planUpdate } from '../adaptation/plan';
import { predict, runUpdate, type UpdateOutcome } from '../adaptation/update';
import { writeAdapter } from '../formats/adapter';
import type { AdapterWeights } from '../formats/tensors';
import type { EngineEvent, TrainingProgress } from '../protocol/protocol';
import { messageOf, ThumbprintError, toPlainError } from '../shared/errors';
import { newId } from '../shared/ids';
import type { Receipt, Signal, SkippedSignal, TrainingCheckpoint } from '../shared/records';
import { activeSignals, learnedBy } from '../shared/signals';
import { sha256 } from '../shared/sha256';
import type { Storage } from '../storage/database';
import { Trainer } from '../training/trainer';
import {
  DEFAULT_HYPERPARAMETERS,
  DEFAULT_LORA,
  type Hyperparameters,
  type StepResult,
  type TrainingExample,
} from '../training/types';
import type { DeviceTurns } from './device-turns';
import { adapterOf, type ModelHost } from './model-host';
import { commitVersion } from './versions';

/** Longest submit of training that chat may have to wait for. */
const SUBMIT_MS = 50;

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

/** Trains, judges, keeps or refuses: at most one update at a time. */
export class Updates {
  private readonly context: UpdatesContext;
  private running: { stopper: AbortController; progress: TrainingProgress } | null = null;
  private suspended = false;

  constructor(context: UpdatesContext) {
    this.context = context;
  }

  get progress(): TrainingProgress | null {
    return this.running && { ...this.running.progress, paused: this.context.turns.isPaused };
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
    if (this.running) throw new ThumbprintError('bad-input', 'An update is already being trained.');
    const { host, turns } = this.context;
    const stopper = new AbortController();
    this.running = {
      stopper,
      progress: {
        step: checkpoint?.step ?? 0,
        steps: 0,
        loss: 0,
        margin: 0,
        secondsLeft: null,
        paused: false,
        stage: 'reference',
      },
    };
    try {
      const draft = await this.draft(checkpoint);
      const trainer = await Trainer.create(host.runtime, {
        rows: 2 * host.folder.config.context_window_size,
        submitMs: SUBMIT_MS,
        turn: () => turns.background(stopper.signal),
        ...DEFAULT_LORA,
      });
      try {
        return await this.train(trainer, draft, checkpoint);
      } finally {
        trainer.destroy();
      }
    } finally {
      this.running = null;
      this.context.post({ type: 'training', progress: null });
      await this.context.onChange();
    }
  }

  private async draft(checkpoint: TrainingCheckpoint | undefined): Promise<Draft> {
    const { storage, host } = this.context;
    const all = await storage.listSignals();
    const plan = planUpdate(all, activeSignals(all));
    // A resumed update goes on with what it began with, less what was withdrawn since.
    const chosen = (planned: readonly Signal[], ids: readonly string[] | undefined): Signal[] => {
      const wanted = ids && new Set(ids);
      return wanted ? activeSignals(all).filter(({ id }) => wanted.has(id)) : [...planned];
    };
    const options = {
      tokenizer: host.tokenizer,
      model: host.folder.sha256,
      contextLength: host.folder.config.context_window_size,
    };
    const train = examplesOf(chosen(plan.train, checkpoint?.signalIds), options);
    const heldOut = examplesOf(chosen(plan.heldOut, checkpoint?.heldOutIds), options);
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
      skipped: [...train.skipped, ...heldOut.skipped],
      hyperparameters: {
        ...DEFAULT_HYPERPARAMETERS,
        ...(checkpoint?.hyperparameters ?? plan.hyperparameters),
      },
      parentVersion,
      current: record ? await adapterOf(host, record) : null,
      learned: learnedBy(receipts, parentVersion),
      signals: activeSignals(all),
      receipts,
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
    let checking: number | undefined;
    const signal = this.running?.stopper.signal;
    const receipt = (rest: Pick<Receipt, 'decision' | 'reason' | 'figures' | 'scale'>): Receipt => ({
      id: newId(),
      createdAt: Date.now(),
      model: host.folder.sha256,
      parentVersion: draft.parentVersion,
      signalIds: draft.train.map(({ id }) => id),
      heldOutIds: draft.heldOut.map(({ id }) => id),
      skipped: draft.skipped,
      seed: draft.seed,
      hyperparameters: { ...draft.hyperparameters, ...DEFAULT_LORA },
      losses: results.map(({ loss }) => loss),
      margins: results.map(({ margin }) => margin),
      rows: results.map(({ rows }) => rows),
      ...foreseen,
      seconds: (performance.now() - started) / 1000,
      ...rest,
    });
    try {
      this.update({ stage: 'reference', steps: draft.hyperparameters.steps });
      foreseen = await this.foresee(trainer, draft);
      const outcome = await runUpdate(
        host.runtime,
        trainer,
        {
          current: draft.current,
          train: draft.train,
          heldOut: draft.heldOut,
          learned: draft.learned,
          outdated: new Set(foreseen.outdatedIds),
          texts: host.texts,
          hyperparameters: draft.hyperparameters,
          seed: draft.seed,
          ...(checkpoint ? { resume: { state: checkpoint, results: done } } : {}),
        },
        {
          ...(signal ? { signal } : {}),
          onStage: (stage) => this.update({ stage, steps: draft.hyperparameters.steps }),
          onCheck: (step, steps) => {
            checking ??= performance.now();
            const secondsPerStep = (performance.now() - checking) / 1000 / Math.max(1, step - 1);
            this.update({ step, steps, secondsLeft: step > 1 ? secondsPerStep * (steps - step) : null });
          },
          onReferences: (examples) => this.keepReferences(examples),
          onStep: async (all) => {
            results = all;
            const secondsPerStep = (performance.now() - started) / 1000 / (all.length - done.length);
            await this.afterStep(trainer, draft, all, secondsPerStep);
          },
        },
      );
      const { kept, reason, figures, scale } = outcome;
      const decision = kept ? 'kept' : 'refused';
      const { safetensors } = writeAdapter(outcome.candidate, host.folder.config, host.folder.name);
      const candidate = await sha256(safetensors);
      const judged = { ...receipt({ decision, reason, figures, scale }), candidate };
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

  /** What the version in use would have said of the new signals, and which old ones no longer say what the user likes. */
  private async foresee(
    trainer: Trainer,
    { train, heldOut, learned, current, signals, receipts, parentVersion }: Draft,
  ): Promise<Pick<Receipt, 'predictions' | 'outdatedIds'>> {
    const fresh = [...train, ...heldOut].filter(({ id }) => !learned.has(id));
    const predictions = await predict(trainer, current, fresh);
    const model = this.context.host.folder.sha256;
    const outdatedIds = outdatedSignals(signals, [...receipts, { model, parentVersion, predictions }], model);
    return { predictions, outdatedIds };
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

  private async keepReferences(examples: readonly TrainingExample[]): Promise<void> {
    for (const example of examples) {
      if (example.kind === 'text' || example.reference === undefined) continue;
      const reference =
        example.kind === 'pair'
          ? example.reference
          : { [example.up ? 'chosen' : 'rejected']: example.reference };
      await this.context.storage.updateSignal(example.id, { reference });
    }
  }

  private async afterStep(
    trainer: Trainer,
    draft: Draft,
    results: readonly StepResult[],
    secondsPerStep: number,
  ): Promise<void> {
    const last = results.at(-1);
    const { steps } = draft.hyperparameters;
    this.update({
      step: results.length,
      steps,
      loss: last?.loss ?? 0,
      margin: last?.margin ?? 0,
      secondsLeft: secondsPerStep * (steps - results.length),
    });
    const state = await trainer.state();
    await this.context.storage.saveCheckpoint({
      ...state,
      model: this.context.host.folder.sha256,
      parentVersion: draft.parentVersion,
      signalIds: draft.train.map(({ id }) => id),
      heldOutIds: draft.heldOut.map(({ id }) => id),
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

interface Draft {
  train: TrainingExample[];
  heldOut: TrainingExample[];
  skipped: SkippedSignal[];
  hyperparameters: Hyperparameters;
  parentVersion: number;
  current: AdapterWeights | null;
  /** Ids of the signals that `current` has learned. */
  learned: ReadonlySet<string>;
  /** All active ones. */
  signals: Signal[];
  receipts: Receipt[];
  seed: number;
  startedAt: number;
}
