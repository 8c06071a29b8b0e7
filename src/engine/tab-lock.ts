/** Which tab runs the engine. Two would train on the same signals and write the same versions. */
import { ThumbprintError } from '../shared/errors';

const NAME = 'thumbprint-engine';
/** A page that is reloaded may still hold the lock for a moment. */
const RELOAD_MS = 500;
/** Longest wait for another tab that was asked to give way. One that a phone has frozen never answers. */
const PATIENCE_MS = 10_000;

export interface TabLockOptions {
  /** Ask the tab that holds the lock to give it up, and take it if no answer comes. */
  takeOver: boolean;
  /** Another tab asks for the lock. It is held until this resolves. */
  giveWay: () => Promise<void>;
  /** Another tab has taken the lock: nothing may be written any more. */
  onStolen: () => void;
  patienceMs?: number;
}

/**
 * Takes the lock and holds it until another tab asks for it.
 *
 * Asking comes before stealing: a lock that is stolen changes hands at once, while its old holder may be in the middle
 * of something.
 *
 * @throws ThumbprintError `locked` when another tab has it and is not to be disturbed.
 */
export async function holdTabLock(options: TabLockOptions): Promise<void> {
  const { takeOver, giveWay, onStolen, patienceMs = PATIENCE_MS } = options;
  const others = new BroadcastChannel(NAME);

  function request(how: LockOptions): Promise<void> {
    return new Promise((resolve, reject) => {
      let held = false;
      const hold = (): Promise<void> => {
        held = true;
        resolve();
        return new Promise((release) => (others.onmessage = () => release(giveWay())));
      };
      navigator.locks.request(NAME, how, hold).catch((error: unknown) => {
        if (held) onStolen();
        else reject(error instanceof Error ? error : new Error(String(error)));
      });
    });
  }

  if (takeOver) others.postMessage('give way');
  try {
    await request({ signal: AbortSignal.timeout(takeOver ? patienceMs : RELOAD_MS) });
  } catch (error) {
    if (!(error instanceof Error) || error.name !== 'TimeoutError') throw error;
    if (!takeOver) throw new ThumbprintError('locked', 'Thumbprint is open in another tab.');
    await request({ steal: true });
  }
}
