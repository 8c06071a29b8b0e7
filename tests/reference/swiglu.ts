import { at, sigmoid } from './vector';

/**
 * Gated linear unit with SiLU (Shazeer 2020): h = silu(gate)·up, silu(x) = x·σ(x).
 *
 * @param gateUp [T, 2·ffn]: gate in the first half of a row, up in the second
 * @returns [T, ffn]
 */
export function swiglu(gateUp: Float64Array, ffn: number): Float64Array {
  const h = new Float64Array(gateUp.length / 2);
  for (let n = 0; n < h.length; n++) {
    const { gate, up } = pairAt(gateUp, ffn, n);
    h[n] = gate * sigmoid(gate) * up;
  }
  return h;
}

/**
 * dgate = dh·up·σ(gate)·(1 + gate·(1 − σ(gate))), dup = dh·silu(gate)
 *
 * @param dh [T, ffn]
 * @returns [T, 2·ffn]
 */
export function swigluBackward(gateUp: Float64Array, ffn: number, dh: Float64Array): Float64Array {
  const d = new Float64Array(gateUp.length);
  for (let n = 0; n < dh.length; n++) {
    const { gate, up, gateIndex, upIndex } = pairAt(gateUp, ffn, n);
    const s = sigmoid(gate);
    d[gateIndex] = at(dh, n) * up * s * (1 + gate * (1 - s));
    d[upIndex] = at(dh, n) * gate * s;
  }
  return d;
}

function pairAt(gateUp: Float64Array, ffn: number, n: number) {
  const gateIndex = Math.floor(n / ffn) * 2 * ffn + (n % ffn);
  const upIndex = gateIndex + ffn;
  return { gate: at(gateUp, gateIndex), up: at(gateUp, upIndex), gateIndex, upIndex };
}
