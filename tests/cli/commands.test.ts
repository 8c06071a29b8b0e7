import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { readModelTexts } from '../../src/adaptation/texts';
import { openEngine } from '../../src/cli/engine';
import { readJson } from '../../src/cli/io';
import { main } from '../../src/cli/main';
import { expectedTensors } from '../../src/formats/expected-tensors';
import { type ReceiptFile, writeReceiptFile } from '../../src/formats/receipt-file';
import { writeSafetensors } from '../../src/formats/safetensors';
import type { Receipt } from '../../src/shared/records';
import { DEFAULT_HYPERPARAMETERS } from '../../src/training/types';
import { HashRandom } from '../reference/random';
import { TINY_CONFIG } from '../reference/seeded-model';
import { recordUpdate } from '../support/recorded-update';

const SHIPPED = 'models/thumbling';
const HUB = {
  model_type: 'llama',
  hidden_size: TINY_CONFIG.hidden_size,
  intermediate_size: TINY_CONFIG.intermediate_size,
  num_hidden_layers: TINY_CONFIG.num_hidden_layers,
  num_attention_heads: TINY_CONFIG.num_attention_heads,
  num_key_value_heads: TINY_CONFIG.num_key_value_heads,
  head_dim: TINY_CONFIG.head_dim,
  rms_norm_eps: 1e-5,
  rope_theta: 10000,
  vocab_size: TINY_CONFIG.vocab_size,
  tie_word_embeddings: true,
  max_position_embeddings: 64,
  eos_token_id: 2,
};

let folder: string;
const out: string[] = [];
const errors: string[] = [];
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cli-'));
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => out.push(String(text)) > 0);
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => errors.push(String(text)) > 0);
});
afterAll(async () => {
  vi.restoreAllMocks();
  await rm(folder, { recursive: true });
});
beforeEach(() => {
  out.length = 0;
  errors.length = 0;
});

const path = (name: string): string => join(folder, name);
const json = (name: string, value: unknown): Promise<void> => writeFile(path(name), JSON.stringify(value));
/** What was printed, a JSON value a line. */
const printed = (): unknown[] =>
  out
    .join('')
    .trim()
    .split('\n')
    .map((line): unknown => JSON.parse(line));

/** The weights of a hub model, as f32 tensors by their names there. */
function hubTensors(): Map<string, { shape: number[]; data: Float32Array }> {
  const random = new HashRandom(1);
  const tensors = new Map<string, { shape: number[]; data: Float32Array }>();
  for (const expected of expectedTensors({ ...TINY_CONFIG, context_window_size: 64 })) {
    if (expected.kind === 'float') {
      tensors.set(`${expected.name}.weight`, {
        shape: [expected.size],
        data: random.array32(expected.size, 1),
      });
      continue;
    }
    const rows = partRows(expected.parts, expected.rows);
    expected.parts.forEach((part, i) => {
      const shape = [rows[i] ?? 0, expected.columns];
      tensors.set(`${part}.weight`, { shape, data: random.array32((rows[i] ?? 0) * expected.columns, 0.1) });
    });
  }
  return tensors;
}

/** Queries, keys and values have rows of their own; other stacks have equal ones. */
function partRows(parts: readonly string[], rows: number): number[] {
  if (parts.length !== 3) return parts.map(() => rows / parts.length);
  const { num_attention_heads: heads, num_key_value_heads: kvHeads, head_dim } = TINY_CONFIG;
  return [heads * head_dim, kvHeads * head_dim, kvHeads * head_dim];
}

describe('quantize', () => {
  it('makes the same model of one file and of shards', async () => {
    await json('config.json', HUB);
    await writeFile(path('tokenizer.json'), '{}');
    await writeFile(path('tokenizer_config.json'), '{}');
    const tensors = hubTensors();
    await writeFile(path('model.safetensors'), writeSafetensors(tensors));
    const quantize = (to: string): Promise<number> =>
      main(['quantize', '--in', folder, '--out', path(to), '--name', 'tiny']);
    expect(await quantize('whole'), errors.join('')).toBe(0);
    const names = [...tensors.keys()];
    const halves = [names.filter((_, i) => i % 2 === 0), names.filter((_, i) => i % 2 === 1)];
    await rm(path('model.safetensors'));
    const weightMap: Record<string, string> = {};
    for (const [i, half] of halves.entries()) {
      const part = new Map([...tensors].filter(([name]) => half.includes(name)));
      await writeFile(path(`part-${i}.safetensors`), writeSafetensors(part));
      for (const name of half) weightMap[name] = `part-${i}.safetensors`;
    }
    await json('model.safetensors.index.json', { weight_map: weightMap });
    expect(await quantize('parts'), errors.join('')).toBe(0);
    for (const file of await readdir(path('whole'))) {
      expect(await readFile(path(`parts/${file}`)), file).toEqual(await readFile(path(`whole/${file}`)));
    }
    await json('model.safetensors.index.json', { weight_map: { ...weightMap, x: '../secret' } });
    expect(await quantize('refused')).toBe(1);
    expect(errors.join('')).toContain('must be a plain file name');
  });
});

describe('a command line that makes no sense', () => {
  it.each([
    [[], 'npm run cli -- COMMAND'],
    [['dance'], 'There is no command dance'],
    [['quantize', '--in', '/nowhere', '--out', '/nowhere'], 'cannot be read'],
    [['quantize', '--in', '.', '--out', '.', '--scale-dtype', 'f8'], 'f16 or f32, not f8'],
    [['logits', '--model', SHIPPED, '--tokens', '1,x'], 'tokens'],
    [['score', '--model', SHIPPED, '--pairs', '/nowhere.jsonl'], '/nowhere.jsonl'],
    [['train', '--model', SHIPPED], '--signals'],
    [['generate', '--model', SHIPPED, '--prompt'], '--prompt'],
    [['bench', 'naps'], 'naps'],
  ])('%j ends with 2 and says what is wrong', async (args, complaint) => {
    expect(await main(args)).toBe(2);
    expect(errors.join('')).toContain(complaint);
    expect(out).toEqual([]);
  });
});

describe('training on signals', () => {
  const messages = [{ role: 'user', content: 'How do I sleep better?' }];
  const pair = { messages, chosen: '1. Dim the light. 2. Put the phone away.', rejected: 'I do not know.' };

  it('writes an adapter that prefers what was chosen, and that scores and generates', async () => {
    const thumb = { messages, reply: 'Go away.', thumb: 'down' };
    const lines = [pair, thumb, { text: 'The lamp is on the table.' }].map((line) => JSON.stringify(line));
    await writeFile(path('signals.jsonl'), lines.join('\n'));
    await writeFile(path('pairs.jsonl'), JSON.stringify(pair));
    const model = ['--model', SHIPPED];
    const adapter = ['--adapter', path('adapter')];
    const train = ['train', ...model, '--signals', path('signals.jsonl'), '--out', path('adapter')];
    expect(await main([...train, '--steps', '3', '--rank', '4']), errors.join('')).toBe(0);
    expect(printed()).toMatchObject([{ step: 1 }, { step: 2 }, { step: 3 }]);
    expect((await readdir(path('adapter'))).sort()).toEqual([
      'adapter_config.json',
      'adapter_model.safetensors',
    ]);
    const margin = async (options: string[]): Promise<number> => {
      out.length = 0;
      expect(await main(['score', ...model, ...options, '--pairs', path('pairs.jsonl')])).toBe(0);
      const [score] = printed() as { chosen: number; rejected: number }[];
      return (score?.chosen ?? NaN) - (score?.rejected ?? NaN);
    };
    expect(await margin(adapter)).toBeGreaterThan(await margin([]));
    out.length = 0;
    expect(await main(['generate', ...model, ...adapter, '--prompt', 'Hello', '--max-tokens', '4'])).toBe(0);
    expect(printed()).toHaveLength(1);
  });

  it.each([
    ['nonsense', 'line 1 is not JSON'],
    ['{"messages": [], "chosen": "a", "rejected": "b"}', 'line 1'],
    ['{"reply": "a"}', 'line 1'],
  ])('refuses %s', async (line, complaint) => {
    await writeFile(path('wrong.jsonl'), line);
    const args = ['train', '--model', SHIPPED, '--signals', path('wrong.jsonl'), '--out', path('never')];
    expect(await main(args)).toBe(2);
    expect(errors.join('')).toContain(complaint);
  });
});

describe('replay', () => {
  /** The model that ships, but with few texts: so that an update takes seconds. */
  async function smallModel(name: string): Promise<string> {
    const model = path(name);
    await mkdir(model);
    for (const file of await readdir(SHIPPED)) await symlink(resolve(SHIPPED, file), join(model, file));
    const few = async (file: string, shorten: (json: never) => unknown): Promise<void> => {
      const json = JSON.parse(await readFile(join(SHIPPED, file), 'utf8')) as never;
      await rm(join(model, file));
      await writeFile(join(model, file), JSON.stringify(shorten(json)));
    };
    await few('anchors.json', (texts: unknown[]) => texts.slice(0, 2));
    await few('rehearsal.json', (texts: unknown[]) => texts.slice(0, 2));
    await few('probes.json', ({ decline, correct }: Record<'decline' | 'correct', unknown[]>) => ({
      decline: decline.slice(0, 1),
      correct: correct.slice(0, 1),
    }));
    return model;
  }

  let model: string;
  let file: ReceiptFile;
  beforeAll(async () => {
    model = await smallModel('small');
    const { identity, runtime, tokenizer } = await openEngine({ model });
    const texts = await readModelTexts((name) => readJson(join(model, name)), tokenizer);
    const hyperparameters = { ...DEFAULT_HYPERPARAMETERS, steps: 2, rehearsal: 1 };
    const edit = { prompt: 'What is rain?', chosen: 'Water from clouds.', rejected: 'I do not know.' };
    const { name } = identity;
    file = await recordUpdate(runtime, { name, texts, tokenizer, hyperparameters }, [edit], null);
    runtime.destroy();
  });

  /** Writes the receipt with changes, and repeats it. */
  async function repeat(changes: Partial<Receipt>): Promise<number> {
    const changed = { ...file, receipt: { ...file.receipt, ...changes } };
    await writeFile(path('receipt.json'), writeReceiptFile(changed));
    return main(['replay', path('receipt.json'), '--model', model]);
  }

  it('tells in a sentence that an update comes to the same', async () => {
    expect(await repeat({}), errors.join('')).toBe(0);
    const { decision } = file.receipt;
    expect(printed()).toMatchObject([
      { verdict: 'identical', decision, same_decision: true, differences: [] },
    ]);
    expect(errors.join('')).toContain(
      `The same candidate, bit for bit, and the same decision (${decision}).\n`,
    );
  });

  it('fails where a number of the receipt is not found again', async () => {
    const [first = NaN, ...losses] = file.receipt.losses;
    expect(await repeat({ losses: [1.5 * first, ...losses] })).toBe(1);
    expect(printed()).toMatchObject([{ verdict: 'different', same_decision: true }]);
    expect(errors.join('')).toContain(
      `Other numbers, and the same decision (${file.receipt.decision}); the largest difference is in loss of step 1: ${1.5 * first} then, ${first} now.`,
    );
  });

  it('fails where the decision is another', async () => {
    const [then, now] =
      file.receipt.decision === 'kept' ? (['refused', 'kept'] as const) : (['kept', 'refused'] as const);
    expect(await repeat({ decision: then })).toBe(1);
    expect(errors.join('')).toContain(`bit for bit, and another decision (${then} then, ${now} now).`);
  });

  it('refuses what does not match the model, all at once, and what is no receipt', async () => {
    expect(await repeat({ model: 'another', textsSha256: 'others' })).toBe(1);
    expect(errors.join('')).toMatch(
      /cannot be repeated here: it is of the base model another.*; the texts.*others/,
    );
    expect(out).toEqual([]);
    expect(await repeat({ hyperparameters: { ...file.receipt.hyperparameters, steps: 1e9 } })).toBe(1);
    expect(errors.join('')).toContain('receipt.hyperparameters.steps');
    expect(await main(['replay'])).toBe(2);
  });
});
