import type { EngineState } from './engine.svelte';
import type { Library } from './library.svelte';

/** A thumb on its way to the engine, shown as pressed until the engine has answered. */
interface PendingThumb {
  messageId: string;
  /** Null while a thumb is being withdrawn. */
  kind: 'up' | 'down' | null;
}

/** What a user says of replies: thumbs, edits, and taking them back. */
export class Judging {
  #pending = $state.raw<PendingThumb | null>(null);
  #presses: Promise<void> = Promise.resolve();

  constructor(
    private readonly engine: EngineState,
    private readonly library: Library,
  ) {}

  /** The thumb to show on a reply. */
  thumb(messageId: string): 'up' | 'down' | null {
    if (this.#pending?.messageId === messageId) return this.#pending.kind;
    const signal = this.library.thumbOn(messageId);
    if (signal === undefined) return null;
    return signal.kind === 'down' ? 'down' : 'up';
  }

  /** Presses a thumb: the one that stands is withdrawn, another one replaces it. */
  press(messageId: string, kind: 'up' | 'down'): Promise<void> {
    // One after the other: what a press means depends on what stands by then.
    this.#presses = this.#presses.then(() => this.#press(messageId, kind));
    return this.#presses;
  }

  /** Gives the reply as the user would have liked it. True when it is stored. */
  async edit(messageId: string, text: string): Promise<boolean> {
    const stored = await this.engine.tell({ type: 'edit', messageId, text });
    if (stored) askForPersistence();
    return stored;
  }

  async withdraw(signalId: string): Promise<boolean> {
    return this.engine.tell({ type: 'withdraw', signalId });
  }

  /** Takes a signal back together with what a version has learned from it; what comes of that is in use. */
  async unlearn(version: number, signalId: string): Promise<boolean> {
    if (version !== this.library.activeAdapter) {
      if (!(await this.engine.tell({ type: 'use-adapter', version }))) return false;
    }
    return this.engine.tell({ type: 'unlearn', signalId });
  }

  async #press(messageId: string, kind: 'up' | 'down'): Promise<void> {
    const standing = this.library.thumbOn(messageId);
    const withdrawn = standing !== undefined && (standing.kind === 'down') === (kind === 'down');
    this.#pending = { messageId, kind: withdrawn ? null : kind };
    try {
      // The engine replaces what stood there before.
      if (withdrawn) await this.engine.request({ type: 'withdraw', signalId: standing.id });
      else await this.engine.request({ type: 'signal', messageId, kind });
      askForPersistence();
    } catch (error) {
      this.engine.report(error);
    } finally {
      this.#pending = null;
    }
  }
}

let asked = false;

/** From the first signal on there is something to lose: asks the browser not to evict it. It may say no. */
function askForPersistence(): void {
  if (asked) return;
  asked = true;
  // Not offered on insecure origins.
  const manager: StorageManager | undefined = navigator.storage;
  void manager?.persist().catch(() => false);
}
