import gradAShader from '../../shaders/backward/lora_grad_a.wgsl?raw';
import gradBShader from '../../shaders/backward/lora_grad_b.wgsl?raw';
import upBackwardShader from '../../shaders/backward/lora_up_backward.wgsl?raw';
import downShader from '../../shaders/forward/lora_down.wgsl?raw';
import type { Tile } from '../gpu/device';
import { type BufferSlice, type Dispatch, workgroups } from '../gpu/program';
import { type ActivationType, tiledSource } from './sources';

/** LoRA of one stacked matrix on the device, as the kernels take it. */
export interface LoraBuffers {
  /** Multiple of 4. */
  rank: number;
  /** Rows of each stacked part. */
  parts: readonly number[];
  /** A [parts · rank, in] and B [out, rank], slices of an arena. */
  a: BufferSlice;
  b: BufferSlice;
}

/** The constants that tell a column's part; at most three parts. */
export function partConstants(lora: Pick<LoraBuffers, 'rank' | 'parts'> | null): Record<string, number> {
  const { rank, parts } = lora ?? { rank: 4, parts: [] };
  const [first = 0, second = 0, third = 0] = parts;
  return {
    RANK: rank,
    PARTS: parts.length,
    PART_END_0: first,
    PART_END_1: parts.length > 2 ? first + second : first + second + third,
  };
}

/** Inner products of a row: columns of XA. */
export function inner(lora: LoraBuffers): number {
  return lora.rank * lora.parts.length;
}

/** xa[T, parts·rank] = x·Aᵀ; `in` is the width of x. */
export function loraDown(args: {
  tile: Tile;
  lora: LoraBuffers;
  in: number;
  x: GPUBuffer;
  /** Type of x. */
  type?: ActivationType;
  xa: GPUBuffer;
  batch: GPUBuffer;
}): Dispatch {
  const workgroup = 8;
  const { type = 'f32' } = args;
  return {
    kernel: tiledSource(args.tile, 'lora_down', downShader, { shared: ['x'] }, `activation_${type}`, 'batch'),
    constants: { IN: args.in, OUT: inner(args.lora), WORKGROUP: workgroup },
    bindings: { x: args.x, lora_a: args.lora.a, xa: args.xa, batch: args.batch },
    grid: ({ tokens }) => [workgroups(inner(args.lora), workgroup), workgroups(tokens, 8)],
  };
}

/** dxb[T, parts·rank] = dy·B; `out` is the width of dy. */
export function loraUpBackward(args: {
  tile: Tile;
  lora: LoraBuffers;
  out: number;
  dy: GPUBuffer;
  dxb: GPUBuffer;
  batch: GPUBuffer;
}): Dispatch {
  return {
    kernel: tiledSource(args.tile, 'lora_up_backward', upBackwardShader, { shared: ['lora_b'] }, 'batch'),
    constants: { OUT: args.out, ...partConstants(args.lora) },
    bindings: { dy: args.dy, lora_b: args.lora.b, dxb: args.dxb, batch: args.batch },
    grid: ({ tokens }) => [workgroups(tokens, 32), args.lora.parts.length, workgroups(args.lora.rank, 8)],
  };
}

/** grad_b[out, rank] += s·dyᵀ·xa. */
export function loraGradB(args: {
  tile: Tile;
  lora: LoraBuffers;
  out: number;
  dy: GPUBuffer;
  xa: GPUBuffer;
  gradB: BufferSlice;
  loraUniform: GPUBuffer;
  batch: GPUBuffer;
}): Dispatch {
  return {
    kernel: tiledSource(args.tile, 'lora_grad_b', gradBShader, { shared: ['xa'] }, 'batch', 'lora'),
    constants: { OUT: args.out, ...partConstants(args.lora) },
    bindings: { dy: args.dy, xa: args.xa, grad_b: args.gradB, lora: args.loraUniform, batch: args.batch },
    grid: () => [args.out / 32, workgroups(args.lora.rank, 8)],
  };
}

/** grad_a[parts·rank, in] += s·dxbᵀ·x. */
export function loraGradA(args: {
  tile: Tile;
  lora: LoraBuffers;
  in: number;
  x: GPUBuffer;
  dxb: GPUBuffer;
  gradA: BufferSlice;
  loraUniform: GPUBuffer;
  batch: GPUBuffer;
}): Dispatch {
  return {
    kernel: tiledSource(args.tile, 'lora_grad_a', gradAShader, { shared: ['dxb'] }, 'batch', 'lora'),
    constants: { IN: args.in, INNER: inner(args.lora) },
    bindings: { x: args.x, dxb: args.dxb, grad_a: args.gradA, lora: args.loraUniform, batch: args.batch },
    grid: () => [args.in / 32, workgroups(inner(args.lora), 8)],
  };
}
