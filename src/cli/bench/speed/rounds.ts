/** Something to be timed beside others. */
export interface Contestant {
  name: string;
  /** May answer what counts, where that is not the milliseconds it takes. */
  run: () => Promise<unknown>;
}

/** Milliseconds that all turns together should take: what is short takes more rounds, so many times as many at most. */
const ENOUGH = 10_000;
const MOST_ROUNDS = 10;

/** Milliseconds before each turn: the threads of some still spin for a while after theirs. */
const REST = 100;

/** Milliseconds (or what a contestant answers) of each in every round, median and ratios of them. */
export class Times {
  private readonly times: ReadonlyMap<string, readonly number[]>;

  constructor(times: ReadonlyMap<string, readonly number[]>) {
    this.times = times;
  }

  of(name: string): number {
    return median(this.times.get(name) ?? []);
  }

  /** Median over the rounds: in each, both ran one after the other. */
  ratio(one: string, other: string): number {
    const others = this.times.get(other) ?? [];
    return median((this.times.get(one) ?? []).map((ms, round) => ms / (others[round] ?? NaN)));
  }

  medians(): Record<string, number> {
    return Object.fromEntries([...this.times.keys()].map((name) => [name, this.of(name)]));
  }
}

/** Lets contestants take turns, since a machine's speed wanders: `rounds` or more. The first round warms up. */
export async function compete(
  contestants: readonly Contestant[],
  rounds: number,
  enough = ENOUGH,
): Promise<Times> {
  const times = new Map(contestants.map(({ name }): [string, number[]] => [name, []]));
  let spent = 0;
  for (let round = 0; round <= rounds || (spent < enough && round <= MOST_ROUNDS * rounds); round++) {
    for (const { name, run } of contestants) {
      await new Promise((resolve) => setTimeout(resolve, REST));
      const started = performance.now();
      const answer = await run();
      const took = performance.now() - started;
      spent += took;
      if (round > 0) times.get(name)?.push(typeof answer === 'number' ? answer : took);
    }
  }
  return new Times(times);
}

export function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN;
}
