import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import {
  collect,
  commandOf,
  crossed,
  type Done,
  grouped,
  listOption,
  missingMarkdown,
  readDone,
  sameRun,
} from '../../../src/cli/bench/runs';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'runs-'));
});
afterAll(() => rm(folder, { recursive: true }));

describe('runs of a bench that was cut off', () => {
  const conditions = { model: 'abc', hyperparameters: { steps: 4 } };
  const gateLine = (k: number, more: object = {}): string =>
    `${JSON.stringify({ k, figures: [], conditions: { ...conditions, ...more } })}\n`;
  const resumed = async (...texts: string[]): Promise<Done<{ k: number }>[]> => {
    const paths = texts.map((_, i) => join(folder, `runs${i}.jsonl`));
    await Promise.all(paths.map((path, i) => writeFile(path, texts[i] ?? '')));
    return readDone<{ k: number }>({ resume: paths.join(',') }, 'gate', conditions);
  };

  it('are taken up where they were measured alike', async () => {
    const rows = await resumed(gateLine(1) + gateLine(2), '', gateLine(3));
    expect(rows.map(({ k }) => k)).toEqual([1, 2, 3]);
    expect(rows.filter((row) => sameRun<{ k: number }>({ k: 2 }, row))).toHaveLength(1);
  });

  it('say what else they were measured under', async () => {
    const [row] = await resumed(gateLine(1, { held: 24 }));
    expect(row?.conditions['held']).toBe(24);
  });

  it('may be none', async () => {
    expect(await resumed('')).toEqual([]);
  });

  it('are refused where they were measured otherwise', async () => {
    await expect(resumed(gateLine(1, { hyperparameters: { steps: 5 } }))).rejects.toThrow(
      'leave it out of --resume',
    );
  });

  it('are told from those of other benches, whose conditions are their own', async () => {
    const other = { conditions: { model: 'abc', before: 20 } };
    const others = [
      { k: 7, own_style_share: 0.5, ...other },
      { k: 8, given: 4, ...other },
    ];
    const text = others.map((line) => `${JSON.stringify(line)}\n`).join('') + gateLine(2);
    expect((await resumed(text)).map(({ k }) => k)).toEqual([2]);
    await expect(resumed(JSON.stringify({ k: 1, ...other }))).rejects.toThrow('of no bench');
  });

  it('must be named where nothing else is reported', async () => {
    expect(await readDone({}, 'gate', conditions)).toEqual([]);
    await expect(readDone({ measured: true }, 'gate', conditions)).rejects.toThrow('with --resume');
  });
});

describe('what a bench collects', () => {
  const collected = async (measured: boolean) => {
    const written = vi.spyOn(process.stdout, 'write').mockReturnValue(true);
    vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    const asked: number[] = [];
    const { rows, missing } = await collect([{ seed: 1 }, { seed: 2 }], {
      measured,
      conditions: { model: 'abc' },
      known: ({ seed }) => (seed === 1 ? [{ seed, value: 10 }] : undefined),
      measure: ({ seed }) => {
        asked.push(seed);
        return Promise.resolve([
          { seed, value: 20 },
          { seed, value: 21 },
        ]);
      },
      told: ({ value }) => String(value),
    });
    const printed = written.mock.calls.map(([text]) => String(text));
    vi.restoreAllMocks();
    return { values: rows.map(({ value }) => value), missing, asked, printed };
  };

  it('is known or measured, and printed with its conditions', async () => {
    const { values, missing, asked, printed } = await collected(false);
    expect([values, missing, asked]).toEqual([[10, 20, 21], [], [2]]);
    expect(printed[0]).toBe('{"seed":1,"value":10,"conditions":{"model":"abc"}}\n');
    expect(printed).toHaveLength(3);
  });

  it('is what is known where only that is asked for; the report names the rest', async () => {
    const { values, missing, asked } = await collected(true);
    expect([values, missing, asked]).toEqual([[10], [{ seed: 2 }], []]);
    const report = missingMarkdown(
      [...missing, { seed: 3 }],
      () => 'pairs',
      () => 'list',
    );
    expect(report).toContain('- pairs: list (2, 3)\n');
    expect(
      missingMarkdown(
        [],
        () => '',
        () => '',
      ),
    ).toBe('');
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
  });

  it('are told as they were typed, without the folders of a machine', () => {
    expect(commandOf(['gate', '--resume', 'file', '--k', '5'])).toBe('npm run bench -- gate --k 5');
    expect(commandOf(['gate', '--resume=file', '--out', 'tests/bench/evidence'])).toBe(
      'npm run bench -- gate --out tests/bench/evidence',
    );
    // All of the report comes from there.
    expect(commandOf(['gate', '--measured', '--resume', '/tmp/x/a.jsonl,b/c.jsonl', '--out=/tmp/so'])).toBe(
      'npm run bench -- gate --measured --resume a.jsonl,b/c.jsonl --out=so',
    );
  });
});
