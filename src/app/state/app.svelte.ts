import { createContext } from 'svelte';
import type { Message, Receipt, Settings } from '../../shared/records';
import { openStorage, type ReadableStorage } from '../../storage/database';
import { placeOf, type Place } from './address';
import { ChatState } from './chat.svelte';
import { EngineState } from './engine.svelte';
import { Judging } from './judging.svelte';
import { Library } from './library.svelte';
import { Repeats } from './repeats.svelte';
import type { UpdateState } from './update.svelte';

export type Dialog =
  | { kind: 'settings' }
  | { kind: 'compare'; message: Message }
  /** A version beside another, by a question to be chosen. */
  | { kind: 'compare-versions'; version: number }
  /** A receipt, with the text of the file it comes from; without it, it is stored. */
  | { kind: 'receipt'; shown: { receipt: Receipt; text?: string; mismatch?: string | null } };

/** All state of the page. Components get it from the context. */
export class AppState {
  readonly engine: EngineState;
  readonly library: Library;
  readonly chat: ChatState;
  readonly judging: Judging;
  readonly repeats: Repeats;
  readonly update: UpdateState;
  page = $state<Place['page']>('chat');
  dialog = $state.raw<Dialog | null>(null);
  /** Which side panel lies over the chat, where there is no room beside it. */
  drawer = $state<'chats' | 'learning' | null>(null);
  #storage: Promise<ReadableStorage> | null = null;

  /** What the address is to name. */
  place = $derived.by((): Place =>
    this.page === 'chat' ? { page: 'chat', id: this.chat.openId } : { page: this.page },
  );

  /** Generating or training: a reload would cut it off. */
  busy = $derived.by(() => this.chat.generating || this.engine.training !== null);

  constructor(createWorker: () => Worker, update: UpdateState) {
    this.engine = new EngineState(createWorker);
    this.library = new Library(this.engine);
    this.chat = new ChatState(this.engine, this.library, () => this.storage());
    this.judging = new Judging(this.engine, this.library);
    this.repeats = new Repeats(this.engine);
    this.update = update;
  }

  /** Shows what is stored, then starts the engine: chats can be read whatever becomes of it. */
  async start(): Promise<void> {
    const place = placeOf(location.hash);
    this.page = place.page;
    let unreadable: unknown;
    try {
      await this.library.load(await this.storage());
      const named = place.page === 'chat' ? this.library.conversation(place.id) : undefined;
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

  /** Goes where the address says after it has changed: by a link, or by Back. */
  followAddress(): void {
    const place = placeOf(location.hash);
    this.drawer = null;
    this.page = place.page;
    if (place.page !== 'chat' || place.id === this.chat.openId) return;
    if (place.id === null) this.newChat();
    else if (this.library.conversation(place.id)) this.openChat(place.id);
  }

  /** Changes settings, on screen at once: the next change builds on it. */
  async changeSettings(part: Partial<Settings>): Promise<void> {
    const before = this.library.settings;
    this.library.settings = { ...before, ...part };
    if (!(await this.engine.tell({ type: 'settings', settings: part }))) this.library.settings = before;
  }

  newChat(): void {
    this.page = 'chat';
    this.drawer = null;
    void this.chat.open(null);
  }

  openChat(id: string): void {
    this.page = 'chat';
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
