import { replay } from '../adaptation/replay';
import { textsSha256 } from '../adaptation/texts';
import { foresee, runUpdate, type UpdateHooks, type UpdateOutcome } from '../adaptation/update';
import { writeAdapter } from '../formats/adapter';
import type { ReceiptFile } from '../formats/receipt-file';
import { deviceName } from '../gpu/device';
import type { EngineEvent, TrainingProgress } from '../protocol/protocol';
import { required } from '../shared/assert';
import { messageOf, ThumbprintError, toPlainError } from '../shared/errors';
import { newId } from '../shared/ids';
import type { Receipt, Repetition, TrainingCheckpoint } from '../shared/records';
import { sha256 } from '../shared/sha256';
import type { Storage } from '../storage/database';
import { addReferences } from '../training/train';
import { Trainer } from '../training/trainer';
import { DEFAULT_HYPERPARAMETERS, loraOf, type StepResult, type TrainingExample } from '../training/types';
import type { DeviceTurns } from './device-turns';
import { chooseSignals, type Draft, draftUpdate, hasNews } from './draft';
import type { ModelHost } from './model-host';
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
  private running: {
    stopper: AbortController;
    progress: TrainingProgress;
    detail: string;
    /** Ids of the signals that it uses, once they are known. */
    uses?: ReadonlySet<string>;
  } | null = null;
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
   * Runs an update from the signals as they are now, or goes on with an interrupted one. One that uses what has been
   * withdrawn meanwhile begins anew without it.
   * @throws ThumbprintError `bad-input` when there is nothing to learn from. Failures while training end in a receipt.
   */
  async run(checkpoint?: TrainingCheckpoint): Promise<UpdateEnd> {
    return this.alone('Learning from your judgements.', checkpoint?.step ?? 0, async () => {
      return this.withTrainer(async (trainer) => {
        for (let from = checkpoint; ; from = undefined) {
          try {
            return await this.train(trainer, await this.draft(from, trainer), from);
          } catch (error) {
            // Another engine begins it anew where this one ends.
            if (this.suspended || !(error instanceof Withdrawn)) throw error;
            const { storage, host } = this.context;
            await storage.clearCheckpoint();
            if (!(await hasNews(storage, host))) return { decision: 'cancelled', reason: error.message };
            this.restart();
          }
        }
      });
    });
  }

  /** Something has been withdrawn: an update that uses it stops at once, and begins anew. */
  async reconsider(): Promise<void> {
    const { running } = this;
    if (running?.uses && (await this.isWithdrawn(running.uses))) running.stopper.abort(new Withdrawn());
  }

  private async isWithdrawn(ids: ReadonlySet<string>): Promise<boolean> {
    const signals = await this.context.storage.listSignals();
    return signals.some(({ id, withdrawnAt }) => withdrawnAt !== undefined && ids.has(id));
  }

  /** What has been kept of an update does not know what was withdrawn. @throws Withdrawn */
  private async expectNoneWithdrawn(): Promise<void> {
    if (await this.isWithdrawn(required(this.running?.uses, 'signals in use'))) throw new Withdrawn();
  }

  private restart(): void {
    const running = required(this.running, 'the update');
    running.stopper = new AbortController();
    this.update({ step: 0, secondsLeft: null, stage: 'reference' });
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
    const running = required(this.running, 'the update');
    const trainer = await Trainer.create(host.runtime, {
      rows: 2 * host.identity.config.context_window_size,
      submitMs: SUBMIT_MS,
      turn: () => turns.background(running.stopper.signal),
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
    const chosen = await chooseSignals(storage, host, checkpoint);
    required(this.running, 'the update').uses = new Set(
      [...chosen.train, ...chosen.heldOut].map(({ id }) => id),
    );
    await this.expectNoneWithdrawn();
    return draftUpdate(storage, host, trainer, chosen, checkpoint);
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
      chosen: checkpoint?.chosen?.[index] ?? 0,
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
      ...courseOf(results),
      ...foreseen,
      seconds: (performance.now() - started) / 1000,
      ...rest,
    });
    if (draft.train.length === 0) {
      // With a receipt, these signals do not wait for the next update to skip them again.
      const [first] = draft.skipped;
      const reason = `Refused: there is nothing to learn from. ${first?.reason ?? ''}`;
      return this.file(receipt({ decision: 'refused', reason, figures: [] }));
    }
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
      if (this.suspended || error instanceof Withdrawn) throw error;
      const cancelled = error instanceof ThumbprintError && error.code === 'cancelled';
      const ended = await this.file(
        receipt({ decision: cancelled ? 'cancelled' : 'failed', reason: messageOf(error), figures: [] }),
      );
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
    await this.expectNoneWithdrawn();
    if (!kept) return this.file(receipt);
    const committed = await commitVersion(storage, candidate, safetensors, receipt);
    post({ type: 'receipt', receipt: committed });
    return committed;
  }

  /** The receipt of an update that changes nothing else. */
  private async file(receipt: Receipt): Promise<Receipt> {
    await this.context.storage.putReceipt(receipt);
    this.context.post({ type: 'receipt', receipt });
    return receipt;
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
      ...courseOf(results),
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

/** A signal that an update uses has been withdrawn. */
class Withdrawn extends Error {
  override message = 'You withdrew what it was learning from.';
}

/** What was measured of each step, as receipts and checkpoints keep it. */
function courseOf(
  results: readonly StepResult[],
): Required<Pick<Receipt, 'losses' | 'margins' | 'chosen' | 'rows'>> {
  return {
    losses: results.map(({ loss }) => loss),
    margins: results.map(({ margin }) => margin),
    chosen: results.map(({ chosen }) => chosen),
    rows: results.map(({ rows }) => rows),
  };
}
