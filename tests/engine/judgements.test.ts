import { describe, expect, it } from 'vitest';
import type { Chat } from '../../src/engine/chat';
import { Judgements } from '../../src/engine/judgements';
import type { Message, ReplyDetails, Signal } from '../../src/shared/records';
import { DEFAULT_SETTINGS } from '../../src/shared/records';
import type { Storage } from '../../src/storage/database';

const DETAILS: ReplyDetails = {
  adapter: 2,
  model: 'writer',
  sampling: DEFAULT_SETTINGS.sampling,
  seed: 1,
  tokenIds: [1],
  promptTokens: 1,
  prefilledTokens: 1,
  droppedTurns: 0,
  tokensPerSecond: 1,
};

function reply(id: string, content: string, changes: Partial<Message> = {}): Message {
  return {
    id,
    conversationId: 'c',
    parentId: 'question',
    role: 'assistant',
    content,
    createdAt: 0,
    state: 'done',
    reply: DETAILS,
    ...changes,
  };
}

/** A conversation of one question and its replies. */
function judging(...replies: Message[]): {
  judgements: Judgements;
  signals: () => Signal[];
  messages: Message[];
} {
  const messages = [...replies];
  const signals: Signal[] = [];
  const storage = {
    listSignals: () => Promise.resolve(signals),
    messagesOf: () => Promise.resolve(messages),
    putMessage: (message: Message) => Promise.resolve(void messages.push(message)),
    addSignal: (signal: Signal, replaced: readonly string[]) => {
      for (const other of signals) if (replaced.includes(other.id)) other.withdrawnAt = signal.createdAt;
      signals.push(signal);
      return Promise.resolve();
    },
  } as unknown as Storage;
  const chat = {
    reply: (id: string) => Promise.resolve(messages.find((message) => message.id === id)),
    contextOf: () => Promise.resolve([{ role: 'user', content: 'Why?' }]),
  } as unknown as Chat;
  return { judgements: new Judgements(storage, chat, 'here'), signals: () => signals, messages };
}

describe('a judgement', () => {
  it('names the reply, its context, and who wrote it: another model or version than the one in use', async () => {
    const { judgements } = judging(reply('a', 'Because.'));
    expect(await judgements.thumb('a', 'up')).toMatchObject({
      kind: 'up',
      messageId: 'a',
      chosen: 'Because.',
      context: [{ role: 'user', content: 'Why?' }],
      adapter: 2,
      model: 'writer',
    });
    const { reply: _, ...bare } = reply('b', 'So.');
    const { judgements: others } = judging(bare);
    expect(await others.thumb('b', 'down')).toMatchObject({ rejected: 'So.', adapter: 0, model: 'here' });
  });

  it.each<[string, Partial<Message>]>([
    ['empty', { content: ' \n' }],
    ['failed', { state: 'failed' }],
    ['still being written', { state: 'streaming' }],
  ])('is refused of a reply that is %s', async (_, changes) => {
    const { judgements, signals } = judging(reply('a', 'Because.', changes));
    for (const kind of ['up', 'down'] as const) {
      await expect(judgements.thumb('a', kind)).rejects.toMatchObject({ code: 'bad-input' });
    }
    expect(signals()).toEqual([]);
  });

  it('of a reply that breaks off says so, that its end is not learned; a finished text mends it', async () => {
    const stopped = reply('a', 'Because it', { state: 'stopped' });
    const { judgements, messages } = judging(stopped);
    expect((await judgements.thumb('a', 'up')).cut).toEqual({ chosen: true });
    const { signal, message } = await judgements.edit('a', 'Because it rains.');
    expect(signal).toMatchObject({ kind: 'edit', cut: { rejected: true }, chosen: 'Because it rains.' });
    expect(message).toMatchObject({ state: 'done', parentId: 'question' });
    expect(messages).toHaveLength(2);
    await expect(judgements.edit('a', ' Because it ')).rejects.toThrow('Change the reply');
    await expect(judgements.edit('a', '')).rejects.toThrow('Change the reply');
  });

  it('takes the place of an earlier one of the same reply', async () => {
    const { judgements, signals } = judging(reply('a', 'Because.'));
    await judgements.thumb('a', 'up');
    await judgements.thumb('a', 'up');
    await judgements.thumb('a', 'down');
    expect(signals().map(({ kind, withdrawnAt }) => [kind, withdrawnAt !== undefined])).toEqual([
      ['up', true],
      ['up', true],
      ['down', false],
    ]);
  });

  it('prefers a liked reply to a sibling: a disliked one, else the last that is not liked', async () => {
    const { judgements } = judging(reply('a', 'One.'), reply('b', 'Two.'), reply('c', 'Three.'));
    expect(await judgements.thumb('b', 'up')).toMatchObject({ kind: 'choose', rejected: 'Three.' });
    await judgements.thumb('a', 'down');
    expect(await judgements.thumb('c', 'up')).toMatchObject({ kind: 'choose', rejected: 'One.' });
    const { judgements: sole } = judging(
      reply('a', 'One.'),
      reply('b', 'One.'),
      reply('c', 'Cut', { state: 'stopped' }),
      reply('d', 'Elsewhere.', { parentId: 'another' }),
    );
    expect(await sole.thumb('a', 'up')).toMatchObject({ kind: 'up' });
  });

  it('of an empty reply is what should stand there', async () => {
    const { judgements } = judging(reply('a', ''));
    const { signal } = await judgements.edit('a', 'Because.');
    expect(signal.chosen).toBe('Because.');
    expect(signal.rejected).toBeUndefined();
  });
});
