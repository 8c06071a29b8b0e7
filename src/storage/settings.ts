import { DEFAULT_SETTINGS, type SamplingSettings, type Settings } from '../shared/records';

/** Allowed range of each number a user can set, both ends included. */
export const SETTINGS_LIMITS = {
  temperature: { min: 0, max: 2 },
  top_k: { min: 0, max: 1000 },
  top_p: { min: 0.01, max: 1 },
  min_p: { min: 0, max: 1 },
  repetition_penalty: { min: 1, max: 2 },
  /** The GPU's generator is seeded with 32 bits. */
  seed: { min: 0, max: 0xffffffff },
  max_tokens: { min: 1, max: 4096 },
  trainAfter: { min: 1, max: 100 },
  adapterScale: { min: 0, max: 1.5 },
} as const;

/** Longest system prompt kept, in UTF-16 units: a longer one would push the whole chat out of a small context. */
export const SYSTEM_PROMPT_LIMIT = 4000;

/**
 * Complete, valid settings from whatever was stored: missing or mistyped fields become the defaults, numbers are
 * clamped to `SETTINGS_LIMITS`, counts are rounded.
 */
export function sanitizeSettings(stored: unknown): Settings {
  const source = fieldsOf(stored);
  const base = DEFAULT_SETTINGS;
  return {
    sampling: sanitizeSampling(source['sampling']),
    systemPrompt:
      typeof source['systemPrompt'] === 'string'
        ? source['systemPrompt'].slice(0, SYSTEM_PROMPT_LIMIT)
        : base.systemPrompt,
    trainAfter: whole(source['trainAfter'], base.trainAfter, SETTINGS_LIMITS.trainAfter),
    autoTrain: typeof source['autoTrain'] === 'boolean' ? source['autoTrain'] : base.autoTrain,
    adapterScale: within(source['adapterScale'], base.adapterScale, SETTINGS_LIMITS.adapterScale),
  };
}

function sanitizeSampling(stored: unknown): SamplingSettings {
  const source = fieldsOf(stored);
  const base = DEFAULT_SETTINGS.sampling;
  const limits = SETTINGS_LIMITS;
  return {
    temperature: within(source['temperature'], base.temperature, limits.temperature),
    top_k: whole(source['top_k'], base.top_k, limits.top_k),
    top_p: within(source['top_p'], base.top_p, limits.top_p),
    min_p: within(source['min_p'], base.min_p, limits.min_p),
    repetition_penalty: within(
      source['repetition_penalty'],
      base.repetition_penalty,
      limits.repetition_penalty,
    ),
    seed: typeof source['seed'] === 'number' ? whole(source['seed'], 0, limits.seed) : base.seed,
    max_tokens: whole(source['max_tokens'], base.max_tokens, limits.max_tokens),
  };
}

interface Range {
  min: number;
  max: number;
}

function within(value: unknown, fallback: number, range: Range): number {
  if (typeof value !== 'number' || !Number.isFinite(value)) return fallback;
  return Math.min(range.max, Math.max(range.min, value));
}

function whole(value: unknown, fallback: number, range: Range): number {
  return Math.round(within(value, fallback, range));
}

function fieldsOf(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}
