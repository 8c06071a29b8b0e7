import { type LinearName, linearShapes, type ModelConfig } from '../formats/model-config';
import type { AdapterWeights, LoraTensor } from '../formats/tensors';
import type { Gpu } from '../gpu/device';
import type { BufferSlice } from '../gpu/program';
import type { LoraBuffers } from '../kernels/lora';
import { required } from '../shared/assert';
import { ThumbprintError } from '../shared/errors';

/** Numbers to which every tensor of the arena is aligned: 256 bytes in f16, WebGPU's smallest binding step. */
const ALIGNMENT = 128;

interface Placement {
  layer: number;
  linear: LinearName;
  in: number;
  out: number;
  parts: { path: string; out: number }[];
  /** Floats. */
  aOffset: number;
  bOffset: number;
}

/**
 * Where each LoRA lies in one flat f32 arena: for every stacked matrix A [parts · rank, in], then B [out, rank]. The
 * rank is padded to a multiple of 4 with zeros, which stay zero in training only because A's and B's padding multiply
 * each other.
 */
export class LoraLayout {
  readonly rank: number;
  /** Floats of the arena. */
  readonly size: number;
  readonly placements: readonly Placement[];

  constructor(config: ModelConfig, rank: number) {
    this.rank = Math.ceil(rank / 4) * 4;
    const placements: Placement[] = [];
    let offset = 0;
    const place = (floats: number): number => {
      const start = offset;
      offset += Math.ceil(floats / ALIGNMENT) * ALIGNMENT;
      return start;
    };
    for (let layer = 0; layer < config.num_hidden_layers; layer++) {
      for (const shape of linearShapes(config)) {
        const aOffset = place(shape.parts.length * this.rank * shape.in);
        const bOffset = place(shape.out * this.rank);
        const parts = shape.parts.map(({ path, out }) => ({ path: `model.layers.${layer}.${path}`, out }));
        placements.push({ layer, linear: shape.name, in: shape.in, out: shape.out, parts, aOffset, bOffset });
      }
    }
    this.placements = placements;
    this.size = offset;
  }

  /** The arena of an adapter. @throws ThumbprintError `mismatch` when its rank is larger than the arena's. */
  pack(adapter: AdapterWeights): Float32Array<ArrayBuffer> {
    if (adapter.rank > this.rank) {
      throw new ThumbprintError(
        'mismatch',
        `The adapter has rank ${adapter.rank}, this engine was opened with ${this.rank}.`,
      );
    }
    const arena = new Float32Array(this.size);
    this.visit((tensor, aStart, bStart, width, out) => {
      for (let j = 0; j < adapter.rank; j++) {
        arena.set(tensor.a.subarray(j * width, (j + 1) * width), aStart + j * width);
      }
      if (adapter.rank === this.rank) {
        // Nothing to pad: row by row this takes longer than decoding a token.
        arena.set(tensor.b, bStart);
        return;
      }
      for (let o = 0; o < out; o++) {
        arena.set(tensor.b.subarray(o * adapter.rank, (o + 1) * adapter.rank), bStart + o * this.rank);
      }
    }, adapter.tensors);
    return arena;
  }

  /** The adapter of an arena, of the rank given. */
  unpack(arena: Float32Array, identity: Omit<AdapterWeights, 'tensors'>): AdapterWeights {
    const { rank } = identity;
    const tensors = new Map<string, LoraTensor>();
    for (const { parts, in: width } of this.placements) {
      for (const { path, out } of parts) {
        tensors.set(path, { a: new Float32Array(rank * width), b: new Float32Array(out * rank) });
      }
    }
    this.visit((tensor, aStart, bStart, width, out) => {
      tensor.a.set(arena.subarray(aStart, aStart + rank * width));
      for (let o = 0; o < out; o++) {
        tensor.b.set(arena.subarray(bStart + o * this.rank, bStart + o * this.rank + rank), o * rank);
      }
    }, tensors);
    return { ...identity, tensors };
  }

  /** The same place in any arena of this layout, of numbers of `bytes`: parameters or gradients. */
  slices(
    arena: GPUBuffer,
    layer: number,
    linear: LinearName,
    bytes = 4,
  ): { a: BufferSlice; b: BufferSlice; parts: number[] } {
    const place = required(
      this.placements.find((candidate) => candidate.layer === layer && candidate.linear === linear),
      `placement of ${linear}`,
    );
    const slice = (offset: number, floats: number): BufferSlice => ({
      buffer: arena,
      offset: offset * bytes,
      size: floats * bytes,
    });
    return {
      a: slice(place.aOffset, place.parts.length * this.rank * place.in),
      b: slice(place.bOffset, place.out * this.rank),
      parts: place.parts.map((part) => part.out),
    };
  }

  private visit(
    visitor: (tensor: LoraTensor, aStart: number, bStart: number, width: number, out: number) => void,
    tensors: ReadonlyMap<string, LoraTensor>,
  ): void {
    for (const place of this.placements) {
      let row = 0;
      place.parts.forEach(({ path, out }, index) => {
        const tensor = required(tensors.get(path), `LoRA of ${path}`);
        visitor(
          tensor,
          place.aOffset + index * this.rank * place.in,
          place.bOffset + row * this.rank,
          place.in,
          out,
        );
        row += out;
      });
    }
  }
}

/** An adapter on the device that can be exchanged and scaled between two submits, without any compilation. */
export class AdapterSlot {
  readonly layout: LoraLayout;
  /** f32 [layout.size] */
  readonly arena: GPUBuffer;
  /** The scale as the kernels read it. */
  readonly uniform: GPUBuffer;
  private readonly gpu: Gpu;
  private alphaOverRank = 0;
  private userScale = 1;
  /** Grows whenever the slot's effect on the model changes: what was computed before is then stale. */
  private changes = 0;

  constructor(gpu: Gpu, layout: LoraLayout, label: string) {
    this.gpu = gpu;
    this.layout = layout;
    this.arena = gpu.storage(`${label} adapter`, layout.size * 4);
    this.uniform = gpu.uniform(`${label} adapter scale`, 16);
  }

  get revision(): number {
    return this.changes;
  }

  /** Null is the base model. */
  load(adapter: AdapterWeights | null): void {
    if (adapter) this.gpu.write(this.arena, this.layout.pack(adapter));
    this.alphaOverRank = adapter ? adapter.lora_alpha / adapter.rank : 0;
    this.writeScale();
  }

  /** 0 is the base model, 1 the adapter as it was trained. */
  set scale(value: number) {
    if (value === this.userScale) return;
    this.userScale = value;
    this.writeScale();
  }

  get scale(): number {
    return this.userScale;
  }

  buffers(layer: number, linear: LinearName): LoraBuffers {
    return { rank: this.layout.rank, ...this.layout.slices(this.arena, layer, linear) };
  }

  destroy(): void {
    this.gpu.destroy(this.arena, this.uniform);
  }

  private writeScale(): void {
    this.changes++;
    this.gpu.write(this.uniform, new Float32Array([this.alphaOverRank * this.userScale]));
  }
}
