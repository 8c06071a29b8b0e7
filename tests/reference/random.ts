/** Random numbers that models/recipe/golden.py repeats bit for bit: a hash of (seed, index) instead of a state. */

/** Bijective mixing of 32 bits ("lowbias32" of C. Wellons' hash-prospector, constants only). */
function mix(x: number): number {
  x = Math.imul(x ^ (x >>> 16), 0x7feb352d);
  x = Math.imul(x ^ (x >>> 15), 0x846ca68b);
  return (x ^ (x >>> 16)) >>> 0;
}

export class HashRandom {
  private readonly key: number;
  private index = 0;

  constructor(seed: number) {
    this.key = mix(seed);
  }

  /** 32 random bits. */
  bits(): number {
    return mix((this.index++ ^ this.key) >>> 0);
  }

  /** Uniform in [0, 1). */
  uniform(): number {
    return this.bits() / 2 ** 32;
  }

  /** Integer in [0, n). */
  below(n: number): number {
    return Math.floor(this.uniform() * n);
  }

  /** `n` uniform numbers in [−scale, scale). */
  array(n: number, scale = 1): Float64Array {
    return Float64Array.from({ length: n }, () => scale * (2 * this.uniform() - 1));
  }

  /** As `array`, rounded to float32. */
  array32(n: number, scale = 1): Float32Array<ArrayBuffer> {
    return Float32Array.from({ length: n }, () => scale * (2 * this.uniform() - 1));
  }
}
