/** Who may use the device: training waits between its submits while a reply is being written or the user has paused it. */
export class DeviceTurns {
  private chats = 0;
  private last: Promise<unknown> = Promise.resolve();
  private paused = false;
  private waiting: (() => void)[] = [];

  /** Runs chat work, one after the other; it holds training back until it is done. */
  async foreground<T>(work: () => Promise<T>): Promise<T> {
    this.chats++;
    const run = this.last.then(work, work);
    this.last = run;
    try {
      return await run;
    } finally {
      this.chats--;
      this.release();
    }
  }

  /** Resolves when background work may submit again; rejects when it is to end. */
  async background(signal: AbortSignal): Promise<void> {
    while (this.chats > 0 || this.paused) {
      signal.throwIfAborted();
      await new Promise<void>((resolve) => {
        this.waiting.push(resolve);
        signal.addEventListener('abort', () => resolve(), { once: true });
      });
    }
    signal.throwIfAborted();
  }

  get isPaused(): boolean {
    return this.paused;
  }

  set isPaused(value: boolean) {
    this.paused = value;
    this.release();
  }

  private release(): void {
    if (this.chats > 0 || this.paused) return;
    for (const resolve of this.waiting.splice(0)) resolve();
  }
}
