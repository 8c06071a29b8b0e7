import { Allocation } from '../gpu/allocation';
import type { Forms, Gpu, Tile } from '../gpu/device';
import { type Dispatch, encode, Program } from '../gpu/program';
import { linearRow, linearRowSource, rowBlock } from '../kernels/decode';
import { linear, linearBackward, linearBackwardSource, linearSource } from '../kernels/linear';
import { required } from '../shared/assert';
import { sha256 } from '../shared/sha256';
import { paddedRows } from './activations';
import type { ModelRuntime } from './runtime';

/** A form and what it takes. */
export interface MeasuredForm {
  what: keyof Forms;
  tile: Tile;
  ms: number;
}

const ROWS = 64;
const ROUNDS = 3;
/** Milliseconds that a submit should take for its time to mean something. */
const LONG_ENOUGH = 8;
const MOST_REPEATS = 64;

/**
 * Times every form that this device can run on a model's gate and up projection: a product of 64 rows and its gradient,
 * and a product of one row. What is multiplied are zeros, which take as long as anything.
 */
export async function measureForms(runtime: ModelRuntime): Promise<MeasuredForm[]> {
  const { gpu, pipelines, weights } = runtime;
  const matrix = required(weights.layers[0], 'layer').linears.gate_up_proj;
  const memory = new Allocation(gpu);
  const x = memory.storage('tuning x', paddedRows(ROWS) * matrix.columns * 4);
  const y = memory.storage('tuning y', paddedRows(ROWS) * matrix.rows * 4);
  const shares = memory.storage('tuning shares', 16);
  const batch = memory.uniform('tuning batch', 16);
  gpu.write(batch, new Uint32Array([ROWS, 0, 0, 0]));
  const loraUniform = memory.uniform('tuning lora', 16);
  const programs: Record<keyof Forms, (tile: Tile) => Dispatch[]> = {
    batch: (tile) => [
      linear({ tile, matrix, lora: null, loraUniform, x, y, batch }),
      linearBackward({ tile, matrix, lora: null, loraUniform, dy: y, dx: x, batch }),
    ],
    row: (tile) => [
      linearRow({
        tile,
        matrix,
        loraUniform,
        x: {
          values: x,
          in: matrix.columns,
          norm: null,
          lora: null,
          shares: { buffer: shares, offset: 0, block: rowBlock(tile) },
        },
        y,
      }),
    ],
  };
  const measured: MeasuredForm[] = [];
  try {
    for (const what of ['batch', 'row'] as const) {
      for (const tile of candidates(gpu.forms[what], what)) {
        const program = await Program.build(gpu, pipelines, programs[what](tile));
        measured.push({ what, tile, ms: await timeOf(gpu, program) });
      }
    }
  } finally {
    memory.destroy();
  }
  return measured;
}

/** The fastest form for each. */
export function fastest(measured: readonly MeasuredForm[]): Forms {
  const of = (what: keyof Forms): Tile => {
    const [best] = measured.filter((form) => form.what === what).sort((a, b) => a.ms - b.ms);
    return required(best, what).tile;
  };
  return { batch: of('batch'), row: of('row') };
}

/** Names the device and the kernels: what was measured holds for no others. */
export async function formsKey({ info, forms }: Gpu): Promise<string> {
  const { vendor, architecture, description, features } = info;
  const kernels = [linearSource(forms.batch), linearBackwardSource(forms.batch), linearRowSource(forms.row)];
  return sha256(JSON.stringify([vendor, architecture, description, features, kernels]));
}

/** With shared loads and without; of both heights where there are many rows; with sums that threads share where there is one. */
function candidates(own: Tile, what: keyof Forms): Tile[] {
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
