import { ThumbprintError } from '../shared/errors';
import { floatToHalf, halfToFloat } from './half';
import type { FloatTensor, Int4Matrix } from './tensors';

const GROUP = 32;
/** Scales tried around max|w| / 7; shrinking clips the largest weight but serves the other 31 better. */
const CANDIDATES = 24;

/**
 * Quantizes W[rows, columns] to int4 in groups of 32 along a row, w ≈ (q − 7)·scale with q in 0 … 14, choosing each
 * group's scale so that the squared error is least.
 * @throws ThumbprintError `bad-file` for weights that are not finite, `unsupported` for a shape that groups do not fit
 *   or a scale that f16 does not hold.
 */
export function quantizeInt4(name: string, tensor: FloatTensor, scaleDtype: 'f16' | 'f32'): Int4Matrix {
  const [rows = 0, columns = 0] = tensor.shape;
  if (tensor.shape.length !== 2 || columns % GROUP !== 0) {
    throw new ThumbprintError(
      'unsupported',
      `${name} has shape [${tensor.shape.join(', ')}]; int4 needs [n, 32·m].`,
    );
  }
  const groups = (rows * columns) / GROUP;
  const weight = new Uint32Array((rows * columns) / 8);
  const scale = scaleDtype === 'f16' ? new Uint16Array(groups) : new Float32Array(groups);
  for (let g = 0; g < groups; g++) {
    const values = tensor.data.subarray(g * GROUP, (g + 1) * GROUP);
    if (!values.every(Number.isFinite)) {
      throw new ThumbprintError(
        'bad-file',
        `${name} holds a weight that is not a finite number; the file is damaged.`,
      );
    }
    const s = bestScale(values, scaleDtype);
    if (!Number.isFinite(s)) {
      throw new ThumbprintError(
        'unsupported',
        `${name} holds weights too large for f16 scales; quantize it with --scale-dtype f32.`,
      );
    }
    scale[g] = scaleDtype === 'f16' ? floatToHalf(s) : s;
    for (let i = 0; i < GROUP; i++) {
      const word = g * 4 + (i >> 3);
      weight[word] = ((weight[word] ?? 0) | (levelOf(values[i] ?? 0, s) << ((i & 7) * 4))) >>> 0;
    }
  }
  return { kind: 'int4', rows, columns, weight, scale };
}

function levelOf(value: number, scale: number): number {
  return scale === 0 ? 7 : Math.min(14, Math.max(0, Math.round(value / scale) + 7));
}

function bestScale(values: Float32Array, dtype: 'f16' | 'f32'): number {
  const round = (s: number): number => (dtype === 'f16' ? halfToFloat(floatToHalf(s)) : Math.fround(s));
  let largest = 0;
  for (const value of values) largest = Math.max(largest, Math.abs(value));
  if (largest === 0) return 0;
  let best = round(largest / 7);
  let bestError = Infinity;
  for (let c = 0; c < CANDIDATES; c++) {
    let s = (largest / 7) * (1.05 - c * 0.02);
    // Least squares for the levels this scale gives: s = Σ w·l / Σ l².
    let products = 0;
    let squares = 0;
    for (const value of values) {
      const level = levelOf(value, s) - 7;
      products += value * level;
      squares += level * level;
    }
    s = round(squares === 0 ? s : products / squares);
    let error = 0;
    for (const value of values) error += (value - (levelOf(value, s) - 7) * s) ** 2;
    if (error < bestError) {
      bestError = error;
      best = s;
    }
  }
  return best;
}

/** The weights that an int4 matrix stands for, [rows · columns]. */
export function dequantizeInt4(matrix: Int4Matrix): Float32Array<ArrayBuffer> {
  const out = new Float32Array(matrix.rows * matrix.columns);
  const half = matrix.scale instanceof Uint16Array;
  for (let i = 0; i < out.length; i++) {
    const stored = matrix.scale[i >> 5] ?? 0;
    const level = ((matrix.weight[i >> 3] ?? 0) >>> ((i & 7) * 4)) & 15;
    out[i] = (level - 7) * (half ? halfToFloat(stored) : stored);
  }
  return out;
}
