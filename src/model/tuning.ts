import { Allocation } from '../gpu/allocation';
import { type Forms, type Gpu, type ProductForms, shapeKey, type Tile } from '../gpu/device';
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
  what: keyof ProductForms;
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
 * Times every form that this device can run with each shape of a model's matrices: a product of 64 rows and its gradient,
 * and a product of one row. What is multiplied are zeros, which take as long as anything.
 */
export async function measureForms(runtime: ModelRuntime): Promise<MeasuredForm[]> {
  const { gpu, pipelines, weights } = runtime;
  const shapes = shapesOf(weights);
  const memory = new Allocation(gpu);
  const widest = Math.max(...[...shapes.values()].flatMap(({ rows, columns }) => [rows, columns]));
  const floats = paddedRows(ROWS) * widest;
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
  try {
    const kinds = ['batch', 'row'] as const;
    const forms = [...shapes.values()].flatMap((matrix) =>
      kinds.flatMap((what) => candidates(gpu.forms[what], what).map((tile) => ({ matrix, what, tile }))),
    );
    // Compiled together: one after the other would keep the page waiting.
    const built = await Promise.all(
      forms.map(({ matrix, what, tile }) => Program.build(gpu, pipelines, programs[what](tile, matrix))),
    );
    for (const [i, { matrix, what, tile }] of forms.entries()) {
      const ms = await timeOf(gpu, required(built[i], 'program'));
      measured.push({ what, shape: shapeKey(matrix), tile, ms });
    }
  } finally {
    memory.destroy();
  }
  return measured;
}

/**
 * The fastest forms for each shape. What multiplies no matrix, or one of another shape, takes those that are fastest for
 * all together.
 */
export function fastest(measured: readonly MeasuredForm[]): Forms {
  const shapes = new Set(measured.map(({ shape }) => shape));
  return {
    ...fastestOfAll(measured),
    shapes: Object.fromEntries(
      [...shapes].map((shape) => [shape, fastestOfAll(measured.filter((form) => form.shape === shape))]),
    ),
  };
}

function fastestOfAll(measured: readonly MeasuredForm[]): ProductForms {
  const of = (what: MeasuredForm['what']): Tile => {
    const totals = new Map<string, { tile: Tile; ms: number }>();
    for (const { tile, ms } of measured.filter((form) => form.what === what)) {
      const key = JSON.stringify(tile);
      totals.set(key, { tile, ms: ms + (totals.get(key)?.ms ?? 0) });
    }
    return required([...totals.values()].sort((a, b) => a.ms - b.ms)[0], 'form').tile;
  };
  return { batch: of('batch'), row: of('row') };
}

/** Names the device, the kernels and the matrices: what was measured holds for no others. */
export async function formsKey({ gpu, weights }: Pick<ModelRuntime, 'gpu' | 'weights'>): Promise<string> {
  const { info, forms } = gpu;
  const { vendor, architecture, description, features } = info;
  const kernels = [
    ...candidates(forms.batch, 'batch').flatMap((tile) => [linearSource(tile), linearBackwardSource(tile)]),
    ...candidates(forms.row, 'row').map((tile) => linearRowSource(tile)),
  ];
  return sha256(
    JSON.stringify([vendor, architecture, description, features, kernels, ...shapesOf(weights).keys()]),
  );
}

/** A matrix of each shape. */
function shapesOf({ layers, head }: ModelWeights): Map<string, Int4Buffers> {
  const matrices = [...Object.values(required(layers[0], 'layer').linears), head];
  return new Map(matrices.map((matrix) => [shapeKey(matrix), matrix]));
}

/** With shared loads and without; by tiles where there are many rows, with sums that threads share where there is one. */
function candidates(own: Tile, what: MeasuredForm['what']): Tile[] {
  const lanes = own.lanes === 1 ? ([1] as const) : ([own.lanes, 1] as const);
  if (what === 'batch') {
    const untiled = lanes.map((each): Tile => ({ ...own, lanes: each, tiled: false }));
    return [...untiled, { ...own, rows: 4, tiled: true }];
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
