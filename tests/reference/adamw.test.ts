import { describe, expect, it } from 'vitest';
import { adamwState, adamwStep, clipScale, type AdamWSettings } from './adamw';
import { expectClose } from './check';

const SETTINGS: AdamWSettings = {
  lr: 0.1,
  beta1: 0.9,
  beta2: 0.999,
  eps: 1e-8,
  weight_decay: 0.5,
  clip: 1e9,
};
const TOLERANCE = { rtol: 1e-6, atolScale: 1e-9 };

describe('adamw', () => {
  it('moves by lr against the sign of the first gradient, after decay', () => {
    const state = adamwState(Float64Array.of(1, -2, 4));
    adamwStep(state, Float64Array.of(3, -0.01, 0), SETTINGS);
    expectClose(state.parameters, [0.95 - 0.1, -1.9 + 0.1, 3.8], TOLERANCE);
  });

  it('corrects the bias of both moments in the second step', () => {
    const state = adamwState(Float64Array.of(0));
    const plain = { ...SETTINGS, weight_decay: 0 };
    adamwStep(state, Float64Array.of(1), plain);
    adamwStep(state, Float64Array.of(3), plain);
    const m = (0.9 * 0.1 + 0.1 * 3) / (1 - 0.81);
    const v = (0.999 * 0.001 + 0.001 * 9) / (1 - 0.998001);
    expectClose(state.parameters, [-0.1 - (0.1 * m) / Math.sqrt(v)], TOLERANCE);
    expect(state.step).toBe(2);
  });

  it('averages the parameters of all steps, each counting less than the next by the decay', () => {
    const state = adamwState(Float64Array.of(0));
    const trail: number[] = [];
    for (const g of [1, 3, -2]) {
      adamwStep(state, Float64Array.of(g), { ...SETTINGS, ema_decay: 0.5 });
      trail.push(state.parameters[0] ?? NaN);
    }
    const [first = NaN, second = NaN, third = NaN] = trail;
    expectClose(state.averages, [(first + 2 * second + 4 * third) / 7], TOLERANCE);
  });

  it('clips by the global norm and reports it unclipped', () => {
    expect(clipScale(Float64Array.of(3, 4), 1)).toBeCloseTo(0.2, 6);
    expect(clipScale(Float64Array.of(0.3, 0.4), 1)).toBe(1);
    const state = adamwState(new Float64Array(2));
    expect(adamwStep(state, Float64Array.of(3, 4), { ...SETTINGS, clip: 1 })).toBe(5);
    expectClose(state.firstMoments, [0.06, 0.08], TOLERANCE);
    expectClose(state.secondMoments, [0.00036, 0.00064], TOLERANCE);
  });
});
