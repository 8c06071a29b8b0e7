import { at, norm } from './vector';

export interface AdamWSettings {
  lr: number;
  beta1: number;
  beta2: number;
  eps: number;
  weight_decay: number;
  /** Parts of equal size, the highest last; each below has its rate multiplied once more by `decay`. */
  layers?: { count: number; decay: number };
  /** Largest global norm of the gradients. */
  clip: number;
  /** Of the moving average of the parameters; 0 when absent. */
  ema_decay?: number;
}

export interface AdamWState {
  /** All parameters in one flat array, as the moments. */
  parameters: Float64Array;
  firstMoments: Float64Array;
  secondMoments: Float64Array;
  /** Weighted mean of the parameters after each step. */
  averages: Float64Array;
  /** Steps taken. */
  step: number;
}

/** A state before its first step; `parameters` is copied. */
export function adamwState(parameters: Float64Array): AdamWState {
  return {
    parameters: parameters.slice(),
    firstMoments: new Float64Array(parameters.length),
    secondMoments: new Float64Array(parameters.length),
    averages: new Float64Array(parameters.length),
    step: 0,
  };
}

/** Factor of clipping by global norm: min(1, clip/(‖g‖ + 1e-6)), as PyTorch's `clip_grad_norm_`. */
export function clipScale(gradients: Float64Array, clip: number): number {
  return Math.min(1, clip / (norm(gradients) + 1e-6));
}

/**
 * One step of AdamW (Loshchilov & Hutter 2019) after clipping by global norm; changes `state`.
 *
 * p ← p − lr·weight_decay·p; m ← β₁m + (1−β₁)g; v ← β₂v + (1−β₂)g²;
 * p ← p − lr·(m/(1−β₁ᵗ)) / (√(v/(1−β₂ᵗ)) + eps), t counted from 1; averages = Σᵢ dᵗ⁻ⁱ pᵢ / Σᵢ dᵗ⁻ⁱ, d the `ema_decay`
 *
 * @returns the norm of the gradients before clipping
 */
export function adamwStep(state: AdamWState, gradients: Float64Array, settings: AdamWSettings): number {
  const { beta1, beta2, eps, weight_decay, clip, layers = { count: 1, decay: 1 }, ema_decay = 0 } = settings;
  const { parameters, firstMoments, secondMoments, averages } = state;
  const scale = clipScale(gradients, clip);
  state.step += 1;
  const firstCorrection = 1 - beta1 ** state.step;
  const secondCorrection = 1 - beta2 ** state.step;
  // Σᵢ dᵗ⁻ⁱ before this step and with it.
  const weight = (steps: number): number => (1 - ema_decay ** steps) / (1 - ema_decay);
  const [earlier, all] = [weight(state.step - 1), weight(state.step)];
  gradients.forEach((raw, i) => {
    const layer = Math.floor((i * layers.count) / gradients.length);
    const lr = settings.lr * layers.decay ** (layers.count - 1 - layer);
    const g = scale * raw;
    const m = beta1 * at(firstMoments, i) + (1 - beta1) * g;
    const v = beta2 * at(secondMoments, i) + (1 - beta2) * g * g;
    firstMoments[i] = m;
    secondMoments[i] = v;
    const decayed = at(parameters, i) * (1 - lr * weight_decay);
    const moved = decayed - (lr * (m / firstCorrection)) / (Math.sqrt(v / secondCorrection) + eps);
    parameters[i] = moved;
    averages[i] = (ema_decay * earlier * at(averages, i) + moved) / all;
  });
  return norm(gradients);
}
