import type { LoadingProgress } from '../../protocol/protocol';

/** What the loading bar shows. */
export interface LoadingView extends LoadingProgress {
  /** Mean rate of this stage; null until it can be told. */
  bytesPerSecond: number | null;
  secondsLeft: number | null;
}

/** A rate over less time than this jumps about more than it tells. */
const LEAST_SECONDS = 0.3;

/** Adds rate and time left to the engine's reports, which carry bytes only. */
export class LoadingMeter {
  #stage: LoadingProgress['stage'] | null = null;
  #startedAt = 0;
  #startBytes = 0;

  /** @param now Milliseconds of any steady clock. */
  measure(progress: LoadingProgress, now: number): LoadingView {
    if (progress.stage !== this.#stage || progress.loadedBytes < this.#startBytes) {
      this.#stage = progress.stage;
      this.#startedAt = now;
      this.#startBytes = progress.loadedBytes;
    }
    const seconds = (now - this.#startedAt) / 1000;
    const bytes = progress.loadedBytes - this.#startBytes;
    const bytesPerSecond = seconds >= LEAST_SECONDS && bytes > 0 ? bytes / seconds : null;
    const left = Math.max(0, progress.totalBytes - progress.loadedBytes);
    return {
      ...progress,
      bytesPerSecond,
      secondsLeft: bytesPerSecond === null ? null : left / bytesPerSecond,
    };
  }
}
