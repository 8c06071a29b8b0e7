/** A seeded generator of numbers, the same on every machine. */
export interface Random {
  /** Uniform in 0 … 2³² − 1. */
  uint32(): number;
  /** Uniform in [0, 1). */
  float(): number;
  /** Uniform in 0 … n − 1. */
  int(n: number): number;
  /** Shuffles in place (Fisher–Yates) and returns its argument. */
  shuffle<T>(items: T[]): T[];
}

/** xoshiro128** (Blackman & Vigna 2021), its state filled by splitmix32. */
export function createRandom(seed: number): Random {
  let mix = seed >>> 0;
  const split = (): number => {
    mix = (mix + 0x9e3779b9) >>> 0;
    let z = mix;
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return (z ^ (z >>> 15)) >>> 0;
  };
  let [a, b, c, d] = [split(), split(), split(), split()];
  const rotate = (x: number, k: number): number => ((x << k) | (x >>> (32 - k))) >>> 0;
  const uint32 = (): number => {
    const result = Math.imul(rotate(Math.imul(b, 5) >>> 0, 7), 9) >>> 0;
    const t = (b << 9) >>> 0;
    c = (c ^ a) >>> 0;
    d = (d ^ b) >>> 0;
    b = (b ^ c) >>> 0;
    a = (a ^ d) >>> 0;
    c = (c ^ t) >>> 0;
    d = rotate(d, 11);
    return result;
  };
  const float = (): number => uint32() / 2 ** 32;
  const int = (n: number): number => Math.floor(float() * n);
  return {
    uint32,
    float,
    int,
    shuffle<T>(items: T[]): T[] {
      for (let i = items.length - 1; i > 0; i--) {
        const j = int(i + 1);
        const [x, y] = [items[i] as T, items[j] as T];
        items[i] = y;
        items[j] = x;
      }
      return items;
    },
  };
}
