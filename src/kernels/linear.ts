import backwardShader from '../../shaders/backward/linear_backward.wgsl?raw';
import backwardLanes from '../../shaders/backward/linear_backward_lanes.wgsl?raw';
import backwardTiles from '../../shaders/backward/linear_backward_tiles.wgsl?raw';
import shader from '../../shaders/forward/linear.wgsl?raw';
import lanes from '../../shaders/forward/linear_lanes.wgsl?raw';
import tiles from '../../shaders/forward/linear_tiles.wgsl?raw';
import type { Tile } from '../gpu/device';
import { type Dispatch, type KernelSource, workgroups } from '../gpu/program';
import type { Int4Buffers } from './int4';
import { type LoraBuffers, partConstants } from './lora';
import { type ActivationType, type LibraryPiece, tiledSource } from './sources';

/** What a workgroup computes. Where lanes share loads, wider ones gain the software rasterizers nothing. */
function blockOf({ tiled, rows }: Tile): { threads: number; rows: number; columns: number } {
  return tiled ? { threads: 64, rows: 32, columns: 64 } : { threads: 32, rows, columns: 32 * 8 };
}

function gridOf(tile: Tile, tokens: number, columns: number): [number, number] {
  const block = blockOf(tile);
  return [workgroups(columns, block.columns), workgroups(tokens, block.rows)];
}

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
  const code = `${shader}\n${tile.tiled ? tiles : lanes}`;
  const pieces = [`activation_${type}`, 'lora_inner', 'lora_up', ...piecesOf(tile)] as const;
  return tiledSource(tile, 'linear', code, { shared: ['x'] }, ...pieces);
}

export function linearBackwardSource(tile: Tile): KernelSource {
  const code = `${backwardShader}\n${tile.tiled ? backwardTiles : backwardLanes}`;
  return tiledSource(tile, 'linear_backward', code, { shared: ['dy'] }, ...piecesOf(tile));
}

function piecesOf({ tiled }: Tile): LibraryPiece[] {
  return ['batch', 'int4', 'lora', tiled ? 'product_tiles' : 'product_lanes'];
}

/** y[T, out] = x·Wᵀ + LoRA (+ residual) for T rows. */
export function linear(args: LinearArgs): Dispatch {
  const { tile, matrix, lora, x, type = 'f32' } = args;
  return {
    kernel: linearSource(tile, type),
    constants: {
      IN: matrix.columns,
      OUT: matrix.rows,
      WORKGROUP: blockOf(tile).threads,
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
    grid: ({ tokens }) => gridOf(tile, tokens, matrix.rows),
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
  const { tile, matrix, lora, dy } = args;
  return {
    kernel: linearBackwardSource(tile),
    constants: {
      IN: matrix.columns,
      OUT: matrix.rows,
      WORKGROUP: blockOf(tile).threads,
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
    grid: ({ tokens }) => gridOf(tile, tokens, matrix.columns),
  };
}
