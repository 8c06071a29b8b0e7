import { ThumbprintError } from '../shared/errors';
import { newId } from '../shared/ids';
import type { Message, ReplyDetails, Signal } from '../shared/records';
import { activeSignals, replaces } from '../shared/signals';
import type { Storage } from '../storage/database';
import type { Chat } from './chat';

interface Judgement {
  kind: Signal['kind'];
  chosen?: Message;
  rejected?: Message;
}

/** Makes signals of what somebody does to a reply, and stores them at once. */
export class Judgements {
  private readonly storage: Storage;
  private readonly chat: Chat;
  /** SHA-256 of the model, for replies that do not say which wrote them. */
  private readonly model: string;

  constructor(storage: Storage, chat: Chat, model: string) {
    this.storage = storage;
    this.chat = chat;
    this.model = model;
  }

  /** 👍 or 👎; liking one of several replies to the same message prefers it to another. */
  async thumb(messageId: string, kind: 'up' | 'down'): Promise<Signal> {
    const reply = await this.chat.reply(messageId);
    if (reply.state === 'streaming' || reply.state === 'failed' || reply.content.trim() === '') {
      throw new ThumbprintError('bad-input', 'Only a finished reply can be rated.');
    }
    if (kind === 'down') return this.store(reply, { kind, rejected: reply });
    const rival = await this.rivalOf(reply);
    if (rival) return this.store(reply, { kind: 'choose', chosen: reply, rejected: rival });
    return this.store(reply, { kind, chosen: reply });
  }

  /** The edited text, as a message of its own beside the reply, is preferred to it; an empty reply has nothing to lose. */
  async edit(messageId: string, text: string): Promise<{ signal: Signal; message: Message }> {
    const reply = await this.chat.reply(messageId);
    const edited = text.trim();
    if (edited === '' || edited === reply.content.trim()) {
      throw new ThumbprintError('bad-input', 'Change the reply before you save it.');
    }
    const message: Message = {
      ...reply,
      id: newId(),
      content: edited,
      state: 'done',
      createdAt: Date.now(),
      ...(reply.reply ? { reply: whole(reply.reply) } : {}),
    };
    const empty = reply.content.trim() === '';
    const signal = await this.store(reply, {
      kind: 'edit',
      chosen: message,
      ...(empty ? {} : { rejected: reply }),
    });
    await this.storage.putMessage(message);
    return { signal, message };
  }

  /**
   * The sibling that a liked reply is preferred to: one that is disliked, or else the one written last of those not
   * liked themselves.
   */
  private async rivalOf(reply: Message): Promise<Message | undefined> {
    const [messages, signals] = await Promise.all([
      this.storage.messagesOf(reply.conversationId),
      this.storage.listSignals(),
    ]);
    const judged = new Map(activeSignals(signals).map((signal) => [signal.messageId, signal]));
    const rivals = messages.filter(
      ({ id, parentId, role, state, content }) =>
        role === 'assistant' &&
        parentId === reply.parentId &&
        state === 'done' &&
        content.trim() !== '' &&
        content !== reply.content &&
        (judged.get(id)?.kind ?? 'down') === 'down',
    );
    return rivals.find(({ id }) => judged.has(id)) ?? rivals.at(-1);
  }

  /** Stores a judgement of `reply`; it replaces earlier ones that it contradicts or repeats. */
  private async store(reply: Message, { kind, chosen, rejected }: Judgement): Promise<Signal> {
    const signal: Signal = {
      id: newId(),
      createdAt: Date.now(),
      conversationId: reply.conversationId,
      messageId: reply.id,
      context: await this.chat.contextOf(reply),
      adapter: reply.reply?.adapter ?? 0,
      model: reply.reply?.model ?? this.model,
      kind,
      ...(chosen ? { chosen: chosen.content } : {}),
      ...(rejected ? { rejected: rejected.content } : {}),
    };
    const cut: Signal['cut'] = {
      ...(chosen && isCut(chosen) ? { chosen: true } : {}),
      ...(rejected && isCut(rejected) ? { rejected: true } : {}),
    };
    if (Object.keys(cut).length > 0) signal.cut = cut;
    const earlier = activeSignals(await this.storage.listSignals()).filter((other) =>
      replaces(signal, other),
    );
    await this.storage.addSignal(
      signal,
      earlier.map(({ id }) => id),
    );
    return signal;
  }
}

/** Whether a reply breaks off before its end. */
function isCut({ state, reply }: Message): boolean {
  return state === 'stopped' || reply?.cut === true;
}

/** Details of a reply whose text somebody else has finished. */
function whole(details: ReplyDetails): ReplyDetails {
  const edited: ReplyDetails = { ...details, tokenIds: [] };
  delete edited.cut;
  return edited;
}
