import { expect } from 'vitest';
import type { Int4Matrix } from '../../src/formats/tensors';
import { Allocation } from '../../src/gpu/allocation';
import type { Gpu, Tile } from '../../src/gpu/device';
import { type BatchSize, type Dispatch, PipelineCache, Program, submit } from '../../src/gpu/program';
import type { Int4Buffers } from '../../src/kernels/int4';
import { expectClose, type Tolerance } from '../reference/check';
import { type HashRandom } from '../reference/random';
import { seededInt4 } from '../reference/seeded-model';
import { testGpu } from './gpu';

/** Rows that fill no workgroup, or one and a bit. */
export const ROW_COUNTS = [1, 33, 257];

/** What outputs hold before a kernel runs: whatever still holds it afterwards was left alone. */
export const UNTOUCHED = 12345.5;

/** Float32 sums of a few hundred terms, beside float64. */
export const FLOAT32: Tolerance = { rtol: 1e-5, atolScale: 1e-5 };

interface KernelRun<S extends string, U extends string> {
  /** Contents of the storage buffers. */
  storage: Record<S, ArrayBufferView<ArrayBuffer>>;
  uniforms?: Record<U, ArrayBufferView<ArrayBuffer>>;
  /** Also what `batch` holds. */
  size: Partial<BatchSize>;
  dispatches: (buffers: Record<S | U | 'batch', GPUBuffer>) => Dispatch[];
}

/** A device for the kernels of a test file; what it compiled once it keeps. */
export class KernelBench {
  readonly gpu: Gpu;
  private readonly pipelines: PipelineCache;

  constructor(gpu: Gpu) {
    this.gpu = gpu;
    this.pipelines = new PipelineCache(gpu);
  }

  /** On the machine's device. */
  static async open(): Promise<KernelBench> {
    return new KernelBench(await testGpu());
  }

  /** Runs the dispatches, in order. @returns every storage buffer as it is then. */
  async run<S extends string, U extends string = never>(
    run: KernelRun<S, U>,
  ): Promise<Record<S, Float32Array<ArrayBuffer>>> {
    const { gpu } = this;
    const memory = new Allocation(gpu);
    const size: BatchSize = { tokens: 0, targets: 0, sequences: 0, examples: 0, ...run.size };
    const counts = Uint32Array.of(size.tokens, size.targets, size.sequences, size.examples);
    const uniforms = Object.entries<ArrayBufferView<ArrayBuffer>>({ ...run.uniforms, batch: counts });
    const contents = Object.entries<ArrayBufferView<ArrayBuffer>>(run.storage);
    const storage = contents.map(([name, data]): [string, GPUBuffer] => [name, memory.upload(name, data)]);
    const uniform = uniforms.map(([name, data]): [string, GPUBuffer] => {
      const buffer = memory.uniform(name, data.byteLength);
      gpu.write(buffer, data);
      return [name, buffer];
    });
    try {
      const buffers = Object.fromEntries([...storage, ...uniform]) as Record<S | U | 'batch', GPUBuffer>;
      gpu.device.pushErrorScope('validation');
      const program = await Program.build(gpu, this.pipelines, run.dispatches(buffers)).finally(() =>
        this.failOnError(),
      );
      gpu.device.pushErrorScope('validation');
      submit(gpu, size, program);
      await this.failOnError();
      const results = storage.map(async ([name, buffer]): Promise<[string, Float32Array<ArrayBuffer>]> => [
        name,
        new Float32Array(await gpu.read(buffer)),
      ]);
      return Object.fromEntries(await Promise.all(results)) as Record<S, Float32Array<ArrayBuffer>>;
    } finally {
      memory.destroy();
    }
  }

  private async failOnError(): Promise<void> {
    const error = await this.gpu.device.popErrorScope();
    if (error) throw new Error(error.message);
  }
}

/** Random [rows, columns] as float32 holds it: device and twin compute with the same numbers. */
export function randomRows(random: HashRandom, rows: number, columns: number, scale = 1): Float64Array {
  return Float64Array.from(random.array32(rows * columns, scale));
}

/**
 * Rows for the device. Kernels that compute eight rows at a time read the rows that fill up the last eight; NaN there
 * shows in whatever they have an influence on.
 */
export function paddedRows(rows: Float64Array, columns: number): Float32Array<ArrayBuffer> {
  const padded = new Float32Array(Math.ceil(rows.length / columns / 8) * 8 * columns).fill(NaN);
  padded.set(rows);
  return padded;
}

/** Untouched rows for a kernel to overwrite, and more that it has to leave alone. */
export function untouchedRows(rows: number, columns: number): Float32Array<ArrayBuffer> {
  return new Float32Array((Math.ceil(rows / 8) * 8 + 8) * columns).fill(UNTOUCHED);
}

/** The rows of `expected` first, and not a value written behind them. */
export function expectRows(
  actual: Float32Array,
  expected: ArrayLike<number>,
  what = 'result',
  tolerance = FLOAT32,
): void {
  expectClose(actual.subarray(0, expected.length), expected, tolerance, what);
  const rest = actual.subarray(expected.length);
  if (rest.length === 0) throw new Error(`${what}: no room to write too far`);
  expect(
    rest.findIndex((value) => value !== UNTOUCHED),
    `${what}: first value written too far`,
  ).toBe(-1);
}

/** Random int4 matrix of every nibble, also those that MLC's quantizer does not use, and groups of zero scale. */
export function randomInt4(
  random: HashRandom,
  rows: number,
  columns: number,
  scale: 'f16' | 'f32',
): Int4Matrix {
  const matrix = seededInt4(random, rows, columns);
  matrix.weight.forEach((_, i) => (matrix.weight[i] = random.bits()));
  const scales = scale === 'f16' ? matrix.scale : random.array32(matrix.scale.length, 0.03);
  for (let i = 5; i < scales.length; i += 11) scales[i] = 0;
  return { ...matrix, scale: scales };
}

/** The matrix's sizes with the buffers it was uploaded to. */
export function int4Buffers(matrix: Int4Matrix, weight: GPUBuffer, scale: GPUBuffer): Int4Buffers {
  const { rows, columns } = matrix;
  return { rows, columns, weight, scale, scaleF16: matrix.scale instanceof Uint16Array };
}

/** The forms of kernels that this device runs, its own first: `name` says what differs from that. */
export function tileForms(own: Tile): { name: string; tile: Tile }[] {
  const forms: { name: string; changes: Partial<Tile> }[] = [
    { name: 'as this device has it', changes: {} },
    {
      name: 'of other heights',
      // Tiles are of 4 rows only.
      changes: { rows: own.rows === 4 ? 16 : 4, tiled: false, attention: own.attention === 8 ? 32 : 8 },
    },
    { name: 'loads shared by four', changes: { lanes: 4, exact: false } },
    { name: 'no loads shared', changes: { lanes: 1 } },
  ];
  return forms
    .filter(({ changes: { lanes = 0 } }) => lanes < own.lanes)
    .map(({ name, changes }) => ({ name, tile: { ...own, ...changes } }));
}
