import { SvelteMap } from 'svelte/reactivity';
import { messageOf } from '../../shared/errors';
import type { Difference, Repetition } from '../../shared/records';
import { formatSignificant } from '../format';
import { messages as t } from '../messages.en';
import type { EngineState } from './engine.svelte';

/** Updates that are repeated from their receipts. Receipts go by their id, stored ones and those of files alike. */
export class Repeats {
  /** The receipt that is being repeated. */
  running = $state<string | null>(null);
  readonly #outcomes = new SvelteMap<string, string>();

  constructor(private readonly engine: Pick<EngineState, 'request'>) {}

  /** What came of it, in one sentence; empty before. */
  outcome(receiptId: string): string {
    return this.#outcomes.get(receiptId) ?? '';
  }

  /** @param text The file that the receipt comes from; without it, the receipt is one that is stored. */
  async run(receiptId: string, text?: string): Promise<void> {
    this.running = receiptId;
    this.#outcomes.delete(receiptId);
    try {
      const source = text === undefined ? { receiptId } : { text };
      this.#outcomes.set(receiptId, summaryOf(await this.engine.request({ type: 'repeat-receipt', source })));
    } catch (error) {
      this.#outcomes.set(receiptId, messageOf(error));
    } finally {
      this.running = null;
    }
  }
}

/** What a repetition has come to, in one sentence. */
export function summaryOf({ verdict, sameDecision, differences }: Repetition): string {
  const [largest] = differences;
  const difference =
    largest && t.repeat.difference(nameOf(largest.what), numberOf(largest.then), numberOf(largest.now));
  return t.repeat.outcome(sameDecision, verdict, difference);
}

/** Figures of the gate go by the name that a receipt shows. */
function nameOf(what: string): string {
  const figures: Record<string, string> = t.learning.figures;
  return figures[what] ?? what;
}

function numberOf(value: Difference['then']): string {
  return value === null ? t.repeat.none : formatSignificant(value);
}
