import { SvelteMap } from 'svelte/reactivity';
import type { EngineEvent } from '../../protocol/protocol';
import type { Message } from '../../shared/records';
import type { ReadableStorage } from '../../storage/database';
import type { EngineState } from './engine.svelte';
import type { Library } from './library.svelte';
import { leafBelow, newestLeaf, pathTo, siblingsOf } from './tree';

/** Deltas are shown this often: more frames than that cost time and are not seen. */
const FRAME_MS = 33;

/** The conversation on screen, and what a user can do in it. */
export class ChatState {
  /** Null: a new chat, not written yet. */
  openId = $state<string | null>(null);
  /** A command that makes a reply has been sent and not answered yet. */
  asking = $state(false);
  #headId = $state<string | null>(null);
  readonly #messages = new SvelteMap<string, Message>();
  /** Replies that are being written now, of any conversation; storage may lag behind them. */
  readonly #streaming = new SvelteMap<string, Message>();
  readonly #deltas = new Map<string, string>();
  #flushing: ReturnType<typeof setTimeout> | null = null;

  /** The branch on screen, from its first message. */
  path = $derived(pathTo(this.#messages, this.#headId));
  generating = $derived.by(
    () => this.asking || this.#streaming.size > 0 || this.engine.phase === 'generating',
  );

  constructor(
    private readonly engine: EngineState,
    private readonly library: Library,
    private readonly storage: () => Promise<ReadableStorage>,
  ) {
    engine.subscribe((event) => this.#receive(event));
  }

  /** The branches at a message's place, itself among them. */
  branches(messageId: string): Message[] {
    return siblingsOf(this.#messages, messageId);
  }

  /** Shows a stored conversation; null shows a new, empty one. */
  async open(id: string | null): Promise<void> {
    if (id === null || id !== this.openId) {
      this.#messages.clear();
      this.#headId = null;
    }
    this.openId = id;
    if (id === null) return;
    const before = new Map(this.#messages);
    const stored = await (await this.storage()).messagesOf(id);
    if (this.openId !== id) return; // another one was chosen meanwhile
    for (const message of stored) {
      // What the engine has reported meanwhile is newer.
      const unchanged = this.#messages.get(message.id) === before.get(message.id);
      if (unchanged) this.#messages.set(message.id, settled(message));
    }
    for (const message of this.#streaming.values()) {
      if (message.conversationId === id) this.#messages.set(message.id, message);
    }
    const head = this.library.conversation(id)?.headId ?? null;
    this.#headId = head !== null && this.#messages.has(head) ? head : newestLeaf(this.#messages);
  }

  /** Asks for a reply. True when the engine has taken the message. */
  async send(text: string): Promise<boolean> {
    return this.#ask(async () => {
      const { conversationId } = await this.engine.request({
        type: 'send',
        conversationId: this.openId,
        parentId: this.#headId,
        text,
      });
      this.openId ??= conversationId;
    });
  }

  /** A sibling of the reply, written anew. */
  async regenerate(messageId: string): Promise<boolean> {
    return this.#ask(async () => {
      await this.engine.request({ type: 'regenerate', messageId });
    });
  }

  async stop(): Promise<void> {
    await this.engine.tell({ type: 'stop' });
  }

  /** Shows the branch that a sibling begins. */
  async walk(siblingId: string): Promise<void> {
    const conversationId = this.openId;
    if (conversationId === null) return;
    const headId = leafBelow(this.#messages, siblingId);
    this.#headId = headId;
    if (this.engine.started) await this.engine.tell({ type: 'select-branch', conversationId, headId });
  }

  async rename(id: string, title: string): Promise<void> {
    await this.engine.tell({ type: 'rename-conversation', conversationId: id, title });
  }

  async remove(id: string): Promise<void> {
    const removed = await this.engine.tell({ type: 'delete-conversation', conversationId: id });
    if (!removed) return;
    this.library.conversations = this.library.conversations.filter((conversation) => conversation.id !== id);
    if (this.openId === id) await this.open(null);
  }

  /** Forgets what is on screen and on its way, after everything has been deleted. */
  async reset(): Promise<void> {
    this.#deltas.clear();
    this.#streaming.clear();
    await this.open(null);
  }

  async #ask(request: () => Promise<void>): Promise<boolean> {
    this.asking = true;
    try {
      await request();
      return true;
    } catch (error) {
      this.engine.report(error);
      return false;
    } finally {
      this.asking = false;
    }
  }

  #receive(event: EngineEvent): void {
    switch (event.type) {
      case 'conversation':
        // The first message of a new chat gives it an identity before the command is answered.
        if (this.openId === null && this.asking) this.openId = event.conversation.id;
        if (event.conversation.id === this.openId) this.#follow(event.conversation.headId);
        break;
      case 'message':
        this.#take(event.message);
        break;
      case 'delta':
        this.#deltas.set(event.messageId, (this.#deltas.get(event.messageId) ?? '') + event.text);
        this.#flushing ??= setTimeout(() => this.#flush(), FRAME_MS);
        break;
      case 'error':
        if (this.engine.broken) this.#cutOff();
        break;
      case 'displaced':
        this.#cutOff();
        break;
      default:
        break;
    }
  }

  #take(message: Message): void {
    // The message carries all text so far, what waits to be shown included.
    this.#deltas.delete(message.id);
    if (message.state === 'streaming') this.#streaming.set(message.id, message);
    else this.#streaming.delete(message.id);
    if (this.openId === null && this.asking) this.openId = message.conversationId;
    if (message.conversationId !== this.openId) return;
    const isNew = !this.#messages.has(message.id);
    this.#messages.set(message.id, message);
    if (isNew) this.#follow(message.id);
  }

  /** The engine has ended: replies being written stay as they are. */
  #cutOff(): void {
    for (const [id, message] of this.#streaming) {
      if (this.#messages.has(id)) this.#messages.set(id, settled(message));
    }
    this.#streaming.clear();
  }

  #follow(headId: string | null): void {
    if (headId !== null && this.#messages.has(headId)) this.#headId = headId;
  }

  #flush(): void {
    this.#flushing = null;
    for (const [id, text] of this.#deltas) {
      const message = this.#streaming.get(id);
      if (message === undefined) continue;
      const longer = { ...message, content: message.content + text };
      this.#streaming.set(id, longer);
      if (this.#messages.has(id)) this.#messages.set(id, longer);
    }
    this.#deltas.clear();
  }
}

/** A reply stored as unfinished was cut off when its tab was closed. */
function settled(message: Message): Message {
  return message.state === 'streaming' ? { ...message, state: 'stopped' } : message;
}
