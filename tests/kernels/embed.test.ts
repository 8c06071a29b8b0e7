import { describe, it } from 'vitest';
import { embed } from '../../src/kernels/embed';
import { TOKEN_WORDS } from '../../src/model/packed-batch';
import { dequantize } from '../reference/int4';
import { HashRandom } from '../reference/random';
import { gatherRows } from '../reference/rows';
import {
  expectRows,
  int4Buffers,
  KernelBench,
  randomInt4,
  ROW_COUNTS,
  untouchedRows,
} from '../support/kernel';
import { continuation } from '../support/packed';

const bench = await KernelBench.open();
const VOCAB = 50;

// A workgroup takes 512 columns; 3 scales a row put every other row's first scale into the upper half of a word.
describe.each([
  { columns: 96, scale: 'f16' },
  { columns: 96, scale: 'f32' },
  { columns: 544, scale: 'f16' },
] as const)('embedding of $columns columns with $scale scales', ({ columns, scale }) => {
  const random = new HashRandom(columns);
  const embedding = randomInt4(random, VOCAB, columns, scale);
  const table = dequantize(embedding);

  it.each(ROW_COUNTS)('looks up %i tokens, ids beyond the vocabulary as its last', async (rows) => {
    const ids = Array.from({ length: rows }, (_, t) => (t === 1 ? VOCAB + 7 : (t * 7 + 3) % VOCAB));
    const { words: tokens } = continuation(0, rows);
    ids.forEach((id, t) => (tokens[t * TOKEN_WORDS] = id));
    const { x } = await bench.run({
      storage: {
        weight: embedding.weight,
        scale: embedding.scale,
        tokens,
        x: untouchedRows(rows, columns),
      },
      size: { tokens: rows },
      dispatches: (b) => [
        embed({
          embedding: int4Buffers(embedding, b.weight, b.scale),
          tokens: b.tokens,
          x: b.x,
          batch: b.batch,
        }),
      ],
    });
    const known = ids.map((id) => Math.min(id, VOCAB - 1));
    expectRows(x, gatherRows(table, known, columns));
  });
});
