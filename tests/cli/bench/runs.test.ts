import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  crossed,
  type Done,
  grouped,
  listOption,
  readDone,
  sameRun,
  withoutResume,
} from '../../../src/cli/bench/runs';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'runs-'));
});
afterAll(() => rm(folder, { recursive: true }));

describe('runs of a bench that was cut off', () => {
  const conditions = { model: 'abc', hyperparameters: { steps: 4 } };
  const resumed = async (text: string): Promise<Done<{ k: number }>[]> => {
    const path = join(folder, 'runs.jsonl');
    await writeFile(path, text);
    return readDone<{ k: number }>(path, conditions);
  };

  it('are taken up where they were measured alike', async () => {
    const lines = [1, 2].map((k) => `${JSON.stringify({ k, conditions })}\n`).join('');
    const rows = await resumed(lines);
    expect(rows.map(({ k }) => k)).toEqual([1, 2]);
    expect(rows.filter((row) => sameRun<{ k: number }>({ k: 2 }, row))).toHaveLength(1);
  });

  it('say what else they were measured under', async () => {
    const more = { ...conditions, held: 24 };
    const [row] = await resumed(JSON.stringify({ k: 1, conditions: more }));
    expect(row?.conditions['held']).toBe(24);
  });

  it('may be none', async () => {
    expect(await resumed('')).toEqual([]);
  });

  it('are refused where they were measured otherwise', async () => {
    const other = { ...conditions, hyperparameters: { steps: 5 } };
    await expect(resumed(JSON.stringify({ k: 1, conditions: other }))).rejects.toThrow('without --resume');
  });
});

describe('the runs of a bench', () => {
  it('are every combination, the last field changing fastest', () => {
    expect(crossed<{ a: number; b: string }>({ a: [1, 2], b: ['x', 'y'] })).toEqual([
      { a: 1, b: 'x' },
      { a: 1, b: 'y' },
      { a: 2, b: 'x' },
      { a: 2, b: 'y' },
    ]);
  });

  it('are grouped in the order of their first ones', () => {
    expect([...grouped([3, 1, 4, 1, 5], (n) => String(n % 2)).values()]).toEqual([[3, 1, 1, 5], [4]]);
  });

  it('are named by options that are checked', () => {
    expect(listOption('b,a', ['a', 'b'] as const)).toEqual(['b', 'a']);
    expect(() => listOption('c', ['a', 'b'] as const)).toThrow('"c" is none of a, b.');
    expect(withoutResume(['gate', '--resume', 'file', '--k', '5'])).toEqual(['gate', '--k', '5']);
  });
});
