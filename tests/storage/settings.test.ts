import { expect, test } from 'vitest';
import { DEFAULT_SETTINGS } from '../../src/shared/records';
import { SYSTEM_PROMPT_LIMIT, sanitizeSettings } from '../../src/storage/settings';

test('nothing stored gives the defaults', () => {
  expect(sanitizeSettings(undefined)).toEqual(DEFAULT_SETTINGS);
  expect(sanitizeSettings('broken')).toEqual(DEFAULT_SETTINGS);
  expect(sanitizeSettings({ sampling: null, trainAfter: 'often' })).toEqual(DEFAULT_SETTINGS);
});

test('valid settings pass unchanged, also at the ends of their ranges', () => {
  const settings = {
    sampling: {
      temperature: 0,
      top_k: 0,
      top_p: 1,
      min_p: 0,
      repetition_penalty: 1,
      seed: 4294967295,
      max_tokens: 1,
    },
    systemPrompt: 'Be brief.',
    trainAfter: 1,
    autoTrain: false,
    adapterScale: 1.5,
  };
  expect(sanitizeSettings(settings)).toEqual(settings);
});

test('what an older release stored is completed', () => {
  expect(sanitizeSettings({ systemPrompt: 'Hi', sampling: { temperature: 0.2 } })).toEqual({
    ...DEFAULT_SETTINGS,
    systemPrompt: 'Hi',
    sampling: { ...DEFAULT_SETTINGS.sampling, temperature: 0.2 },
  });
});

test('numbers out of range are clamped, counts rounded, non-numbers replaced', () => {
  const settings = sanitizeSettings({
    sampling: { temperature: 9, top_k: 3.6, top_p: 0, min_p: Number.NaN, max_tokens: -4, seed: 1.4 },
    trainAfter: 0,
    adapterScale: Number.POSITIVE_INFINITY,
    systemPrompt: 'x'.repeat(SYSTEM_PROMPT_LIMIT + 5),
  });
  expect(settings.sampling).toMatchObject({ temperature: 2, top_k: 4, top_p: 0.01, max_tokens: 1, seed: 1 });
  expect(settings.sampling.min_p).toBe(DEFAULT_SETTINGS.sampling.min_p);
  expect(settings.trainAfter).toBe(1);
  expect(settings.adapterScale).toBe(DEFAULT_SETTINGS.adapterScale);
  expect(settings.systemPrompt).toHaveLength(SYSTEM_PROMPT_LIMIT);
});
