import type { GenerateOptions } from '../../generation/generator';

/** Always the likeliest token: the same reply in every run. */
export const GREEDY = { temperature: 0, top_k: 0, top_p: 1, min_p: 0, repetition_penalty: 1 };

/** Greedy replies of so many tokens. */
export function greedy(tokens: number): Omit<GenerateOptions, 'onToken'> {
  return { sampling: { ...GREEDY, max_tokens: tokens }, seed: 0 };
}
