import { dequantizeInt4 } from '../../../formats/quantize';
import type { Int4Matrix } from '../../../formats/tensors';
import { Allocation } from '../../../gpu/allocation';
import { formOf, type Gpu } from '../../../gpu/device';
import { type BatchSize, type Dispatch, PipelineCache, Program, submit } from '../../../gpu/program';
import { linearRow } from '../../../kernels/decode';
import type { Int4Buffers } from '../../../kernels/int4';
import { linear, linearBackward } from '../../../kernels/linear';
import { type LoraBuffers, loraDown, loraGradA, loraGradB, loraUpBackward } from '../../../kernels/lora';
import { paddedRows } from '../../../model/activations';
import { createRandom, type Random } from '../../../shared/random';
import { type DenseMatrix, jaxChain, jaxLoraStep } from '../peers/jax';
import type { OnnxGraph } from '../peers/onnx';
import { matMulNBits } from '../peers/onnx-decoder';
import { ONNX_FORMS, onnxRuntime, session } from '../peers/onnxruntime';
import { compete, type Contestant } from './rounds';
import { randomInt4 } from './shapes';

/** A model's MLP as the bench takes it: an up projection [wide, narrow] and a down projection [narrow, wide]. */
export interface ProductShape {
  model: string;
  narrow: number;
  wide: number;
}

/** Milliseconds by contestant: `ours` and the peers. Inputs come from the host and results go back to it, for all. */
export interface ProductRow extends ProductShape {
  what: 'product' | 'input gradient' | 'LoRA layer, forward and backward';
  rows: number;
  ms: Record<string, number>;
}

/** Up and down projections in turns, one after the other: long enough for what a call costs to count little. */
const PAIRS = 8;
const RANK = 8;
const SCALE = 2;

/** Times products of one shape, for each number of rows. */
export async function measureProducts(
  gpu: Gpu,
  shape: ProductShape,
  rowCounts: readonly number[],
  rounds: number,
): Promise<ProductRow[]> {
  const { narrow, wide } = shape;
  const random = createRandom(narrow + wide);
  const matrices = { up: randomInt4(random, wide, narrow), down: randomInt4(random, narrow, wide) };
  const [up, down] = [denseOf(matrices.up), denseOf(matrices.down)];
  const results: ProductRow[] = [];
  for (const rows of rowCounts) {
    const memory = new Allocation(gpu);
    const own = new OwnProducts(gpu, memory, matrices, rows, random);
    const x = floats(random, rows * narrow);
    const dy = floats(random, rows * wide);
    const measure = async (
      what: ProductRow['what'],
      products: number,
      contestants: Contestant[],
    ): Promise<void> => {
      const times = await compete(contestants, rounds);
      const ms = Object.fromEntries(
        Object.entries(times.medians()).map(([name, all]) => [name, all / products]),
      );
      results.push({ ...shape, what, rows, ms });
    };
    const forward = await own.forward();
    const chain = await jaxChain(Array.from({ length: PAIRS }, () => [up, down]).flat());
    const onnx = await onnxChains(matrices, x, rows);
    await measure('product', 2 * PAIRS, [
      { name: 'ours', run: () => forward(x) },
      ...onnx.contestants,
      { name: 'jax-js f32', run: () => chain(x, rows) },
    ]);
    await onnx.release();
    if (rows > 1) {
      const backward = await own.backward();
      const [upT, downT] = [transposed(up), transposed(down)];
      const gradient = await jaxChain(Array.from({ length: PAIRS }, () => [upT, downT]).flat());
      await measure('input gradient', 2 * PAIRS, [
        { name: 'ours', run: () => backward(dy) },
        { name: 'jax-js f32', run: () => gradient(dy, rows) },
      ]);
      const step = await own.loraStep();
      const jaxStep = await jaxLoraStep({ w: up.data, ...own.lora });
      await measure('LoRA layer, forward and backward', 1, [
        { name: 'ours', run: () => step(x, dy) },
        { name: 'jax-js f32', run: () => jaxStep(x, dy, rows) },
      ]);
    }
    memory.destroy();
  }
  return results;
}

function uploadInt4(memory: Allocation, name: string, matrix: Int4Matrix): Int4Buffers {
  return {
    rows: matrix.rows,
    columns: matrix.columns,
    weight: memory.upload(`${name}.q_weight`, matrix.weight),
    scale: memory.upload(`${name}.q_scale`, matrix.scale),
    scaleF16: matrix.scale instanceof Uint16Array,
  };
}

function denseOf(matrix: Int4Matrix): DenseMatrix {
  return { data: dequantizeInt4(matrix), rows: matrix.rows, columns: matrix.columns };
}

function transposed({ data, rows, columns }: DenseMatrix): DenseMatrix {
  const t = new Float32Array(data.length);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) t[j * rows + i] = data[i * columns + j] ?? 0;
  }
  return { data: t, rows: columns, columns: rows };
}

/** The project's own kernels for one MLP and number of rows. */
class OwnProducts {
  /** The adapter of the up projection, as a peer takes it. */
  readonly lora: { out: number; in: number; rank: number; scale: number; a: Float32Array; b: Float32Array };
  private readonly gpu: Gpu;
  private readonly size: BatchSize;
  private readonly up: Int4Buffers;
  private readonly down: Int4Buffers;
  private readonly pipelines: PipelineCache;
  private readonly buffers: Record<
    'x' | 'y' | 'dy' | 'dx' | 'xa' | 'dxb' | 'a' | 'b' | 'gradA' | 'gradB',
    GPUBuffer
  >;
  private readonly batch: GPUBuffer;
  private readonly loraUniform: GPUBuffer;

  constructor(
    gpu: Gpu,
    memory: Allocation,
    { up, down }: Record<'up' | 'down', Int4Matrix>,
    rows: number,
    random: Random,
  ) {
    const { rows: wide, columns: narrow } = up;
    this.gpu = gpu;
    this.pipelines = new PipelineCache(gpu);
    this.size = { tokens: rows, targets: 0, sequences: 0, examples: 0 };
    this.lora = {
      out: wide,
      in: narrow,
      rank: RANK,
      scale: SCALE,
      a: floats(random, RANK * narrow),
      b: floats(random, wide * RANK),
    };
    [this.up, this.down] = [uploadInt4(memory, 'up', up), uploadInt4(memory, 'down', down)];
    const padded = paddedRows(rows);
    const sizes = {
      x: padded * narrow,
      y: padded * wide,
      dy: padded * wide,
      dx: padded * narrow,
      xa: padded * RANK,
      dxb: padded * RANK,
      a: RANK * narrow,
      b: wide * RANK,
      gradA: RANK * narrow,
      gradB: wide * RANK,
    };
    this.buffers = Object.fromEntries(
      Object.entries(sizes).map(([name, count]) => [name, memory.storage(name, count * 4)]),
    ) as typeof this.buffers;
    gpu.write(this.buffers.a, this.lora.a as Float32Array<ArrayBuffer>);
    gpu.write(this.buffers.b, this.lora.b as Float32Array<ArrayBuffer>);
    this.batch = memory.uniform('batch', 16);
    gpu.write(this.batch, new Uint32Array([rows, 0, 0, 0]));
    this.loraUniform = memory.uniform('lora', 16);
    gpu.write(this.loraUniform, new Float32Array([SCALE]));
  }

  /** x through all pairs and back into x. */
  async forward(): Promise<(x: Float32Array) => Promise<unknown>> {
    const { x, y, xa } = this.buffers;
    const { loraUniform, batch, gpu, size } = this;
    const product = (matrix: Int4Buffers, from: GPUBuffer, to: GPUBuffer): Dispatch =>
      size.tokens === 1
        ? linearRow({
            tile: formOf(gpu.forms, 'row', matrix),
            matrix,
            loraUniform,
            x: {
              values: from,
              in: matrix.columns,
              norm: null,
              lora: null,
              // There is nothing to share.
              shares: { buffer: xa, offset: 0, block: matrix.columns },
            },
            y: to,
          })
        : linear({
            tile: formOf(gpu.forms, 'batch', matrix),
            matrix,
            lora: null,
            loraUniform,
            x: from,
            y: to,
            batch,
          });
    const pair = [product(this.up, x, y), product(this.down, y, x)];
    const program = await this.build(Array.from({ length: PAIRS }, () => pair).flat());
    return (data) => this.run(program, [[x, data]], [[x, data.length]]);
  }

  /** dy through all pairs and back into dy. */
  async backward(): Promise<(dy: Float32Array) => Promise<unknown>> {
    const { dy, dx } = this.buffers;
    const { loraUniform, batch } = this;
    const gradient = (matrix: Int4Buffers, from: GPUBuffer, to: GPUBuffer): Dispatch =>
      linearBackward({
        tile: formOf(this.gpu.forms, 'batch', matrix),
        matrix,
        lora: null,
        loraUniform,
        dy: from,
        dx: to,
        batch,
      });
    const pair = [gradient(this.up, dy, dx), gradient(this.down, dx, dy)];
    const program = await this.build(Array.from({ length: PAIRS }, () => pair).flat());
    return (data) => this.run(program, [[dy, data]], [[dy, data.length]]);
  }

  /** The product and the gradients of x, A and B. */
  async loraStep(): Promise<(x: Float32Array, dy: Float32Array) => Promise<unknown>> {
    const { x, y, dy, dx, xa, dxb, gradA, gradB } = this.buffers;
    const { up: matrix, loraUniform, batch, gpu, size } = this;
    const { batch: tile } = gpu.forms;
    const whole = (buffer: GPUBuffer) => ({ buffer, offset: 0, size: buffer.size });
    const lora: LoraBuffers = {
      rank: RANK,
      parts: [matrix.rows],
      a: whole(this.buffers.a),
      b: whole(this.buffers.b),
    };
    const common = { tile, lora, loraUniform, batch };
    const product = { tile: formOf(gpu.forms, 'batch', matrix), matrix, loraUniform, batch };
    const program = await this.build([
      loraDown({ tile, lora, in: matrix.columns, x, xa, batch }),
      linear({ ...product, lora: { buffers: lora, xa }, x, y }),
      loraUpBackward({ tile, lora, out: matrix.rows, dy, dxb, batch }),
      linearBackward({ ...product, lora: { buffers: lora, dxb }, dy, dx }),
      loraGradA({ ...common, in: matrix.columns, x, dxb, gradA: whole(gradA) }),
      loraGradB({ ...common, out: matrix.rows, dy, xa, gradB: whole(gradB) }),
    ]);
    return (ofX, ofDy) =>
      this.run(
        program,
        [
          [x, ofX],
          [dy, ofDy],
        ],
        [
          [dx, size.tokens * matrix.columns],
          [gradA, this.lora.a.length],
          [gradB, this.lora.b.length],
        ],
      );
  }

  private build(dispatches: Dispatch[]): Promise<Program> {
    return Program.build(this.gpu, this.pipelines, dispatches);
  }

  private async run(
    program: Program,
    inputs: readonly [GPUBuffer, Float32Array][],
    outputs: readonly [GPUBuffer, number][],
  ): Promise<unknown> {
    for (const [buffer, data] of inputs) this.gpu.write(buffer, data as Float32Array<ArrayBuffer>);
    submit(this.gpu, this.size, program);
    return Promise.all(outputs.map(([buffer, count]) => this.gpu.read(buffer, count * 4)));
  }
}

async function onnxChains(
  matrices: Record<'up' | 'down', Int4Matrix>,
  x: Float32Array,
  rows: number,
): Promise<{ contestants: Contestant[]; release: () => Promise<unknown> }> {
  const contestants: Contestant[] = [];
  const runners: { release: () => Promise<void> }[] = [];
  for (const { name, provider, accuracy } of ONNX_FORMS) {
    const [up, down] = [
      matMulNBits('up', matrices.up, accuracy),
      matMulNBits('down', matrices.down, accuracy),
    ];
    const dims = [rows, matrices.up.columns];
    const graph: OnnxGraph = {
      nodes: Array.from({ length: PAIRS }, (_, i) => [
        up.node(`x${i}`, `y${i}`),
        down.node(`y${i}`, `x${i + 1}`),
      ]).flat(),
      constants: [...up.constants, ...down.constants],
      inputs: [{ name: 'x0', type: 'float32', dims }],
      outputs: [{ name: `x${PAIRS}`, type: 'float32', dims }],
    };
    const { Tensor } = await onnxRuntime(provider);
    const runner = await session(graph, provider);
    const feeds = { x0: new Tensor('float32', x, dims) };
    runners.push(runner);
    contestants.push({ name, run: () => runner.run(feeds) });
  }
  return { contestants, release: () => Promise.all(runners.map((runner) => runner.release())) };
}

function floats(random: Random, count: number): Float32Array<ArrayBuffer> {
  return Float32Array.from({ length: count }, () => random.float() * 2 - 1);
}
