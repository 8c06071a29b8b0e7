import { at } from './vector';

export interface SamplingSettings {
  /** 0 is greedy. */
  temperature: number;
  /** 0 switches it off. */
  top_k: number;
  /** 1 switches it off. */
  top_p: number;
  /** 0 switches it off. */
  min_p: number;
  /** 1 switches it off. */
  repetition_penalty: number;
}

/**
 * The next token: repetition penalty → temperature → top-k → top-p → min-p → inverse of the cumulative distribution
 * over the surviving tokens in index order. Temperature 0 takes the likeliest token after the penalty, the lowest index
 * among equals.
 *
 * @param logits [vocabulary]
 * @param seen tokens that the penalty applies to, each once however often it occurs
 * @param u uniform in [0, 1)
 */
export function sample(
  logits: Float64Array,
  seen: Iterable<number>,
  settings: SamplingSettings,
  u: number,
): number {
  const penalized = penalize(logits, seen, settings.repetition_penalty);
  if (settings.temperature === 0) return argmax(penalized);
  const p = distribution(penalized, settings);
  const total = p.reduce((a, b) => a + b, 0);
  let cumulative = 0;
  let last = -1;
  for (let token = 0; token < p.length; token++) {
    if (at(p, token) === 0) continue;
    last = token;
    cumulative += at(p, token);
    if (cumulative > u * total) return token;
  }
  return last;
}

/** CTRL's penalty (Keskar et al. 2019): a seen token's logit is divided by θ when positive, multiplied otherwise. */
export function penalize(logits: Float64Array, seen: Iterable<number>, theta: number): Float64Array {
  const penalized = logits.slice();
  for (const token of new Set(seen)) {
    const logit = at(logits, token);
    penalized[token] = logit > 0 ? logit / theta : logit * theta;
  }
  return penalized;
}

/**
 * Probabilities relative to the likeliest token, 0 where a filter removed the token; they do not add up to 1.
 *
 * top-k keeps ties with the k-th; top-p (Holtzman et al. 2020) keeps the smallest set of likeliest tokens with at least
 * `top_p` of the mass that top-k left, and ties with its least likely; min-p (Nguyen et al. 2024) keeps p ≥ min_p·p_max.
 *
 * @param logits [vocabulary], penalized
 * @param settings temperature above 0
 */
export function distribution(logits: Float64Array, settings: SamplingSettings): Float64Array {
  const { temperature, top_k, top_p, min_p } = settings;
  const max = logits.reduce((a, b) => Math.max(a, b), -Infinity);
  const p = logits.map((logit) => Math.exp((logit - max) / temperature));
  if (top_k > 0 && top_k < p.length) keepFrom(p, at(descending(p), top_k - 1));
  if (top_p < 1) keepFrom(p, nucleusThreshold(p, top_p));
  // The likeliest token has relative probability 1.
  if (min_p > 0) keepFrom(p, min_p);
  return p;
}

function nucleusThreshold(p: Float64Array, topP: number): number {
  const sorted = descending(p);
  const needed = topP * sorted.reduce((a, b) => a + b, 0);
  let mass = 0;
  for (const value of sorted) {
    mass += value;
    if (mass >= needed) return value;
  }
  return 0;
}

function keepFrom(p: Float64Array, threshold: number): void {
  p.forEach((value, i) => {
    if (value < threshold) p[i] = 0;
  });
}

function descending(p: Float64Array): Float64Array {
  return p.slice().sort((a, b) => b - a);
}

function argmax(x: Float64Array): number {
  let best = 0;
  x.forEach((value, i) => {
    if (value > at(x, best)) best = i;
  });
  return best;
}

/** Uniform in [0, 1), one a seed and position: 24 bits of PCG's hash (Jarzynski & Olano 2020). */
export function uniformDraw(seed: number, position: number): number {
  return (pcgHash((seed ^ pcgHash(position)) >>> 0) >>> 8) / 2 ** 24;
}

function pcgHash(value: number): number {
  const state = (Math.imul(value, 747796405) + 2891336453) >>> 0;
  const word = Math.imul((state >>> ((state >>> 28) + 4)) ^ state, 277803737) >>> 0;
  return ((word >>> 22) ^ word) >>> 0;
}
