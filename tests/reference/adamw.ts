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
}

export interface AdamWState {
  /** All parameters in one flat array, as the moments. */
  parameters: Float64Array;
  firstMoments: Float64Array;
  secondMoments: Float64Array;
  /** Steps taken. */
  step: number;
}

/** A state before its first step; `parameters` is copied. */
export function adamwState(parameters: Float64Array): AdamWState {
  return {
    parameters: parameters.slice(),
    firstMoments: new Float64Array(parameters.length),
    secondMoments: new Float64Array(parameters.length),
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
 * p ← p − lr·(m/(1−β₁ᵗ)) / (√(v/(1−β₂ᵗ)) + eps), t counted from 1
 *
 * @returns the norm of the gradients before clipping
 */
export function adamwStep(state: AdamWState, gradients: Float64Array, settings: AdamWSettings): number {
  const { beta1, beta2, eps, weight_decay, clip, layers = { count: 1, decay: 1 } } = settings;
  const { parameters, firstMoments, secondMoments } = state;
  const scale = clipScale(gradients, clip);
  state.step += 1;
  const firstCorrection = 1 - beta1 ** state.step;
  const secondCorrection = 1 - beta2 ** state.step;
  gradients.forEach((raw, i) => {
    const layer = Math.floor((i * layers.count) / gradients.length);
    const lr = settings.lr * layers.decay ** (layers.count - 1 - layer);
    const g = scale * raw;
    const m = beta1 * at(firstMoments, i) + (1 - beta1) * g;
    const v = beta2 * at(secondMoments, i) + (1 - beta2) * g * g;
    firstMoments[i] = m;
    secondMoments[i] = v;
    const decayed = at(parameters, i) * (1 - lr * weight_decay);
    parameters[i] = decayed - (lr * (m / firstCorrection)) / (Math.sqrt(v / secondCorrection) + eps);
  });
  return norm(gradients);
}
