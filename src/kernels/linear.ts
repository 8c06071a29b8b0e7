import backwardShader from '../../shaders/backward/linear_backward.wgsl?raw';
import shader from '../../shaders/forward/linear.wgsl?raw';
import type { Tile } from '../gpu/device';
import { type Dispatch, type KernelSource, workgroups } from '../gpu/program';
import type { Int4Buffers } from './int4';
import { type LoraBuffers, partConstants } from './lora';
import { type ActivationType, tiledSource } from './sources';

/** A workgroup is one subgroup of the software rasterizers; wider ones gain nothing there. */
const WORKGROUP = 32;

interface LinearArgs {
  tile: Tile;
  matrix: Int4Buffers;
  /** With its inner products XA, from `loraDown`. */
  lora: { buffers: LoraBuffers; xa: GPUBuffer } | null;
  /** The adapter's scale, bound even where no LoRA is. */
  loraUniform: GPUBuffer;
  x: GPUBuffer;
  /** Type of x. */
  type?: ActivationType;
  y: GPUBuffer;
  /** Added to the product; may not be y. */
  residual?: GPUBuffer;
  batch: GPUBuffer;
}

/** The text of `linear`, and of `linearBackward`. */
export function linearSource(tile: Tile, type: ActivationType = 'f32'): KernelSource {
  const pieces = ['batch', `activation_${type}`, 'int4', 'lora', 'lora_inner', 'lora_up'] as const;
  return tiledSource(tile, 'linear', shader, { shared: ['x'] }, ...pieces);
}

export function linearBackwardSource(tile: Tile): KernelSource {
  return tiledSource(tile, 'linear_backward', backwardShader, { shared: ['dy'] }, 'batch', 'int4', 'lora');
}

/** y[T, out] = x·Wᵀ + LoRA (+ residual) for T rows. */
export function linear(args: LinearArgs): Dispatch {
  const { tile, matrix, lora, x, type = 'f32' } = args;
  return {
    kernel: linearSource(tile, type),
    constants: {
      IN: matrix.columns,
      OUT: matrix.rows,
      WORKGROUP,
      SCALE_F16: matrix.scaleF16,
      RESIDUAL: args.residual !== undefined,
      LORA: lora !== null,
      ...partConstants(lora?.buffers ?? null),
    },
    // What is not used is bound to x, which is read too.
    bindings: {
      weight: matrix.weight,
      scale: matrix.scale,
      x,
      xa: lora?.xa ?? x,
      lora_b: lora?.buffers.b ?? x,
      residual: args.residual ?? x,
      y: args.y,
      lora: args.loraUniform,
      batch: args.batch,
    },
    grid: ({ tokens }) => [workgroups(matrix.rows / 8, WORKGROUP), workgroups(tokens, tile.rows)],
  };
}

interface BackwardArgs {
  tile: Tile;
  matrix: Int4Buffers;
  /** With dXB, from `loraUpBackward`. */
  lora: { buffers: LoraBuffers; dxb: GPUBuffer } | null;
  /** The adapter's scale, bound even where no LoRA is. */
  loraUniform: GPUBuffer;
  dy: GPUBuffer;
  dx: GPUBuffer;
  batch: GPUBuffer;
}

/** dx[T, in] = dy·W + LoRA: the input gradient of `linear`. */
export function linearBackward(args: BackwardArgs): Dispatch {
  const { matrix, lora, dy } = args;
  return {
    kernel: linearBackwardSource(args.tile),
    constants: {
      IN: matrix.columns,
      OUT: matrix.rows,
      WORKGROUP,
      SCALE_F16: matrix.scaleF16,
      LORA: lora !== null,
      INNER: lora ? lora.buffers.rank * lora.buffers.parts.length : 0,
    },
    bindings: {
      weight: matrix.weight,
      scale: matrix.scale,
      dy,
      dxb: lora?.dxb ?? dy,
      lora_a: lora?.buffers.a ?? dy,
      dx: args.dx,
      lora: args.loraUniform,
      batch: args.batch,
    },
    grid: ({ tokens }) => [workgroups(matrix.columns / 8, WORKGROUP), workgroups(tokens, args.tile.rows)],
  };
}
