import { SvelteMap } from 'svelte/reactivity';
import type { Question } from '../../protocol/protocol';
import { messageOf } from '../../shared/errors';
import type { EngineState } from './engine.svelte';

type Answer = { text: string } | { failure: string };

/** What several versions answer to a question: one beside the other, written one at a time as they are chosen. */
export class Comparison {
  /** The version on each side; null is the reply as it was written. */
  sides = $state.raw<readonly (number | null)[]>([]);
  /** Null until something is asked. */
  question = $state.raw<Question | null>(null);
  readonly #answers = new SvelteMap<number, Answer>();
  #writing: number | null = null;
  /** What is being written is no longer wanted: it ends as a piece. */
  #stopped = false;

  constructor(
    private readonly engine: Pick<EngineState, 'request' | 'tell'>,
    sides: readonly (number | null)[],
  ) {
    this.sides = sides;
  }

  /** Asks those on both sides. Answers to what was asked before are gone. */
  ask(question: Question): void {
    this.question = question;
    this.#answers.clear();
    this.#stop();
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
    if (!sides.includes(this.#writing)) this.#stop();
  }

  #stop(): void {
    if (this.#writing === null || this.#stopped) return;
    this.#stopped = true;
    void this.engine.tell({ type: 'stop' });
  }

  async #write(): Promise<void> {
    if (this.#writing !== null) return;
    for (let next = this.#next(); next !== undefined; next = this.#next()) {
      this.#writing = next.version;
      this.#stopped = false;
      const answer = await this.engine.request({ type: 'compare', ...next }).then(
        ({ text }) => ({ text }),
        (error: unknown) => ({ failure: messageOf(error) }),
      );
      if (!this.#stopped) this.#answers.set(next.version, answer);
    }
    this.#writing = null;
  }

  #next(): { question: Question; version: number } | undefined {
    const { question } = this;
    const version = this.sides.find((side) => side !== null && !this.#answers.has(side)) ?? null;
    return question === null || version === null ? undefined : { question, version };
  }
}
