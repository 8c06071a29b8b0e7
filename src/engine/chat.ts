import type { AdapterWeights } from '../formats/tensors';
import type { EngineEvent, Question } from '../protocol/protocol';
import { messageOf, ThumbprintError } from '../shared/errors';
import { newId } from '../shared/ids';
import type { ChatTurn, Conversation, Message, ReplyDetails, Settings } from '../shared/records';
import type { Storage } from '../storage/database';
import { fitConversation } from '../text/fit';
import type { TokenizedTurn } from '../text/tokenizer';
import type { DeviceTurns } from './device-turns';
import { adapterOf, type ModelHost } from './model-host';

/** Share of the context that is kept free for the reply. */
const REPLY_SHARE = 0.375;
const TITLE_LENGTH = 48;

export interface ChatContext {
  storage: Storage;
  host: ModelHost;
  turns: DeviceTurns;
  post: (event: EngineEvent) => void;
  settings: () => Settings;
  activeAdapter: () => number;
  /** Work that goes on after its command has been answered. */
  track: (work: Promise<void>) => void;
  /** The status line says what comes next. */
  onIdle: () => void;
}

/** A turn, with its tokens where a reply has kept them. */
type UntokenizedTurn = Pick<Message, 'role' | 'content' | 'reply'>;

/** Writes replies, one at a time, and keeps the conversations' trees. */
export class Chat {
  private readonly context: ChatContext;
  private stopper: AbortController | null = null;

  constructor(context: ChatContext) {
    this.context = context;
  }

  get isWriting(): boolean {
    return this.stopper !== null;
  }

  /** Ends the reply being written; what there is of it stays. */
  stop(): void {
    this.stopper?.abort();
  }

  /** Stores the user's message and begins the reply. Answers as soon as both exist. */
  async send(
    conversationId: string | null,
    parentId: string | null,
    text: string,
  ): Promise<{ conversationId: string; userMessageId: string; replyId: string }> {
    this.mustBeFree();
    if (text.trim() === '') throw new ThumbprintError('bad-input', 'Write something first.');
    const { storage } = this.context;
    const now = Date.now();
    const known = conversationId === null ? undefined : await storage.getConversation(conversationId);
    const conversation: Conversation = known ?? {
      id: conversationId ?? newId(now),
      title: titleOf(text),
      createdAt: now,
      updatedAt: now,
      headId: null,
    };
    const user: Message = {
      id: newId(now),
      conversationId: conversation.id,
      parentId,
      role: 'user',
      content: text,
      createdAt: now,
      state: 'done',
    };
    await storage.putMessage(user);
    this.context.post({ type: 'message', message: user });
    const replyId = await this.beginReply(conversation, user);
    return { conversationId: conversation.id, userMessageId: user.id, replyId };
  }

  /** Writes a sibling of a reply. */
  async regenerate(messageId: string): Promise<{ replyId: string }> {
    this.mustBeFree();
    const { storage } = this.context;
    const reply = await this.reply(messageId);
    const conversation = await storage.getConversation(reply.conversationId);
    const parent = reply.parentId === null ? undefined : await storage.getMessage(reply.parentId);
    if (!conversation || !parent) throw new ThumbprintError('bad-input', 'That reply is no longer there.');
    return { replyId: await this.beginReply(conversation, parent) };
  }

  /**
   * What a version answers, not stored.
   * @param version 0 is the base.
   * @throws ThumbprintError `bad-input` when the reply or the version is not stored.
   */
  async compare(question: Question, version: number): Promise<{ text: string; adapter: number }> {
    this.mustBeFree();
    const stopper = new AbortController();
    this.stopper = stopper;
    try {
      const { host, turns } = this.context;
      const { turns: asked, seed } = await this.asked(question);
      const settings = this.context.settings();
      const { ids } = fitConversation(
        host.tokenizer,
        this.turnsOf(asked, settings),
        this.promptLimit(settings),
      );
      const { tokenIds } = await turns.foreground(() =>
        this.withVersion(version, () =>
          host.generator.generate(ids, {
            sampling: settings.sampling,
            seed,
            signal: stopper.signal,
          }),
        ),
      );
      return { text: host.tokenizer.decode(tokenIds), adapter: version };
    } finally {
      this.stopper = null;
      this.context.onIdle();
    }
  }

  /** The turns of a question; the seed is the same for all who answer. */
  private async asked(question: Question): Promise<{ turns: readonly UntokenizedTurn[]; seed: number }> {
    if ('turns' in question) return { turns: question.turns, seed: 0 };
    const { conversationId, parentId, reply } = await this.reply(question.messageId);
    return { turns: await this.pathTo(conversationId, parentId), seed: reply?.seed ?? 0 };
  }

  /** Turns before a reply, as a signal keeps them. */
  async contextOf(reply: Message): Promise<ChatTurn[]> {
    const path = await this.pathTo(reply.conversationId, reply.parentId);
    return this.turnsOf(path, this.context.settings()).map(({ role, content }) => ({ role, content }));
  }

  /** A stored reply. @throws ThumbprintError `bad-input` when there is none. */
  async reply(messageId: string): Promise<Message> {
    const message = await this.context.storage.getMessage(messageId);
    if (message?.role !== 'assistant')
      throw new ThumbprintError('bad-input', 'That reply is no longer there.');
    return message;
  }

  /** Works with a version in the slot, and puts back what was there. */
  private async withVersion<T>(version: number, work: () => Promise<T>): Promise<T> {
    const { slot } = this.context.host;
    const active = this.context.activeAdapter();
    if (version === active) return work();
    if (version === 0) {
      const { scale } = slot;
      slot.scale = 0;
      try {
        return await work();
      } finally {
        slot.scale = scale;
      }
    }
    const wanted = await this.storedAdapter(version);
    const inUse = active === 0 ? null : await this.storedAdapter(active);
    slot.load(wanted);
    try {
      return await work();
    } finally {
      slot.load(inUse);
    }
  }

  private async storedAdapter(version: number): Promise<AdapterWeights> {
    const { storage, host } = this.context;
    const record = await storage.adapter(version);
    if (!record) {
      throw new ThumbprintError('bad-input', `v${version} is no longer stored. Choose another version.`);
    }
    return adapterOf(host, record);
  }

  private mustBeFree(): void {
    if (this.stopper)
      throw new ThumbprintError('bad-input', 'A reply is still being written. Stop it first.');
  }

  private async beginReply(conversation: Conversation, parent: Message): Promise<string> {
    const { storage, post, host } = this.context;
    const stopper = new AbortController();
    this.stopper = stopper;
    const settings = this.context.settings();
    const details: ReplyDetails = {
      adapter: this.context.activeAdapter(),
      model: host.identity.sha256,
      sampling: settings.sampling,
      seed: settings.sampling.seed ?? crypto.getRandomValues(new Uint32Array(1))[0] ?? 0,
      tokenIds: [],
      promptTokens: 0,
      prefilledTokens: 0,
      droppedTurns: 0,
      tokensPerSecond: 0,
    };
    const message: Message = {
      id: newId(),
      conversationId: conversation.id,
      parentId: parent.id,
      role: 'assistant',
      content: '',
      createdAt: Date.now(),
      state: 'streaming',
      reply: details,
    };
    try {
      await storage.putMessage(message);
      const changed = { ...conversation, headId: message.id, updatedAt: message.createdAt };
      await storage.putConversation(changed);
      post({ type: 'conversation', conversation: changed });
      post({ type: 'message', message });
    } catch (error) {
      this.stopper = null;
      throw error;
    }
    post({ type: 'phase', phase: 'generating', detail: 'Writing a reply.' });
    const writing = this.write(message, details, settings, stopper.signal).finally(() => {
      this.stopper = null;
      this.context.onIdle();
    });
    this.context.track(writing);
    return message.id;
  }

  private async write(
    message: Message,
    details: ReplyDetails,
    settings: Settings,
    signal: AbortSignal,
  ): Promise<void> {
    const { storage, post, host, turns } = this.context;
    let content = '';
    const finish = async (changes: Partial<Message>): Promise<void> => {
      const finished = { ...message, content, ...changes };
      await storage.putMessage(finished).catch((error: unknown) => {
        post({ type: 'error', error: { code: 'storage', message: messageOf(error) } });
      });
      post({ type: 'message', message: finished });
    };
    try {
      const path = await this.pathTo(message.conversationId, message.parentId);
      const fitted = fitConversation(
        host.tokenizer,
        this.turnsOf(path, settings),
        this.promptLimit(settings),
      );
      const decoder = host.tokenizer.streamDecoder();
      const push = (text: string): void => {
        if (text === '') return;
        content += text;
        post({ type: 'delta', messageId: message.id, text });
      };
      const generation = await turns.foreground(() =>
        host.generator.generate(fitted.ids, {
          sampling: settings.sampling,
          seed: details.seed,
          signal,
          onToken: (id) => push(decoder.push(id)),
        }),
      );
      push(decoder.end());
      await finish({
        state: generation.reason === 'stopped' ? 'stopped' : 'done',
        reply: {
          ...details,
          tokenIds: generation.tokenIds,
          ...(generation.reason === 'end' ? {} : { cut: true }),
          promptTokens: generation.promptTokens,
          prefilledTokens: generation.prefilledTokens,
          droppedTurns: fitted.dropped,
          tokensPerSecond: generation.tokenIds.length / generation.seconds,
        },
      });
    } catch (error) {
      await finish({ state: 'failed', error: messageOf(error) });
    }
  }

  private promptLimit({ sampling }: Settings): number {
    const { capacity } = this.context.host.generator;
    return capacity - Math.min(sampling.max_tokens, Math.floor(capacity * REPLY_SHARE));
  }

  /** Messages from the root to `leafId`. */
  private async pathTo(conversationId: string, leafId: string | null): Promise<Message[]> {
    const byId = new Map((await this.context.storage.messagesOf(conversationId)).map((m) => [m.id, m]));
    const path: Message[] = [];
    for (let id = leafId; id !== null;) {
      const message = byId.get(id);
      if (!message) break;
      path.unshift(message);
      id = message.parentId;
    }
    return path;
  }

  private turnsOf(path: readonly UntokenizedTurn[], settings: Settings): TokenizedTurn[] {
    const { sha256 } = this.context.host.identity;
    const system = settings.systemPrompt.trim();
    return [
      ...(system === '' ? [] : [{ role: 'system' as const, content: system }]),
      ...path.map(({ role, content, reply }): TokenizedTurn => {
        const own = reply?.model === sha256 && reply.tokenIds.length > 0;
        return own ? { role, content, ids: reply.tokenIds } : { role, content };
      }),
    ];
  }
}

function titleOf(text: string): string {
  const line = text.trim().replaceAll(/\s+/g, ' ');
  return line.length <= TITLE_LENGTH ? line : `${line.slice(0, TITLE_LENGTH - 1).trimEnd()}…`;
}
