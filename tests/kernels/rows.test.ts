import { describe, it } from 'vitest';
import { gatherRows, scatterRows } from '../../src/kernels/rows';
import { HashRandom } from '../reference/random';
import * as twin from '../reference/rows';
import { at } from '../reference/vector';
import {
  expectRows,
  KernelBench,
  paddedRows,
  randomRows,
  ROW_COUNTS,
  untouchedRows,
} from '../support/kernel';

const bench = await KernelBench.open();
const EXACT = { rtol: 1e-6, atolScale: 0 };
/** Targets in front of the chunk's first. */
const START = 5;

/** Every other row, from the last to the first, shared out to three sequences. */
function targetsOf(rows: number): { rows: number[]; sequences: number[]; words: Uint32Array<ArrayBuffer> } {
  const own = Array.from({ length: Math.ceil(rows / 2) }, (_, n) => rows - 1 - 2 * n);
  const sequences = own.map((row) => row % 3);
  const words = own.flatMap((row, n) => [row, 900 + n, row % 3, 0]);
  return { rows: own, sequences, words: Uint32Array.from(words) };
}

// A workgroup takes 256 columns.
describe.each([32, 288])('rows of %i columns', (size) => {
  const random = new HashRandom(size);

  it.each(ROW_COUNTS)('gathers those of a chunk of targets out of %i', async (rows) => {
    const x = randomRows(random, rows, size);
    const targets = targetsOf(rows);
    const count = targets.rows.length;
    // In front of the chunk lie targets of row 0.
    const words = new Uint32Array((START + count) * 4);
    words.set(targets.words, START * 4);
    const { h } = await bench.run({
      storage: { x: paddedRows(x, size), targets: words, h: untouchedRows(count, size) },
      uniforms: { chunk: Uint32Array.of(count, START, 0, 0) },
      size: { tokens: count },
      dispatches: (b) => [gatherRows({ size, x: b.x, targets: b.targets, h: b.h, chunk: b.chunk })],
    });
    expectRows(h, twin.gatherRows(x, targets.rows, size), 'h', EXACT);
  });

  it.each(ROW_COUNTS)('scatters those of the targets over %i and leaves the rest', async (rows) => {
    const targets = targetsOf(rows);
    const count = targets.rows.length;
    const dh = randomRows(random, count, size);
    const coefficients = randomRows(random, 1, 3, 4);
    const before = randomRows(random, rows, size);
    const dx = untouchedRows(rows, size);
    dx.set(before);
    const result = await bench.run({
      storage: {
        dh: paddedRows(dh, size),
        targets: targets.words,
        coefficients: new Float32Array(coefficients),
        dx,
      },
      size: { tokens: rows, targets: count },
      dispatches: ({ batch, ...b }) => [scatterRows({ size, ...b, batch })],
    });
    const expected = twin.scatterRows(
      dh,
      targets.rows,
      Float64Array.from(targets.sequences, (sequence) => at(coefficients, sequence)),
      rows,
    );
    const written = new Set(targets.rows);
    before.forEach((value, i) => {
      if (!written.has(Math.floor(i / size))) expected[i] = value;
    });
    expectRows(result.dx, expected, 'dx', EXACT);
  });
});
