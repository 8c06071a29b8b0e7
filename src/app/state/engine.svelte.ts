import { createEngineClient, type EngineClient } from '../../engine/client';
import type {
  AnswerOf,
  Command,
  EngineEvent,
  Phase,
  Snapshot,
  TrainingProgress,
} from '../../protocol/protocol';
import { ThumbprintError, toPlainError, type PlainError } from '../../shared/errors';
import { messages as t } from '../messages.en';
import { LoadingMeter, type LoadingView } from './loading-meter';

/** One finished step of the update under way, for the plots. */
export interface TrainingPoint {
  step: number;
  loss: number;
  margin: number;
}

/** The engine as the page sees it: what it is doing, and the way to ask it for something. */
export class EngineState {
  phase = $state<Phase>('loading');
  /** A finished sentence: the text of the status line. */
  detail = $state(t.status.starting);
  loading = $state.raw<LoadingView | null>(null);
  training = $state.raw<TrainingProgress | null>(null);
  points = $state.raw<TrainingPoint[]>([]);
  snapshot = $state.raw<Snapshot | null>(null);
  failure = $state.raw<PlainError | null>(null);
  /** The `start` command has been answered: the engine takes commands. */
  started = $state(false);
  /** The engine cannot run as it is; `failure` says why. */
  broken = $state(false);
  /** Another tab runs the engine: this one shows what is stored, and can take the engine over. */
  elsewhere = $state(false);

  readonly #createWorker: () => Worker;
  readonly #listeners = new Set<(event: EngineEvent) => void>();
  #client: EngineClient | null = null;
  #meter = new LoadingMeter();

  /** @param createWorker Makes the engine's Worker; called again for each restart. */
  constructor(createWorker: () => Worker) {
    this.#createWorker = createWorker;
  }

  /** Calls `listener` with every event, after this state has taken it in. */
  subscribe(listener: (event: EngineEvent) => void): void {
    this.#listeners.add(listener);
  }

  /**
   * Starts the Worker and waits until it is ready; a failure becomes `failure`. Also restarts a broken engine.
   *
   * @param takeOver Take the engine over from another tab.
   */
  async start(takeOver = false): Promise<void> {
    this.#client?.dispose();
    this.started = false;
    this.broken = false;
    this.elsewhere = false;
    this.failure = null;
    this.phase = 'loading';
    this.detail = t.status.starting;
    this.training = null;
    this.#meter = new LoadingMeter();
    try {
      this.#client = createEngineClient(this.#createWorker(), (event) => this.#receive(event));
      const snapshot = await this.#client.request({ type: 'start', takeOver });
      this.started = true;
      this.#receive({ type: 'snapshot', snapshot });
      this.loading = null;
    } catch (error) {
      this.#breakDown(toPlainError(error));
    }
  }

  /** Sends a command. @throws ThumbprintError as the engine does; `cancelled` before it was started. */
  request<T extends Command>(command: T): Promise<AnswerOf<T['type']>> {
    if (this.#client === null) {
      return Promise.reject(new ThumbprintError('cancelled', 'The model is not loaded yet.'));
    }
    return this.#client.request(command);
  }

  /** Sends a command whose answer nobody needs; a failure is shown. True when it went well. */
  async tell(command: Command): Promise<boolean> {
    try {
      await this.request(command);
      return true;
    } catch (error) {
      this.report(error);
      return false;
    }
  }

  /** Shows a failure to the user, unless the user caused it by cancelling. */
  report(error: unknown): void {
    const plain = toPlainError(error);
    if (plain.code !== 'cancelled') this.failure = plain;
  }

  dismissFailure(): void {
    this.failure = null;
  }

  #breakDown(error: PlainError): void {
    if (error.code === 'cancelled') return; // replaced by a restart
    this.elsewhere = error.code === 'locked';
    if (this.elsewhere) {
      this.#client?.dispose();
    } else {
      this.failure = error;
      this.broken = true;
    }
    this.started = false;
    this.loading = null;
    this.training = null;
    this.phase = 'error';
    this.detail = error.message;
  }

  #receive(event: EngineEvent): void {
    switch (event.type) {
      case 'phase':
        this.phase = event.phase;
        this.detail = event.detail;
        if (event.phase !== 'loading') this.loading = null;
        break;
      case 'loading':
        this.loading = this.#meter.measure(event.progress, performance.now());
        break;
      case 'training':
        this.#receiveTraining(event.progress);
        break;
      case 'snapshot':
        this.snapshot = event.snapshot;
        break;
      case 'error':
        // Other failures, a failed update among them, leave the engine usable.
        if (event.error.code === 'device-lost' || this.#client?.alive === false) this.#breakDown(event.error);
        else this.failure = event.error;
        break;
      case 'displaced':
        this.#breakDown({ code: 'locked', message: t.elsewhere.title });
        break;
      case 'conversation':
      case 'message':
      case 'delta':
      case 'receipt':
        break; // for the listeners
      default:
        event satisfies never;
    }
    for (const listener of this.#listeners) listener(event);
  }

  #receiveTraining(progress: TrainingProgress | null): void {
    const before = this.training;
    this.training = progress;
    if (progress === null) return;
    // The gate counts steps of its own.
    if (progress.stage !== 'gate' && (before === null || progress.step < before.step)) this.points = [];
    if (progress.stage !== 'training' || progress.step === 0) return;
    const { step, loss, margin } = progress;
    this.points = [...this.points.filter((point) => point.step !== step), { step, loss, margin }];
  }
}
