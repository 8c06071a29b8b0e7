import { describe, it } from 'vitest';
import { swiglu, swigluBackward } from '../../src/kernels/swiglu';
import { HashRandom } from '../reference/random';
import * as twin from '../reference/swiglu';
import {
  expectRows,
  KernelBench,
  paddedRows,
  randomRows,
  ROW_COUNTS,
  untouchedRows,
} from '../support/kernel';

const bench = await KernelBench.open();

// A workgroup takes 256 columns.
describe.each([32, 288])('swiglu of %i columns', (size) => {
  const random = new HashRandom(size);

  /** Also gates at which e^−gate overflows float32 or vanishes. */
  function inputs(rows: number): Float64Array {
    const gateUp = randomRows(random, rows, 2 * size, 4);
    gateUp.set([-100, 100, 0]);
    return gateUp;
  }

  it.each(ROW_COUNTS)('gates %i rows', async (rows) => {
    const gateUp = inputs(rows);
    const { h } = await bench.run({
      storage: { gateUp: paddedRows(gateUp, 2 * size), h: untouchedRows(rows, size) },
      size: { tokens: rows },
      dispatches: (b) => [swiglu({ size, gateUp: b.gateUp, h: b.h, batch: b.batch })],
    });
    expectRows(h, twin.swiglu(gateUp, size));
  });

  it.each(ROW_COUNTS)('turns %i rows into their gradient', async (rows) => {
    const gateUp = inputs(rows);
    const dh = randomRows(random, rows, size);
    const inPlace = untouchedRows(rows, 2 * size);
    inPlace.set(gateUp);
    const result = await bench.run({
      storage: { dh: paddedRows(dh, size), gateUp: inPlace },
      size: { tokens: rows },
      dispatches: (b) => [swigluBackward({ size, dh: b.dh, gateUp: b.gateUp, batch: b.batch })],
    });
    expectRows(result.gateUp, twin.swigluBackward(gateUp, size, dh));
  });
});
