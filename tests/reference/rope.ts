import { at } from './vector';

export interface RopeShape {
  heads: number;
  /** Even. */
  headDim: number;
  /** Base of the geometric progression of wavelengths; 10000 in Su et al. 2021. */
  theta: number;
}

/**
 * Rotary position embedding (Su et al. 2021) in the half-split form: element i pairs with element i + headDim/2.
 *
 * angle = position·theta^(−2i/headDim), i < headDim/2
 * y[i] = x[i]·cos − x[i + half]·sin, y[i + half] = x[i + half]·cos + x[i]·sin
 *
 * @param x [T, heads, headDim]
 * @param positions [T]
 * @returns [T, heads, headDim]
 */
export function rope(x: Float64Array, positions: readonly number[], shape: RopeShape): Float64Array {
  return rotate(x, positions, shape, 1);
}

/** Gradient of the input: a rotation's transpose is the rotation by the negative angle. Shapes as in `rope`. */
export function ropeBackward(dy: Float64Array, positions: readonly number[], shape: RopeShape): Float64Array {
  return rotate(dy, positions, shape, -1);
}

function rotate(x: Float64Array, positions: readonly number[], shape: RopeShape, sign: 1 | -1): Float64Array {
  const { heads, headDim, theta } = shape;
  const half = headDim / 2;
  const y = new Float64Array(x.length);
  positions.forEach((position, t) => {
    for (let head = 0; head < heads; head++) {
      const start = (t * heads + head) * headDim;
      for (let i = 0; i < half; i++) {
        const angle = position * theta ** ((-2 * i) / headDim);
        const cos = Math.cos(angle);
        const sin = sign * Math.sin(angle);
        const low = at(x, start + i);
        const high = at(x, start + i + half);
        y[start + i] = low * cos - high * sin;
        y[start + i + half] = high * cos + low * sin;
      }
    }
  });
  return y;
}
