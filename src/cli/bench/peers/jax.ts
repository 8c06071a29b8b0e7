import type * as Jax from '@jax-js/jax';
import { provideNavigator } from './navigator';

type JaxArray = Jax.numpy.Array;

let opened: Promise<typeof Jax> | undefined;

/** jax-js on Dawn's WebGPU. */
function jax(): Promise<typeof Jax> {
  return (opened ??= open());
}

async function open(): Promise<typeof Jax> {
  provideNavigator();
  const library = await import('@jax-js/jax');
  await library.init('webgpu');
  library.defaultDevice('webgpu');
  return library;
}

/** x[rows, columns] as jax-js keeps it. */
async function matrixOf(data: Float32Array, rows: number, columns: number): Promise<JaxArray> {
  const { numpy } = await jax();
  return numpy.array(data as Float32Array<ArrayBuffer>).reshape([rows, columns]);
}

/** A matrix in f32. */
export interface DenseMatrix {
  /** [rows, columns] */
  data: Float32Array;
  rows: number;
  columns: number;
}

/** x·M₁ᵀ·M₂ᵀ… in f32, compiled as one function, with x from the host and the result back to it. */
export async function jaxChain(
  matrices: readonly DenseMatrix[],
): Promise<(x: Float32Array, rows: number) => Promise<Float32Array>> {
  const { jit, numpy } = await jax();
  const distinct = [...new Set(matrices)];
  const weights = await Promise.all(distinct.map(({ data, rows, columns }) => matrixOf(data, rows, columns)));
  const order = matrices.map((matrix) => distinct.indexOf(matrix));
  const multiply = jit((x: JaxArray, ms: JaxArray[]) => {
    const result = order.reduce((y, i) => numpy.matmul(y, (ms[i] as JaxArray).ref.transpose()), x);
    for (const m of ms) m.dispose();
    return result;
  });
  const columns = matrices[0]?.columns ?? 0;
  return async (x, rows) => {
    const y = multiply(
      await matrixOf(x, rows, columns),
      weights.map((m) => m.ref),
    );
    return (await y.data()) as Float32Array;
  };
}

export interface LoraArrays {
  /** [out, in] */
  w: Float32Array;
  out: number;
  in: number;
  rank: number;
  scale: number;
  /** [rank, in] */
  a: Float32Array;
  /** [out, rank] */
  b: Float32Array;
}

/** Gradients of x, A and B of Σ dy·(x·Wᵀ + s·(x·Aᵀ)·Bᵀ) by jax-js's autodiff, read back to the host. */
export async function jaxLoraStep(
  arrays: LoraArrays,
): Promise<(x: Float32Array, dy: Float32Array, rows: number) => Promise<Float32Array[]>> {
  const { grad, jit, numpy } = await jax();
  const { out, in: columns, rank, scale } = arrays;
  const w = await matrixOf(arrays.w, out, columns);
  const a = await matrixOf(arrays.a, rank, columns);
  const b = await matrixOf(arrays.b, out, rank);
  const loss = (x: JaxArray, aOf: JaxArray, bOf: JaxArray, wOf: JaxArray, dy: JaxArray): JaxArray => {
    const base = numpy.matmul(x.ref, wOf.transpose());
    const delta = numpy.matmul(numpy.matmul(x, aOf.transpose()), bOf.transpose());
    return numpy.sum(dy.mul(base.add(delta.mul(scale))));
  };
  const gradients = jit(grad(loss, { argnums: [0, 1, 2] }));
  return async (x, dy, rows) => {
    const results = gradients(
      await matrixOf(x, rows, columns),
      a.ref,
      b.ref,
      w.ref,
      await matrixOf(dy, rows, out),
    ) as JaxArray[];
    return Promise.all(results.map(async (result) => (await result.data()) as Float32Array));
  };
}
