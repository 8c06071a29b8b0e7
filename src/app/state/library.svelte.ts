import type { EngineEvent } from '../../protocol/protocol';
import {
  DEFAULT_SETTINGS,
  type AdapterSummary,
  type Conversation,
  type Message,
  type Receipt,
  type Settings,
  type Signal,
} from '../../shared/records';
import { hasUnknownPast, signalOutcomes, versionWithout, waitingSignals } from '../../shared/signals';
import type { ReadableStorage } from '../../storage/database';
import type { EngineState } from './engine.svelte';

/**
 * What is kept beside the messages: chats, signals, adapters, receipts, settings. Read from storage for the first
 * paint, from then on as the engine reports it.
 */
export class Library {
  conversations = $state.raw<Conversation[]>([]);
  signals = $state.raw<Signal[]>([]);
  adapters = $state.raw<AdapterSummary[]>([]);
  receipts = $state.raw<Receipt[]>([]);
  settings = $state.raw<Settings>(DEFAULT_SETTINGS);
  activeAdapter = $state(0);
  /** sha-256 of the base model; before the engine says so, that of the last update. */
  #model = $state('');

  constructor(engine: EngineState) {
    engine.subscribe((event) => this.#receive(event));
  }

  /** Newest first. */
  receiptsNewestFirst = $derived([...this.receipts].sort((a, b) => b.createdAt - a.createdAt));
  signalsNewestFirst = $derived([...this.signals].sort((a, b) => b.createdAt - a.createdAt));
  outcomes = $derived(signalOutcomes(this.receipts, this.#model));
  /** How many signals wait for the next update. */
  waiting = $derived(waitingSignals(this.signals, this.receipts, this.#model).length);
  adaptersNewestFirst = $derived([...this.adapters].sort((a, b) => b.version - a.version));

  /** Reads everything; called before the engine runs and after it has deleted everything. */
  async load(storage: ReadableStorage): Promise<void> {
    const [conversations, signals, adapters, receipts, settings, activeAdapter] = await Promise.all([
      storage.listConversations(),
      storage.listSignals(),
      storage.listAdapters(),
      storage.listReceipts(),
      storage.loadSettings(),
      storage.activeVersion(),
    ]);
    Object.assign(this, { conversations, signals, adapters, receipts, settings, activeAdapter });
    this.#model ||= receipts.at(-1)?.model ?? '';
  }

  /** The version that a version goes back to for unlearning a signal. */
  versionWithout(version: number, signalId: string): number {
    return versionWithout(this.receipts, this.adapters, version, signalId);
  }

  /** Whether a version may have learned, elsewhere, what nobody knows of here. */
  hasUnknownPast(version: number): boolean {
    return hasUnknownPast(this.receipts, version);
  }

  conversation(id: string | null): Conversation | undefined {
    return this.conversations.find((conversation) => conversation.id === id);
  }

  /** The thumb that stands on a reply: liking one of two counts as a thumb up. */
  thumbOn(messageId: string): Signal | undefined {
    return this.signalsNewestFirst.find(
      (signal) => signal.messageId === messageId && isActive(signal) && signal.kind !== 'edit',
    );
  }

  /** The edit that made a message, which is a branch beside the reply that was edited. */
  editBehind(message: Message, branches: readonly Message[]): Signal | undefined {
    const others = new Set(branches.map(({ id }) => id).filter((id) => id !== message.id));
    return this.signalsNewestFirst.find(
      (signal) =>
        signal.kind === 'edit' &&
        isActive(signal) &&
        others.has(signal.messageId) &&
        signal.chosen === message.content,
    );
  }

  #receive(event: EngineEvent): void {
    switch (event.type) {
      case 'snapshot': {
        const { conversations, signals, adapters, receipts, settings, activeAdapter, model } = event.snapshot;
        Object.assign(this, { signals, adapters, receipts, settings, activeAdapter });
        this.#model = model.sha256;
        this.conversations = [...conversations].sort((a, b) => b.updatedAt - a.updatedAt);
        break;
      }
      case 'conversation': {
        const others = this.conversations.filter(({ id }) => id !== event.conversation.id);
        this.conversations = [event.conversation, ...others].sort((a, b) => b.updatedAt - a.updatedAt);
        break;
      }
      case 'receipt':
        this.receipts = [...this.receipts.filter(({ id }) => id !== event.receipt.id), event.receipt];
        break;
      default:
        break;
    }
  }
}

/** A signal that has not been withdrawn. */
export function isActive(signal: Signal): boolean {
  return signal.withdrawnAt === undefined;
}
