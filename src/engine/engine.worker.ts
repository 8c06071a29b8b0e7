import type { CommandEnvelope, EngineEvent, WorkerMessage } from '../protocol/protocol';
import { ThumbprintError, toPlainError } from '../shared/errors';
import { openStorage } from '../storage/database';
import { Engine } from './engine';
import { fetchSource } from './fetch-source';

/** One tab runs the engine: two would train on the same signals and write the same versions. */
const LOCK = 'thumbprint-engine';

function send(message: WorkerMessage): void {
  self.postMessage(message);
}

function post(event: EngineEvent): void {
  send({ type: 'event', event });
}

/** Holds the lock until the Worker ends. @throws ThumbprintError `locked` when another tab has it. */
function takeLock(): Promise<void> {
  return new Promise((resolve, reject) => {
    void navigator.locks.request(LOCK, { ifAvailable: true }, (lock) => {
      if (!lock) {
        reject(
          new ThumbprintError(
            'locked',
            'Thumbprint is open in another tab. Close that tab, then reload this one.',
          ),
        );
        return undefined;
      }
      resolve();
      return new Promise(() => undefined);
    });
  });
}

async function createEngine(): Promise<Engine> {
  await takeLock();
  // The Worker's script lies one folder below the page.
  const source = fetchSource(
    new URL(`${import.meta.env.BASE_URL}models/thumbling/`, self.location.origin + pageFolder()).href,
  );
  return new Engine({ webgpu: navigator.gpu, source, storage: await openStorage(), post });
}

/** Folder of the page, from the address of this script: the build puts scripts into `assets/`. */
function pageFolder(): string {
  const path = self.location.pathname;
  const assets = path.lastIndexOf('/assets/');
  return assets >= 0 ? path.slice(0, assets + 1) : '/';
}

let engine: Promise<Engine> | undefined;

async function answer({ id, command }: CommandEnvelope): Promise<void> {
  try {
    engine ??= createEngine();
    send({ type: 'answer', id, value: await (await engine).handle(command) });
  } catch (error) {
    const plain = toPlainError(error);
    // A start that failed can be tried again.
    if (command.type === 'start') {
      engine = undefined;
      post({ type: 'phase', phase: 'error', detail: plain.message });
    }
    send({ type: 'failure', id, error: plain });
  }
}

self.addEventListener('message', (event: MessageEvent<CommandEnvelope>) => void answer(event.data));
