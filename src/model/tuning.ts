import { Allocation } from '../gpu/allocation';
import { type Forms, type Gpu, shapeKey, type Tile } from '../gpu/device';
import { type Dispatch, encode, Program } from '../gpu/program';
import { linearRow, linearRowSource } from '../kernels/decode';
import type { Int4Buffers } from '../kernels/int4';
import { linear, linearBackward, linearBackwardSource, linearSource } from '../kernels/linear';
import { required } from '../shared/assert';
import { sha256 } from '../shared/sha256';
import { paddedRows } from './activations';
import type { ModelRuntime } from './runtime';
import type { ModelWeights } from './weights';

/** A form and what it takes. */
export interface MeasuredForm {
  what: 'batch' | 'row';
  /** Of the matrix: `shapeKey`. */
  shape: string;
  tile: Tile;
  ms: number;
}

const ROWS = 64;
const ROUNDS = 3;
/** Milliseconds that a submit should take for its time to mean something. */
const LONG_ENOUGH = 8;
const MOST_REPEATS = 64;

/**
 * Times every form that this device can run: a product of 64 rows with a model's gate and up projection and its gradient,
 * and a product of one row with each shape of its matrices. What is multiplied are zeros, which take as long as anything.
 */
export async function measureForms(runtime: ModelRuntime): Promise<MeasuredForm[]> {
  const { gpu, pipelines, weights } = runtime;
  const shapes = shapesOf(weights);
  const memory = new Allocation(gpu);
  const { gate_up_proj: wide } = required(weights.layers[0], 'layer').linears;
  const floats = Math.max(paddedRows(ROWS) * Math.max(wide.rows, wide.columns), weights.head.rows);
  const [x, y] = ['x', 'y'].map((name) => memory.storage(`tuning ${name}`, floats * 4)) as [
    GPUBuffer,
    GPUBuffer,
  ];
  const shares = memory.storage('tuning shares', 16);
  const batch = memory.uniform('tuning batch', 16);
  gpu.write(batch, new Uint32Array([ROWS, 0, 0, 0]));
  const loraUniform = memory.uniform('tuning lora', 16);
  const programs = {
    batch: (tile: Tile, matrix: Int4Buffers): Dispatch[] => [
      linear({ tile, matrix, lora: null, loraUniform, x, y, batch }),
      linearBackward({ tile, matrix, lora: null, loraUniform, dy: y, dx: x, batch }),
    ],
    row: (tile: Tile, matrix: Int4Buffers): Dispatch[] => {
      const { columns } = matrix;
      const input = { values: x, in: columns, norm: null, lora: null };
      return [
        linearRow({
          tile,
          matrix,
          loraUniform,
          x: { ...input, shares: { buffer: shares, offset: 0, block: columns } },
          y,
        }),
      ];
    },
  };
  const measured: MeasuredForm[] = [];
  const measure = async (what: MeasuredForm['what'], matrix: Int4Buffers): Promise<void> => {
    for (const tile of candidates(gpu.forms[what], what)) {
      const program = await Program.build(gpu, pipelines, programs[what](tile, matrix));
      measured.push({ what, shape: shapeKey(matrix), tile, ms: await timeOf(gpu, program) });
    }
  };
  try {
    await measure('batch', wide);
    for (const matrix of shapes.values()) await measure('row', matrix);
  } finally {
    memory.destroy();
  }
  return measured;
}

/** The fastest form for each; what has no shape of its own takes that of the first one measured. */
export function fastest(measured: readonly MeasuredForm[]): Forms {
  const best = (forms: readonly MeasuredForm[]): Tile =>
    required([...forms].sort((a, b) => a.ms - b.ms)[0], 'form').tile;
  const of = (what: MeasuredForm['what']): MeasuredForm[] => measured.filter((form) => form.what === what);
  const rows = of('row');
  const shapes = Object.fromEntries(
    rows.map(({ shape }) => [shape, best(rows.filter((form) => form.shape === shape))]),
  );
  return { batch: best(of('batch')), row: required(Object.values(shapes)[0], 'form'), shapes };
}

/** Names the device, the kernels and the matrices: what was measured holds for no others. */
export async function formsKey({ gpu, weights }: Pick<ModelRuntime, 'gpu' | 'weights'>): Promise<string> {
  const { info, forms } = gpu;
  const { vendor, architecture, description, features } = info;
  const kernels = [linearSource(forms.batch), linearBackwardSource(forms.batch), linearRowSource(forms.row)];
  return sha256(
    JSON.stringify([vendor, architecture, description, features, kernels, ...shapesOf(weights).keys()]),
  );
}

/** A matrix of each shape that is multiplied with one row. */
function shapesOf({ layers, head }: ModelWeights): Map<string, Int4Buffers> {
  const matrices = [...Object.values(required(layers[0], 'layer').linears), head];
  return new Map(matrices.map((matrix) => [shapeKey(matrix), matrix]));
}

/** With shared loads and without; of both heights where there are many rows; with sums that threads share where there is one. */
function candidates(own: Tile, what: MeasuredForm['what']): Tile[] {
  const lanes = own.lanes === 1 ? ([1] as const) : ([own.lanes, 1] as const);
  if (what === 'batch') {
    return lanes.flatMap((each) => ([4, 16] as const).map((rows) => ({ ...own, lanes: each, rows })));
  }
  const whole = lanes.map((each): Tile => ({ ...own, lanes: each, split: 1 }));
  const split = ([8, 32] as const).map((threads): Tile => ({ ...own, split: threads }));
  return [...whole, ...split];
}

/** Least milliseconds of a program, after it has run once. */
async function timeOf(gpu: Gpu, program: Program): Promise<number> {
  const run = async (repeats: number): Promise<number> => {
    const encoder = gpu.device.createCommandEncoder();
    const size = { tokens: ROWS, targets: 0, sequences: 0, examples: 0 };
    encode(gpu, encoder, size, ...Array.from({ length: repeats }, () => program));
    const started = performance.now();
    gpu.device.queue.submit([encoder.finish()]);
    await gpu.device.queue.onSubmittedWorkDone();
    return (performance.now() - started) / repeats;
  };
  await run(1);
  const repeats = Math.min(MOST_REPEATS, Math.ceil(LONG_ENOUGH / Math.max(await run(1), 0.01)));
  const times: number[] = [];
  for (let round = 0; round < ROUNDS; round++) times.push(await run(repeats));
  return Math.min(...times);
}
