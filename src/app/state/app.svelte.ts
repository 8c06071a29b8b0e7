import { createContext } from 'svelte';
import type { Message } from '../../shared/records';
import { openStorage, type ReadableStorage } from '../../storage/database';
import { ChatState } from './chat.svelte';
import { EngineState } from './engine.svelte';
import { Judging } from './judging.svelte';
import { Library } from './library.svelte';
import type { UpdateState } from './update.svelte';

export type Dialog = { kind: 'settings' } | { kind: 'compare'; message: Message };

/** All state of the page. Components get it from the context. */
export class AppState {
  readonly engine: EngineState;
  readonly library: Library;
  readonly chat: ChatState;
  readonly judging: Judging;
  readonly update: UpdateState;
  dialog = $state.raw<Dialog | null>(null);
  /** Which side panel lies over the chat, where there is no room beside it. */
  drawer = $state<'chats' | 'learning' | null>(null);
  #storage: Promise<ReadableStorage> | null = null;

  /** Generating or training: a reload would cut it off. */
  busy = $derived.by(() => this.chat.generating || this.engine.training !== null);

  constructor(createWorker: () => Worker, update: UpdateState) {
    this.engine = new EngineState(createWorker);
    this.library = new Library(this.engine);
    this.chat = new ChatState(this.engine, this.library, () => this.storage());
    this.judging = new Judging(this.engine, this.library);
    this.update = update;
  }

  /** Shows what is stored, then starts the engine: chats can be read whatever becomes of it. */
  async start(): Promise<void> {
    let unreadable: unknown;
    try {
      await this.library.load(await this.storage());
      const named = this.library.conversation(conversationInAddress());
      await this.chat.open((named ?? this.library.conversations[0])?.id ?? null);
    } catch (error) {
      unreadable = error;
    }
    await this.engine.start();
    if (unreadable !== undefined && this.engine.failure === null) this.engine.report(unreadable);
  }

  /** Takes the engine over from another tab, and shows what has been written there. */
  async useHere(): Promise<void> {
    await this.engine.start(true);
    if (!this.engine.started) return;
    const open = this.library.conversation(this.chat.openId); // unless it was deleted there
    await this.chat.open(open?.id ?? null).catch((error: unknown) => this.engine.report(error));
  }

  /** The page's own connection, for reading. */
  storage(): Promise<ReadableStorage> {
    this.#storage ??= openStorage().catch((error: unknown) => {
      this.#storage = null;
      throw error;
    });
    return this.#storage;
  }

  newChat(): void {
    this.drawer = null;
    void this.chat.open(null);
  }

  openChat(id: string): void {
    this.drawer = null;
    this.chat.open(id).catch((error: unknown) => this.engine.report(error));
  }

  /** Deletes everything and returns how many records are left, counted anew in storage. Null when it failed. */
  async deleteEverything(): Promise<number | null> {
    if (!(await this.engine.tell({ type: 'delete-everything' }))) return null;
    await this.chat.reset();
    await this.library.load(await this.storage());
    const { conversations, signals, adapters, receipts } = this.library;
    return conversations.length + signals.length + adapters.length + receipts.length;
  }
}

export const [getApp, setApp] = createContext<AppState>();

const ADDRESS_PREFIX = '#chat=';

/** The conversation that the page's address names, so that a reload stays where it was. */
function conversationInAddress(): string | null {
  return location.hash.startsWith(ADDRESS_PREFIX) ? location.hash.slice(ADDRESS_PREFIX.length) : null;
}

/** Names the open conversation in the address, without a new entry in the history. */
export function nameInAddress(id: string | null): void {
  const hash = id === null ? '' : ADDRESS_PREFIX + id;
  if (location.hash !== hash) history.replaceState(null, '', location.pathname + location.search + hash);
}
