import { describe, expect, it } from 'vitest';
import { centralDifferences, cosine, expectClose, relativeL2 } from './check';
import { HashRandom } from './random';
import { at } from './vector';

const TOLERANCE = { rtol: 1e-3, atolScale: 1e-3 };
const reference = new HashRandom(1).array(65);

describe('expectClose', () => {
  it('accepts the reference and errors within the tolerance', () => {
    expectClose(reference, reference, TOLERANCE);
    expectClose(
      reference.map((value) => value * 1.0005),
      reference,
      TOLERANCE,
    );
  });

  it('refuses a gradient of zeros', () => {
    expect(() => expectClose(new Float64Array(65), reference, TOLERANCE)).toThrow('expected');
  });

  it('refuses a flipped sign', () => {
    expect(() =>
      expectClose(
        reference.map((value) => -value),
        reference,
        TOLERANCE,
      ),
    ).toThrow('expected');
  });

  it('refuses one wrong value and names it', () => {
    const wrong = reference.slice();
    wrong[17] = at(wrong, 17) + 0.01;
    expect(() => expectClose(wrong, reference, TOLERANCE, 'dx')).toThrow('dx[17]');
  });

  it('refuses NaN and infinities on either side', () => {
    for (const value of [NaN, Infinity]) {
      const broken = reference.slice();
      broken[3] = value;
      expect(() => expectClose(broken, reference, TOLERANCE)).toThrow('[3]');
      expect(() => expectClose(reference, broken, TOLERANCE)).toThrow('at 3');
      expect(() => expectClose(broken, broken, TOLERANCE)).toThrow();
    }
  });

  it('refuses another length and an empty comparison', () => {
    expect(() => expectClose(reference.subarray(1), reference, TOLERANCE)).toThrow('64 values, expected 65');
    expect(() => expectClose([], [], TOLERANCE)).toThrow('zero everywhere');
  });

  it('refuses an all-zero reference unless told, and then wants zeros', () => {
    const zeros = new Float64Array(5);
    expect(() => expectClose(zeros, zeros, TOLERANCE)).toThrow('zero everywhere');
    expectClose(zeros, zeros, { ...TOLERANCE, allowZero: true });
    expect(() => expectClose([0, 0, 1e-9, 0, 0], zeros, { ...TOLERANCE, allowZero: true })).toThrow('[2]');
  });

  it('refuses a wrong direction that a loose tolerance lets through', () => {
    const loose = { rtol: 0, atolScale: 3 };
    expect(() =>
      expectClose(
        reference.map((value) => -value),
        reference,
        loose,
      ),
    ).toThrow('cosine');
  });
});

describe('measures', () => {
  it('cosine and relative L2', () => {
    expect(cosine([1, 0], [1, 1])).toBeCloseTo(Math.SQRT1_2, 12);
    expect(relativeL2([3, 4.5], [3, 4])).toBeCloseTo(0.1, 12);
    expect(relativeL2([3], [3, 4])).toBeNaN();
  });

  it('central differences of x₀²·x₁ leave x as it was', () => {
    const x = Float64Array.of(3, 5);
    const gradient = centralDifferences(() => at(x, 0) ** 2 * at(x, 1), x);
    expectClose(gradient, [30, 9], { rtol: 1e-8, atolScale: 0 });
    expect([...x]).toEqual([3, 5]);
  });
});
