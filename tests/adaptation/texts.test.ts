import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { readModelTexts, textsSha256 } from '../../src/adaptation/texts';

const tokenizer = {
  encodeChat: (turns: readonly { content: string }[]) => turns.map(({ content }) => content.length),
  encodeReply: (text: string) => [...Array.from(text, (c) => c.charCodeAt(0)), 0],
};
const FILES: Record<string, unknown> = {
  'anchors.json': [{ prompt: 'Hi', reply: 'Hello' }],
  'rehearsal.json': [{ prompt: 'Bye', reply: 'See' }],
  'probes.json': {
    decline: [{ prompt: 'Steal', wanted: 'No', unwanted: 'Sure' }],
    correct: [{ prompt: 'Up is down', wanted: 'It is not', unwanted: 'Yes' }],
  },
};
const read = (files: Record<string, unknown>) =>
  readModelTexts((file) => Promise.resolve(files[file]), tokenizer);

describe('the texts of a model', () => {
  it('are prompts and replies of tokens', async () => {
    expect(await read(FILES)).toEqual({
      anchors: { sequences: [{ prompt: [2], reply: [72, 101, 108, 108, 111, 0] }] },
      rehearsal: [{ prompt: [3], reply: [83, 101, 101, 0] }],
      probes: {
        // As long as the shorter one, without its end.
        decline: [{ prompt: [5], wanted: [78, 111], unwanted: [83, 117] }],
        correct: [{ prompt: [10], wanted: [73, 116, 32], unwanted: [89, 101, 115] }],
      },
    });
  });

  it.each([
    ['anchors.json', []],
    ['rehearsal.json', [{ prompt: '', reply: 'a' }]],
    ['probes.json', { decline: [] }],
    ['probes.json', undefined],
  ])('are refused where %s is not what it should be', async (file, content) => {
    await expect(read({ ...FILES, [file]: content })).rejects.toThrow(file);
  });

  it('have a digest that tells when one of them has changed, and not when they are measured', async () => {
    const texts = await read(FILES);
    const digest = await textsSha256(texts);
    texts.anchors.baseBits = 3;
    texts.probes.baseOdds = { decline: 1, correct: 2 };
    expect(await textsSha256(texts)).toBe(digest);
    const other = [{ prompt: 'Hi', reply: 'Other' }];
    const { decline, correct } = FILES['probes.json'] as Record<string, unknown[]>;
    for (const changed of [
      { 'anchors.json': other },
      { 'rehearsal.json': other },
      { 'anchors.json': FILES['rehearsal.json'], 'rehearsal.json': FILES['anchors.json'] },
      { 'probes.json': { decline: correct, correct: decline } },
    ]) {
      expect(await textsSha256(await read({ ...FILES, ...changed }))).not.toBe(digest);
    }
  });

  it('that ship are whole', async () => {
    const folder = new URL('../../models/thumbling/', import.meta.url);
    const texts = await readModelTexts(
      async (file) => JSON.parse(await readFile(new URL(file, folder), 'utf8')) as unknown,
      tokenizer,
    );
    expect(texts.anchors.sequences).toHaveLength(64);
    expect(texts.rehearsal).toHaveLength(256);
    expect(texts.probes.decline).toHaveLength(32);
    expect(texts.probes.correct).toHaveLength(16);
  });
});
