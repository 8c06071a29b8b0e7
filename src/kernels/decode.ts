import attentionShader from '../../shaders/decode/attention_row.wgsl?raw';
import embedShader from '../../shaders/decode/embed_row.wgsl?raw';
import linearShader from '../../shaders/decode/linear_row.wgsl?raw';
import packShader from '../../shaders/decode/pack_halves.wgsl?raw';
import type { Tile } from '../gpu/device';
import { type Dispatch, type KernelSource, workgroups } from '../gpu/program';
import { type AttentionShape, attentionConstants } from './attention';
import type { Int4Buffers } from './int4';
import { inner, type LoraBuffers, partConstants } from './lora';
import type { NormWeights } from './rms-norm';
import { kernelSource, tiledSource } from './sources';

/** Columns that a workgroup writes: few threads of a CPU compute many; a GPU wants many threads, and few columns for each. */
const BLOCKS = { 1: 128, 8: 64, 32: 16 } as const;

/** Columns of a row that a workgroup makes. */
export function rowBlock({ split }: Tile): number {
  return BLOCKS[split];
}

/** A row that a product reads, and what of the product begins where the row is made: shaders/lib/lora_shares.wgsl */
export interface RowInput {
  /** [in] */
  values: GPUBuffer;
  in: number;
  /** Applied on the way to the product. */
  norm: NormWeights | null;
  /** In halves: `packHalves`. */
  lora: LoraBuffers | null;
  shares: Shares;
}

/** [in / block, inner products (+ 1)]: each workgroup's share. */
interface Shares {
  /** Of all rows alike: a product reads its input's shares from the buffer into which it writes those of its result. */
  buffer: GPUBuffer;
  /** Floats in front. */
  offset: number;
  /** Values of the row that a workgroup makes. */
  block: number;
}

/**
 * What is known of the product that reads a row; null is none.
 * @param threads of the workgroup that makes `block` values of it.
 */
function nextConstants(
  tile: Tile,
  next: RowInput | null,
  { threads, block }: { threads: number; block: number },
): Dispatch['constants'] {
  return {
    THREADS: threads,
    BLOCK: block,
    SLICES: next?.lora ? slicesOf(tile, { threads, block, inner: inner(next.lora) }) : 1,
    NEXT_IN: next?.in ?? 0,
    NEXT_INNER: next?.lora ? inner(next.lora) : 0,
    NEXT_NORM: Boolean(next?.norm),
    NEXT_SHARES: next?.shares.offset ?? 0,
  };
}

/** How many threads compute one share of an inner product: as many as there are, in slices of whole loads. */
function slicesOf(
  { lanes, exact }: Tile,
  { threads, block, inner }: { threads: number; block: number; inner: number },
): number {
  // Lanes that share loads walk through the block together.
  if (lanes > 1 && !exact) return 1;
  let slices = 1;
  while (threads / (2 * slices) >= Math.max(lanes, inner) && block % (16 * slices) === 0) slices *= 2;
  return slices;
}

const PACK_GROUPS = 1024;

/** halves = the `count` numbers of floats, an even one, in f16. */
export function packHalves(args: { count: number; floats: GPUBuffer; halves: GPUBuffer }): Dispatch {
  const pairs = args.count / 2;
  const groups = Math.min(workgroups(pairs, 64), PACK_GROUPS);
  return {
    kernel: kernelSource('pack_halves', packShader),
    constants: { PAIRS: pairs, STRIDE: groups * 64 },
    bindings: { floats: args.floats, halves: args.halves },
    grid: () => [groups],
  };
}

/** x = the token's embedding, for the first layer's product, which norms it. */
export function embedRow(args: {
  tile: Tile;
  embedding: Int4Buffers;
  loraUniform: GPUBuffer;
  tokens: GPUBuffer;
  x: RowInput;
}): Dispatch {
  const { tile, embedding, loraUniform, tokens, x } = args;
  const { block } = x.shares;
  return {
    kernel: tiledSource(
      tile,
      'embed_row',
      embedShader,
      { shared: [], computed: ['block'] },
      'int4',
      'lora',
      'lora_shares',
      'token',
    ),
    constants: {
      D: embedding.columns,
      VOCAB: embedding.rows,
      SCALE_F16: embedding.scaleF16,
      ...nextConstants(tile, x, { threads: Math.max(32, block / 4), block }),
    },
    bindings: {
      weight: embedding.weight,
      scale: embedding.scale,
      tokens,
      x: x.values,
      norm: x.norm?.weight ?? embedding.scale,
      next_a: x.lora?.a ?? embedding.scale,
      shares: x.shares.buffer,
      lora: loraUniform,
    },
    grid: () => [workgroups(embedding.columns, block)],
  };
}

/** Threads that share a sum read different parts of the row: nothing to share among lanes. */
function linearForm(tile: Tile): Tile {
  return tile.split === 1 ? tile : { ...tile, lanes: 1 };
}

/** The text of `linearRow`. */
export function linearRowSource(tile: Tile): KernelSource {
  const written = { shared: [], computed: ['x', 'block'] };
  return tiledSource(
    linearForm(tile),
    'linear_row',
    linearShader,
    written,
    'int4',
    'lora',
    'lora_shares',
    'lora_inner',
  );
}

/**
 * y = the adapted product of x, added to what y holds (`add`), or with `swiglu` silu of its first half times its second.
 * @param args.y a row for another product, or one that nothing of this kind reads; norms either what it reads or what it
 *   writes.
 */
export function linearRow(args: {
  tile: Tile;
  matrix: Int4Buffers;
  loraUniform: GPUBuffer;
  x: RowInput;
  y: RowInput | GPUBuffer;
  add?: boolean;
  swiglu?: boolean;
}): Dispatch {
  const { tile, matrix, x, y, swiglu = false } = args;
  const next = 'values' in y ? y : null;
  const out = swiglu ? matrix.rows / 2 : matrix.rows;
  return {
    kernel: linearRowSource(tile),
    constants: {
      IN: matrix.columns,
      OUT: out,
      SPLIT: tile.split,
      SCALE_F16: matrix.scaleF16,
      NORM: x.norm !== null,
      eps: x.norm?.eps ?? 0,
      ADD: args.add ?? false,
      SWIGLU: swiglu,
      LORA: x.lora !== null,
      ...partConstants(x.lora),
      SHARES: x.shares.offset,
      SHARE_COUNT: workgroups(x.in, x.shares.block),
      NEXT: next !== null,
      ...nextConstants(linearForm(tile), next, {
        threads: (rowBlock(tile) / 4) * tile.split,
        block: rowBlock(tile),
      }),
    },
    // What is not used is bound to the scales, which are read too.
    bindings: {
      weight: matrix.weight,
      scale: matrix.scale,
      x: x.values,
      lora_b: x.lora?.b ?? matrix.scale,
      y: next ? next.values : (y as GPUBuffer),
      norm: (x.norm ?? next?.norm)?.weight ?? matrix.scale,
      next_a: next?.lora?.a ?? matrix.scale,
      shares: x.shares.buffer,
      lora: args.loraUniform,
    },
    grid: () => [workgroups(out, rowBlock(tile))],
  };
}

/** Appends the token's key and value to the cache and attends with its query. */
export function attentionRow(args: {
  tile: Tile;
  shape: AttentionShape;
  loraUniform: GPUBuffer;
  tokens: GPUBuffer;
  /** (cos, sin) [positions, head_dim / 2] */
  rotation: GPUBuffer;
  /** [(heads + 2·kv_heads)·head_dim], as the product left it. */
  qkv: GPUBuffer;
  /** [kv_heads][capacity][head_dim], rotated */
  keys: GPUBuffer;
  values: GPUBuffer;
  /** [heads·head_dim], the heads of a key a block */
  out: RowInput;
}): Dispatch {
  const { tile, shape, loraUniform, tokens, rotation, qkv, keys, values, out } = args;
  const group = shape.heads / shape.kvHeads;
  return {
    kernel: tiledSource(
      tile,
      'attention_row',
      attentionShader,
      { shared: [], computed: ['query', 'scores', 'block'], repeated: { $g: group } },
      `activation_${shape.type ?? 'f32'}`,
      'lora',
      'lora_shares',
      'token',
    ),
    constants: {
      ...attentionConstants(shape),
      GROUP: group,
      // A column each at the end.
      ...nextConstants(tile, out, {
        threads: 8 * Math.max(8, Math.ceil(shape.headDim / 8)),
        block: group * shape.headDim,
      }),
    },
    bindings: {
      qkv,
      tokens,
      rotation,
      keys,
      values,
      out: out.values,
      next_a: out.lora?.a ?? rotation,
      shares: out.shares.buffer,
      lora: loraUniform,
    },
    grid: () => [shape.kvHeads],
  };
}
