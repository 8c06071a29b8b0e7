import { describe, expect, it } from 'vitest';
import { floatToHalf, halfToFloat } from '../../src/formats/half';
import { readSafetensors, writeSafetensors } from '../../src/formats/safetensors';
import { ThumbprintError } from '../../src/shared/errors';
import { fuzz } from '../support/fuzz';

const tensors = new Map([
  ['a.weight', { shape: [2, 3], data: Float32Array.from([1, -2, 3.5, 0, 1e-20, -7]) }],
  ['b', { shape: [0], data: new Float32Array(0) }],
  ['c', { shape: [], data: Float32Array.from([42]) }],
]);

/** A file with any header, to lie in it. */
function fileWith(header: unknown, data = new Uint8Array(8)): Uint8Array<ArrayBuffer> {
  const json = new TextEncoder().encode(JSON.stringify(header));
  const file = new Uint8Array(8 + json.length + data.length);
  new DataView(file.buffer).setUint32(0, json.length, true);
  file.set(json, 8);
  file.set(data, 8 + json.length);
  return file;
}

function tensor(overrides: object): Record<string, object> {
  return { x: { dtype: 'F32', shape: [2], data_offsets: [0, 8], ...overrides } };
}

describe('safetensors', () => {
  it('reads what it wrote', () => {
    const file = readSafetensors(writeSafetensors(tensors));
    expect(file.names).toEqual([...tensors.keys()]);
    for (const [name, { shape, data }] of tensors)
      expect(file.read(name)).toEqual({ kind: 'float', shape, data });
  });

  it('decodes halves and bfloat16', () => {
    const bytes = new Uint8Array(
      Uint16Array.from([floatToHalf(1.5), floatToHalf(-0.1), 0x3fc0, 0xc040]).buffer,
    );
    const half = { dtype: 'F16', shape: [2], data_offsets: [0, 4] };
    const file = readSafetensors(
      fileWith({ h: half, b: { ...half, dtype: 'BF16', data_offsets: [4, 8] } }, bytes),
    );
    expect([...file.read('h').data]).toEqual([1.5, halfToFloat(floatToHalf(-0.1))]);
    expect([...file.read('b').data]).toEqual([1.5, -3]);
  });

  it('takes an empty tensor that lies where another begins, whichever comes first', () => {
    const full = { dtype: 'F32', shape: [2], data_offsets: [0, 8] };
    const empty = { dtype: 'F32', shape: [0], data_offsets: [0, 0] };
    expect(readSafetensors(fileWith({ full, empty })).read('empty').data).toHaveLength(0);
    expect(readSafetensors(fileWith({ empty, full })).read('full').data).toHaveLength(2);
  });

  it.each([
    ['an end before the start', tensor({ data_offsets: [8, 0] })],
    ['data outside the file', tensor({ data_offsets: [8, 16] })],
    ['a shape of another size', tensor({ shape: [3] })],
    ['an unknown type', tensor({ dtype: 'I64' })],
    ['a negative size', tensor({ shape: [-2] })],
    ['overlapping tensors', { ...tensor({}), y: { dtype: 'F32', shape: [1], data_offsets: [4, 8] } }],
    ['a header that is a list', []],
  ])('refuses %s', (_, header) => {
    expect(() => readSafetensors(fileWith(header))).toThrow(ThumbprintError);
  });

  it('refuses a header longer than the file', () => {
    const file = fileWith(tensor({}));
    new DataView(file.buffer).setUint32(4, 1, true);
    expect(() => readSafetensors(file)).toThrow('header is cut off');
  });

  it('survives damage', async () => {
    const outcome = await fuzz(writeSafetensors(tensors), 2000, (bytes) => {
      const file = readSafetensors(bytes);
      for (const name of file.names) file.read(name);
    });
    expect(outcome.accepted).toBeGreaterThan(0);
    expect(outcome.refused).toBeGreaterThan(0);
  });
});

describe('half precision', () => {
  it('keeps every half', () => {
    for (let bits = 0; bits < 0x10000; bits++) {
      const value = halfToFloat(bits);
      if (Number.isNaN(value)) continue;
      expect(floatToHalf(value)).toBe(bits);
    }
  });

  it('rounds to the nearest, ties to even', () => {
    expect(halfToFloat(floatToHalf(2049))).toBe(2048);
    expect(halfToFloat(floatToHalf(2051))).toBe(2052);
    expect(halfToFloat(floatToHalf(2 ** -25))).toBe(0);
    expect(halfToFloat(floatToHalf(65519))).toBe(65504);
    expect(floatToHalf(65520)).toBe(0x7c00);
  });
});
