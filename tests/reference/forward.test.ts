import { describe, expect, it } from 'vitest';
import type { Int4Matrix } from '../../src/formats/tensors';
import { attention, visibleRows } from './attention';
import { expectClose } from './check';
import { dequantize, halfToNumber, int4Matmul } from './int4';
import { linear } from './linear';
import { HashRandom } from './random';
import { rmsNorm } from './rms-norm';
import { rope } from './rope';
import { seededInt4 } from './seeded-model';
import { swiglu } from './swiglu';
import { tokenLogprob } from './token-logprob';
import { at, norm } from './vector';

/** Forward twins against values worked out by hand and against properties that the formulas imply. */

const EXACT = { rtol: 1e-12, atolScale: 1e-12 };

describe('rms-norm', () => {
  it('divides by the root mean square', () => {
    // Mean square of [3, 4] with eps 0: 12.5.
    const y = rmsNorm(Float64Array.of(3, 4), Float64Array.of(1, 10), 0);
    expectClose(y, [3 / Math.sqrt(12.5), 40 / Math.sqrt(12.5)], EXACT);
  });
});

describe('rope', () => {
  const shape = { heads: 1, headDim: 4, theta: 100 };

  it('rotates element i with element i + half', () => {
    // Frequencies 1 and 100^(−1/2) = 0.1.
    const y = rope(Float64Array.of(1, 0, 0, 1), [2], shape);
    expectClose(y, [Math.cos(2), -Math.sin(0.2), Math.sin(2), Math.cos(0.2)], EXACT);
  });

  it('keeps norms, and scores depend on the distance only', () => {
    const random = new HashRandom(4);
    const q = random.array(4);
    const k = random.array(4);
    const score = (i: number, j: number) => {
      const rotated = rope(k, [j], shape);
      return rope(q, [i], shape).reduce((total, value, n) => total + value * at(rotated, n), 0);
    };
    expect(norm(rope(q, [9], shape))).toBeCloseTo(norm(q), 12);
    expect(score(9, 5)).toBeCloseTo(score(4, 0), 12);
    expect(Math.abs(score(9, 5) - score(9, 6))).toBeGreaterThan(1e-3);
  });
});

describe('int4', () => {
  it('reads halves: normal, subnormal, negative, special', () => {
    const halves = [0x3c00, 0xc000, 0x3555, 0x0001, 0x8000, 0x7bff, 0x7c00];
    expect(halves.map(halfToNumber)).toEqual([1, -2, 0.333251953125, 2 ** -24, -0, 65504, Infinity]);
    expect(halfToNumber(0x7e00)).toBeNaN();
  });

  it('takes nibble i of word k as column 8k + i, less 7, times the scale of its 32 columns', () => {
    const weight = new Uint32Array(2 * 8).fill(0x77777777);
    weight[1] = 0x7777_770e; // row 0, columns 8 and 9: quanta 14 and 0
    weight[8 + 4] = 0x8777_7777; // row 1, column 39: quantum 8
    const scale = Float32Array.of(0.5, 1, 2, 4);
    const matrix: Int4Matrix = { kind: 'int4', rows: 2, columns: 64, weight, scale };
    const expected = new Float64Array(128);
    expected[8] = 3.5;
    expected[9] = -3.5;
    expected[64 + 39] = 4;
    expect([...dequantize(matrix)]).toEqual([...expected]);
    const halves: Int4Matrix = { ...matrix, scale: Uint16Array.of(0x3800, 0x3c00, 0x4000, 0x4400) };
    expect([...dequantize(halves)]).toEqual([...expected]);
  });

  it.each([1, 33, 65])('multiplies %i rows', (rows) => {
    const random = new HashRandom(5);
    const matrix = seededInt4(random, rows, 64);
    const x = random.array(2 * 64);
    const w = dequantize(matrix);
    const y = int4Matmul(x, matrix);
    expect(y.length).toBe(2 * rows);
    const [t, o] = [1, rows - 1];
    let expected = 0;
    for (let i = 0; i < 64; i++) expected += at(x, t * 64 + i) * at(w, o * 64 + i);
    expect(at(y, t * rows + o)).toBeCloseTo(expected, 12);
  });
});

describe('linear', () => {
  it('gives each part its own A', () => {
    // in 1, rank 1, parts of 1 and 2 rows: y = w + 2·a[part]·b[o].
    const lora = {
      rank: 1,
      scale: 2,
      parts: [1, 2],
      a: Float64Array.of(3, 5),
      b: Float64Array.of(1, 10, 100),
    };
    const y = linear(Float64Array.of(1), Float64Array.of(0.25, 0.5, 0.75), 1, lora);
    expect([...y]).toEqual([6.25, 100.5, 1000.75]);
  });
});

describe('attention', () => {
  it('sees the prefix and its own rows up to itself, each once', () => {
    expect(visibleRows({ prefix_start: 1, prefix_end: 3, own_start: 5, row: 6 })).toEqual([1, 2, 5, 6]);
    expect(visibleRows({ prefix_start: 0, prefix_end: 3, own_start: 2, row: 3 })).toEqual([0, 1, 2, 3]);
  });

  it('averages values by the softmax of scaled scores and reports their log-sum-exp', () => {
    // head_dim 4: scores are q·k/2. Row 1 is invisible.
    const k = Float64Array.of(2, 0, 0, 0, 9, 9, 9, 9, 0, 0, 0, 0);
    const v = Float64Array.of(1, 2, 3, 4, 9, 9, 9, 9, 5, 6, 7, 8);
    const { out, lse } = attention({
      q: Float64Array.of(1, 0, 0, 0),
      k,
      v,
      visibility: [{ prefix_start: 0, prefix_end: 1, own_start: 2, row: 2 }],
      shape: { heads: 1, kvHeads: 1, headDim: 4, capacity: 3 },
    });
    const p = Math.E / (Math.E + 1);
    expectClose(
      out,
      [1, 2, 3, 4].map((value) => p * value + (1 - p) * (value + 4)),
      EXACT,
    );
    expectClose(lse, [Math.log(Math.E + 1)], EXACT);
  });

  it('lets consecutive query heads share a key head', () => {
    const { out } = attention({
      q: new Float64Array(4),
      k: new Float64Array(2),
      v: Float64Array.of(1, 2),
      visibility: [{ prefix_start: 0, prefix_end: 0, own_start: 0, row: 0 }],
      shape: { heads: 4, kvHeads: 2, headDim: 1, capacity: 1 },
    });
    expect([...out]).toEqual([1, 1, 2, 2]);
  });
});

describe('swiglu', () => {
  it('takes the gate from the first half of each row', () => {
    const h = swiglu(Float64Array.of(0, 2, 3, 5, -1, 1, 7, 11), 2);
    const silu = (x: number) => x / (1 + Math.exp(-x));
    expectClose(h, [0, silu(2) * 5, silu(-1) * 7, silu(1) * 11], EXACT);
  });
});

describe('token log-probability', () => {
  it('is a log-softmax that does not overflow', () => {
    const logits = Float64Array.of(1000, 1000 + Math.log(3), 0, Math.log(1), Math.log(2), Math.log(5));
    expectClose(tokenLogprob(logits, [1, 2]), [Math.log(3 / 4), Math.log(5 / 8)], EXACT);
  });
});
