/** Something to be timed beside others. */
export interface Contestant {
  name: string;
  /** May answer what counts, where that is not the milliseconds it takes. */
  run: () => Promise<unknown>;
}

/** Milliseconds before each turn: the threads of some still spin for a while after theirs. */
const REST = 100;

/** Median milliseconds (or what a contestant answers) of each. They take turns, since a machine's speed wanders; the first round warms up. */
export async function compete(
  contestants: readonly Contestant[],
  rounds: number,
): Promise<Map<string, number>> {
  const times = contestants.map(() => [] as number[]);
  for (let round = 0; round <= rounds; round++) {
    for (const [i, { run }] of contestants.entries()) {
      await new Promise((resolve) => setTimeout(resolve, REST));
      const started = performance.now();
      const answer = await run();
      if (round > 0) times[i]?.push(typeof answer === 'number' ? answer : performance.now() - started);
    }
  }
  return new Map(contestants.map(({ name }, i) => [name, median(times[i] ?? [])]));
}

export function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN;
}
