import { linearShapes, type LinearShape, type ModelConfig } from '../../src/formats/model-config';
import type { AdapterWeights } from '../../src/formats/tensors';
import type { StackedLora } from './linear';
import { HashRandom } from './random';
import { rowOf } from './vector';

/** LoRA of one projection. */
export interface ReferenceLora {
  /** [rank, in] */
  a: Float64Array;
  /** [out, rank] */
  b: Float64Array;
}

/** An adapter in float64; gradients have the same form. Keys are PEFT module paths in the order of `projections`. */
export interface ReferenceAdapter {
  rank: number;
  /** lora_alpha / rank, times the adapter's strength. */
  scale: number;
  tensors: Map<string, ReferenceLora>;
}

export interface Projection {
  key: string;
  in: number;
  out: number;
}

/** Every projection that PEFT can adapt: layer by layer, in the order in which a forward pass meets them. */
export function projections(config: ModelConfig): Projection[] {
  return Array.from({ length: config.num_hidden_layers }, (_, layer) =>
    linearShapes(config).flatMap((shape) =>
      shape.parts.map((part) => ({
        key: projectionKey(layer, part.path),
        in: shape.in,
        out: part.out,
      })),
    ),
  ).flat();
}

export function projectionKey(layer: number, path: string): string {
  return `model.layers.${layer}.${path}`;
}

/** Random adapter that models/recipe/golden.py repeats: A ~ U(±1/√in), B ~ U(±0.05) and not 0, rounded to float32. */
export function seededAdapter(
  config: ModelConfig,
  rank: number,
  lora_alpha: number,
  seed: number,
): AdapterWeights {
  const random = new HashRandom(seed);
  const tensors = new Map(
    projections(config).map((p) => {
      const a = random.array32(rank * p.in, 1 / Math.sqrt(p.in));
      return [p.key, { a, b: random.array32(p.out * rank, 0.05) }] as const;
    }),
  );
  return { rank, lora_alpha, base: '', tensors };
}

/** The same adapter in float64. */
export function toReference(adapter: AdapterWeights, strength = 1): ReferenceAdapter {
  const tensors = [...adapter.tensors].map(
    ([key, { a, b }]) => [key, { a: Float64Array.from(a), b: Float64Array.from(b) }] as const,
  );
  return {
    rank: adapter.rank,
    scale: (strength * adapter.lora_alpha) / adapter.rank,
    tensors: new Map(tensors),
  };
}

/** The LoRA of a layer's stacked matrix; parts that the adapter does not have are zero. */
export function stackLora(adapter: ReferenceAdapter, layer: number, shape: LinearShape): StackedLora {
  const { rank, scale } = adapter;
  const a = new Float64Array(shape.parts.length * rank * shape.in);
  const b = new Float64Array(shape.out * rank);
  let row = 0;
  shape.parts.forEach((part, g) => {
    const lora = adapter.tensors.get(projectionKey(layer, part.path));
    if (lora !== undefined) {
      a.set(lora.a, g * rank * shape.in);
      b.set(lora.b, row * rank);
    }
    row += part.out;
  });
  return { rank, scale, parts: shape.parts.map((part) => part.out), a, b };
}

/** Writes stacked gradients into `gradients` under the keys of their parts. */
export function unstackGradients(
  gradients: Map<string, ReferenceLora>,
  layer: number,
  shape: LinearShape,
  rank: number,
  stacked: { da: Float64Array; db: Float64Array },
): void {
  let row = 0;
  shape.parts.forEach((part, g) => {
    const a = rowOf(stacked.da, g, rank * shape.in);
    const b = stacked.db.subarray(row * rank, (row + part.out) * rank);
    gradients.set(projectionKey(layer, part.path), { a, b });
    row += part.out;
  });
}

/** All A and B one after the other: for each key first A, then B. */
export function flatten(tensors: ReadonlyMap<string, ReferenceLora>): Float64Array {
  const parts = [...tensors.values()].flatMap(({ a, b }) => [a, b]);
  const flat = new Float64Array(parts.reduce((n, part) => n + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    flat.set(part, offset);
    offset += part.length;
  }
  return flat;
}

/** Views of a flat array as A and B, shaped as `like`. */
export function unflatten(
  flat: Float64Array,
  like: ReadonlyMap<string, ReferenceLora>,
): Map<string, ReferenceLora> {
  let offset = 0;
  const take = (n: number) => flat.subarray(offset, (offset += n));
  return new Map([...like].map(([key, { a, b }]) => [key, { a: take(a.length), b: take(b.length) }]));
}
