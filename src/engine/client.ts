/** The page's end of the line to the engine's Worker. */
import type { AnswerOf, Command, CommandEnvelope, EngineEvent, WorkerMessage } from '../protocol/protocol';
import { ThumbprintError, fromPlainError } from '../shared/errors';

export interface EngineClient {
  /** False once the Worker has broken down or was disposed of: every request rejects from then on. */
  readonly alive: boolean;
  /**
   * Sends a command and waits for its answer.
   *
   * @throws ThumbprintError as the engine threw it, with code, cause and stack; `internal` when the Worker has broken
   *   down; `cancelled` after `dispose`.
   */
  request<T extends Command>(command: T): Promise<AnswerOf<T['type']>>;
  /** Ends the Worker. Requests still open reject with `cancelled`. */
  dispose(): void;
}

interface Waiting {
  resolve(value: unknown): void;
  reject(error: ThumbprintError): void;
}

/**
 * Connects to an engine Worker. Answers are matched to their commands by id; events go to `onEvent` in order.
 *
 * A Worker that cannot be loaded or throws outside a command has lost the engine for good: all open and all later
 * requests reject with that error, and it arrives once as an `error` event.
 */
export function createEngineClient(worker: Worker, onEvent: (event: EngineEvent) => void): EngineClient {
  const waiting = new Map<number, Waiting>();
  let lastId = 0;
  let ended: ThumbprintError | null = null;

  function endWith(error: ThumbprintError): void {
    ended ??= error;
    for (const request of waiting.values()) request.reject(error);
    waiting.clear();
  }

  function onMessage({ data }: MessageEvent<WorkerMessage>): void {
    switch (data.type) {
      case 'event':
        onEvent(data.event);
        return;
      case 'answer':
        waiting.get(data.id)?.resolve(data.value);
        waiting.delete(data.id);
        return;
      case 'failure':
        waiting.get(data.id)?.reject(fromPlainError(data.error));
        waiting.delete(data.id);
        return;
      default:
        data satisfies never;
    }
  }

  function breakDown(error: ThumbprintError): void {
    if (ended !== null) return;
    endWith(error);
    onEvent({ type: 'error', error: { code: error.code, message: error.message } });
  }

  function onError(event: ErrorEvent): void {
    // An error while loading the script carries no message.
    const what =
      event.message === '' || event.message === undefined ? 'its script could not be loaded' : event.message;
    breakDown(
      new ThumbprintError('internal', `The engine stopped: ${what}. Reload the page.`, {
        cause: event.error,
      }),
    );
  }

  function onMessageError(): void {
    breakDown(new ThumbprintError('internal', 'The engine sent something unreadable. Reload the page.'));
  }

  worker.addEventListener('message', onMessage);
  worker.addEventListener('error', onError);
  worker.addEventListener('messageerror', onMessageError);

  return {
    get alive() {
      return ended === null;
    },
    request<T extends Command>(command: T) {
      return new Promise<AnswerOf<T['type']>>((resolve, reject) => {
        if (ended !== null) {
          reject(ended);
          return;
        }
        const id = ++lastId;
        // The protocol ties the answer's type to the command's; nothing at run time can check it here.
        waiting.set(id, { resolve: (value) => resolve(value as AnswerOf<T['type']>), reject });
        const envelope: CommandEnvelope = { id, command };
        try {
          worker.postMessage(envelope);
        } catch (error) {
          waiting.delete(id);
          reject(
            new ThumbprintError('internal', `The command ${command.type} cannot be sent.`, { cause: error }),
          );
        }
      });
    },
    dispose() {
      worker.removeEventListener('message', onMessage);
      worker.removeEventListener('error', onError);
      worker.removeEventListener('messageerror', onMessageError);
      worker.terminate();
      endWith(new ThumbprintError('cancelled', 'The engine was shut down.'));
    },
  };
}
