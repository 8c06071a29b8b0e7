import type { CommandEnvelope, EngineEvent, WorkerMessage } from '../protocol/protocol';
import { toPlainError } from '../shared/errors';
import { openStorage } from '../storage/database';
import { Engine } from './engine';
import { fetchSource } from './fetch-source';
import { holdTabLock } from './tab-lock';

function send(message: WorkerMessage): void {
  self.postMessage(message);
}

function post(event: EngineEvent): void {
  send({ type: 'event', event });
}

let engine: Promise<Engine> | undefined;

async function createEngine(takeOver: boolean): Promise<Engine> {
  if (takeOver) post({ type: 'phase', phase: 'loading', detail: 'Waiting for the other tab.' });
  await holdTabLock({ takeOver, giveWay, onStolen: end });
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

/** Stores what is under way, then leaves lock, storage and device to another tab. */
async function giveWay(): Promise<void> {
  try {
    await (await engine)?.close();
  } catch {
    // An engine that could not be made has nothing to store.
  }
  end();
}

/** Ends this Worker: nothing of it runs after the task at hand. */
function end(): void {
  post({ type: 'displaced' });
  self.close();
}

async function answer({ id, command }: CommandEnvelope): Promise<void> {
  try {
    engine ??= createEngine(command.type === 'start' && command.takeOver === true);
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
