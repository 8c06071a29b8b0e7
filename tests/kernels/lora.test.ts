import { describe, expect, it } from 'vitest';
import { loraGradA, loraGradB, loraUpBackward } from '../../src/kernels/lora';
import { expectClose } from '../reference/check';
import * as twin from '../reference/linear';
import { HashRandom } from '../reference/random';
import { sum } from '../reference/vector';
import {
  expectRows,
  FLOAT32,
  KernelBench,
  paddedRows,
  randomRows,
  ROW_COUNTS,
  tileForms,
  UNTOUCHED,
  untouchedRows,
} from '../support/kernel';
import { checkLoraDown, randomLora } from '../support/linear';

// Inner products are shared as this device can; sources.test.ts has the other forms.
const bench = await KernelBench.open();

// As many inner products as the 8 threads of a workgroup, fewer, and several workgroups.
const CASES = [
  { in: 288, parts: [64, 32], rank: 4 },
  { in: 96, parts: [96], rank: 4 },
  { in: 64, parts: [96, 96], rank: 8 },
  { in: 160, parts: [64, 32, 32], rank: 16 },
];

describe.each(CASES)('inner products, $parts of rank $rank', (options) => {
  it.each(ROW_COUNTS)('multiplies %i rows by A', (rows) =>
    checkLoraDown(bench, bench.gpu.forms.batch, options, rows),
  );
});

const FORMS = CASES.flatMap((options) =>
  tileForms(bench.gpu.forms.batch).map((form) => ({ ...options, ...form })),
);

describe.each(FORMS)('gradients of $parts of rank $rank, $name', ({ tile, in: columns, parts, rank }) => {
  const random = new HashRandom(columns);
  const out = parts.reduce((total, part) => total + part, 0);
  const inner = parts.length * rank;
  const { lora, arena, split, buffers, slices, uniform } = randomLora(random, parts, rank, columns);

  it.each(ROW_COUNTS)(
    'overwrites dXB and adds to dA and dB, and to nothing around them, for %i rows',
    async (rows) => {
      const x = randomRows(random, rows, columns);
      const dy = randomRows(random, rows, out);
      const beforeA = randomRows(random, inner, columns, 10);
      const beforeB = randomRows(random, out, rank, 10);
      const result = await bench.run({
        storage: {
          x: paddedRows(x, columns),
          dy: paddedRows(dy, out),
          arena: arena(lora.a, lora.b),
          xa: paddedRows(twin.loraDown(x, lora), inner),
          // What the gradient of A reads is the twin's, so that one kernel's fault is not two's.
          dxbIn: paddedRows(twin.loraUpBackward(dy, lora), inner),
          dxb: untouchedRows(rows, inner),
          gradients: arena(beforeA, beforeB),
        },
        uniforms: { loraUniform: uniform },
        size: { tokens: rows },
        dispatches: ({ batch, loraUniform, ...b }) => {
          const common = { tile, lora: buffers(b.arena), loraUniform, batch };
          const { a: gradA, b: gradB } = slices(b.gradients);
          return [
            loraUpBackward({ ...common, out, dy: b.dy, dxb: b.dxb }),
            loraGradB({ ...common, out, dy: b.dy, xa: b.xa, gradB }),
            loraGradA({ ...common, in: columns, x: b.x, dxb: b.dxbIn, gradA }),
          ];
        },
      });
      // The weight itself has no part in its gradient.
      const { da, db } = twin.linearBackward(x, new Float64Array(out * columns), columns, lora, dy);
      expectRows(result.dxb, twin.loraUpBackward(dy, lora), 'dxb');
      const { a, b, around } = split(result.gradients);
      expectClose(a, sum(beforeA, da), FLOAT32, 'dA');
      expectClose(b, sum(beforeB, db), FLOAT32, 'dB');
      expect(around.every((value) => value === UNTOUCHED)).toBe(true);
    },
  );
});
