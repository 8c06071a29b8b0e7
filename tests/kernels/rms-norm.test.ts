import { describe, it } from 'vitest';
import { rmsNorm, rmsNormBackward } from '../../src/kernels/rms-norm';
import { HashRandom } from '../reference/random';
import * as twin from '../reference/rms-norm';
import { sum } from '../reference/vector';
import {
  expectRows,
  KernelBench,
  paddedRows,
  randomRows,
  ROW_COUNTS,
  untouchedRows,
} from '../support/kernel';

const bench = await KernelBench.open();
const EPS = 1e-3;

// A row is the work of 32 threads of four columns each: too few columns for all, or too many.
describe.each([32, 160])('rms-norm of %i columns', (size) => {
  const random = new HashRandom(size);
  const weight = randomRows(random, 1, size, 2);
  const normOf = (buffer: GPUBuffer) => ({ weight: buffer, size, eps: EPS });

  /** Rows of very different magnitude; to the first eps matters. */
  function inputs(rows: number): Float64Array {
    const x = randomRows(random, rows, size);
    return x.map((value, i) => Math.fround(value * 10 ** ((Math.floor(i / size) % 4) - 2)));
  }

  it.each(ROW_COUNTS)('divides %i rows by their root mean square', async (rows) => {
    const x = inputs(rows);
    const { y } = await bench.run({
      storage: { x: paddedRows(x, size), weight: new Float32Array(weight), y: untouchedRows(rows, size) },
      size: { tokens: rows },
      dispatches: (b) => [rmsNorm({ norm: normOf(b.weight), x: b.x, y: b.y })],
    });
    expectRows(y, twin.rmsNorm(x, weight, EPS));
  });

  it.each(ROW_COUNTS)('has the gradient of %i rows, overwritten or added', async (rows) => {
    const x = inputs(rows);
    const dy = randomRows(random, rows, size);
    const before = randomRows(random, rows, size, 10);
    const added = untouchedRows(rows, size);
    added.set(before);
    const result = await bench.run({
      storage: {
        x: paddedRows(x, size),
        weight: new Float32Array(weight),
        dy: paddedRows(dy, size),
        overwritten: untouchedRows(rows, size),
        added,
      },
      size: { tokens: rows },
      dispatches: ({ weight: w, x: xBuffer, dy: dyBuffer, overwritten, added: addedBuffer }) => {
        const common = { norm: normOf(w), x: xBuffer, dy: dyBuffer };
        return [
          rmsNormBackward({ ...common, dx: overwritten, accumulate: false }),
          rmsNormBackward({ ...common, dx: addedBuffer, accumulate: true }),
        ];
      },
    });
    const dx = twin.rmsNormBackward(x, weight, EPS, dy);
    expectRows(result.overwritten, dx, 'overwritten');
    expectRows(result.added, sum(before, dx), 'added');
  });
});
