import type { GenerateOptions, Generator } from './generator';

/** Milliseconds from the first token of a reply to its last, by the number of tokens between; NaN for one token. */
export async function perToken(
  generator: Generator,
  prompt: readonly number[],
  options: Omit<GenerateOptions, 'onToken'>,
): Promise<number> {
  const times: number[] = [];
  await generator.generate(prompt, { ...options, onToken: () => times.push(performance.now()) });
  return ((times.at(-1) ?? NaN) - (times[0] ?? NaN)) / (times.length - 1);
}
