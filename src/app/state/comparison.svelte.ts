import { SvelteMap } from 'svelte/reactivity';
import { messageOf } from '../../shared/errors';
import type { EngineState } from './engine.svelte';

type Answer = { text: string } | { failure: string };

/** What several versions answer where a reply stands: one beside the other, written one at a time as they are chosen. */
export class Comparison {
  /** The version on each side; null is the reply as it was written. */
  sides = $state.raw<readonly (number | null)[]>([0, null]);
  readonly #answers = new SvelteMap<number, Answer>();
  #writing: number | null = null;
  /** What is being written is no longer wanted: it ends as a piece. */
  #stopped = false;

  constructor(
    private readonly engine: Pick<EngineState, 'request' | 'tell'>,
    private readonly messageId: string,
  ) {
    void this.#write();
  }

  /** Undefined until it is written. */
  answer(version: number): Answer | undefined {
    return this.#answers.get(version);
  }

  /** Shows a version on a side. What is being written and on neither side any more is stopped. */
  choose(side: number, version: number | null): void {
    this.#show(this.sides.with(side, version));
    void this.#write();
  }

  /** An answer that nobody waits for would keep the model from the next one. */
  close(): void {
    this.#show([]);
  }

  #show(sides: readonly (number | null)[]): void {
    this.sides = sides;
    for (const [version, answer] of this.#answers) {
      // Chosen again, it gets another try.
      if ('failure' in answer && !sides.includes(version)) this.#answers.delete(version);
    }
    if (this.#writing === null || this.#stopped || sides.includes(this.#writing)) return;
    this.#stopped = true;
    void this.engine.tell({ type: 'stop' });
  }

  async #write(): Promise<void> {
    if (this.#writing !== null) return;
    for (let version = this.#next(); version !== undefined; version = this.#next()) {
      this.#writing = version;
      this.#stopped = false;
      const answer = await this.engine.request({ type: 'compare', messageId: this.messageId, version }).then(
        ({ text }) => ({ text }),
        (error: unknown) => ({ failure: messageOf(error) }),
      );
      if (!this.#stopped) this.#answers.set(version, answer);
    }
    this.#writing = null;
  }

  #next(): number | undefined {
    return this.sides.find((version) => version !== null && !this.#answers.has(version)) ?? undefined;
  }
}
