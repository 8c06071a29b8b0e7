import { expect, it } from 'vitest';
import { Chat } from '../../src/engine/chat';
import { DeviceTurns } from '../../src/engine/device-turns';
import type { ModelHost } from '../../src/engine/model-host';
import { writeAdapter } from '../../src/formats/adapter';
import type { AdapterWeights } from '../../src/formats/tensors';
import { sha256 } from '../../src/shared/sha256';
import { type AdapterRecord, type ChatTurn, DEFAULT_SETTINGS, type Message } from '../../src/shared/records';
import type { Storage } from '../../src/storage/database';
import { seededAdapter } from '../reference/adapter';
import { TINY_CONFIG } from '../reference/seeded-model';

const MODEL = 'a'.repeat(64);
const REPLY = { messageId: 'a' };

async function stored(version: number): Promise<AdapterRecord> {
  const adapter = { ...seededAdapter(TINY_CONFIG, 4, 8 * version, version), base: MODEL };
  const { safetensors } = writeAdapter(adapter, TINY_CONFIG, 'tiny');
  return {
    version,
    parentVersion: 0,
    createdAt: 0,
    model: MODEL,
    rank: 4,
    lora_alpha: 8 * version,
    bytes: safetensors.buffer,
    sha256: await sha256(safetensors),
    receiptId: '',
  };
}

function message(id: string, parentId: string | null, role: Message['role']): Message {
  return { id, conversationId: 'c', parentId, role, content: id, createdAt: 0, state: 'done' };
}

/** A chat whose generator writes what the slot holds, and fails where it is told to. */
async function chatWith(active: number): Promise<{
  chat: Chat;
  slot: { scale: number; alpha: number };
  failing: (fails: boolean) => void;
  /** The turns answered last. */
  asked: () => ChatTurn[];
}> {
  const adapters = await Promise.all([stored(1), stored(2)]);
  const messages = [message('u', null, 'user'), message('a', 'u', 'assistant')];
  let fails = false;
  let asked: ChatTurn[] = [];
  const slot = {
    scale: 0.7,
    alpha: 8 * active,
    load(adapter: AdapterWeights | null) {
      this.alpha = adapter?.lora_alpha ?? 0;
    },
  };
  const host = {
    identity: { config: TINY_CONFIG, sha256: MODEL },
    slot,
    tokenizer: {
      encodeChat: (turns: ChatTurn[]) => ((asked = turns), [1]),
      decode: (ids: number[]) => ids.join(' at '),
    },
    generator: {
      capacity: 512,
      generate: () =>
        fails
          ? Promise.reject(new Error('lost'))
          : Promise.resolve({ tokenIds: [slot.alpha * Math.sign(slot.scale), slot.scale] }),
    },
  };
  const storage = {
    adapter: (version: number) => Promise.resolve(adapters.find((one) => one.version === version)),
    getMessage: (id: string) => Promise.resolve(messages.find((one) => one.id === id)),
    messagesOf: () => Promise.resolve(messages),
  };
  const chat = new Chat({
    storage: storage as unknown as Storage,
    host: host as unknown as ModelHost,
    turns: new DeviceTurns(),
    post: () => undefined,
    settings: () => ({ ...DEFAULT_SETTINGS, systemPrompt: 'Be brief.' }),
    activeAdapter: () => active,
    track: () => undefined,
    onIdle: () => undefined,
  });
  return { chat, slot, failing: (value) => (fails = value), asked: () => asked };
}

it.each([0, 2])('any stored version answers, and v%i is in use afterwards as before', async (active) => {
  const { chat, slot, failing } = await chatWith(active);
  const before = { scale: slot.scale, alpha: slot.alpha };
  for (const [version, text] of [
    [1, '8 at 0.7'],
    [2, '16 at 0.7'],
  ] as const) {
    expect(await chat.compare(REPLY, version)).toEqual({ text, adapter: version });
    expect(slot).toMatchObject(before);
  }
  expect((await chat.compare(REPLY, 0)).text).toMatch(/^0 at/);
  expect(slot).toMatchObject(before);
  failing(true);
  for (const version of [0, 1, 2]) {
    await expect(chat.compare(REPLY, version)).rejects.toThrow('lost');
    expect(slot).toMatchObject(before);
    expect(chat.isWriting).toBe(false);
  }
});

it('a version that is not stored is refused, and nothing is changed', async () => {
  const { chat, slot } = await chatWith(1);
  await expect(chat.compare(REPLY, 3)).rejects.toMatchObject({
    code: 'bad-input',
    message: expect.stringContaining('v3 is no longer stored'),
  });
  expect(slot).toMatchObject({ scale: 0.7, alpha: 8 });
});

it('one answer is written at a time', async () => {
  const { chat } = await chatWith(1);
  const first = chat.compare(REPLY, 0);
  await expect(chat.compare(REPLY, 1)).rejects.toThrow('still being written');
  await first;
});

it('answers what stands before a reply, or turns of their own, after the system prompt', async () => {
  const { chat, asked } = await chatWith(1);
  const system = { role: 'system', content: 'Be brief.' };
  await chat.compare(REPLY, 1);
  expect(asked()).toEqual([system, { role: 'user', content: 'u' }]);
  const turns: ChatTurn[] = [{ role: 'user', content: 'Why?' }];
  await chat.compare({ turns }, 1);
  expect(asked()).toEqual([system, ...turns]);
});
