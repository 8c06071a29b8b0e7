import activationF16 from '../../shaders/lib/activation_f16.wgsl?raw';
import activationF32 from '../../shaders/lib/activation_f32.wgsl?raw';
import batch from '../../shaders/lib/batch.wgsl?raw';
import int4 from '../../shaders/lib/int4.wgsl?raw';
import loadEightPlain from '../../shaders/lib/load_eight_plain.wgsl?raw';
import loadEightSubgroup from '../../shaders/lib/load_eight_subgroup.wgsl?raw';
import lora from '../../shaders/lib/lora.wgsl?raw';
import loraInner from '../../shaders/lib/lora_inner.wgsl?raw';
import loraShares from '../../shaders/lib/lora_shares.wgsl?raw';
import loraUp from '../../shaders/lib/lora_up.wgsl?raw';
import productLanes from '../../shaders/lib/product_lanes.wgsl?raw';
import productTiles from '../../shaders/lib/product_tiles.wgsl?raw';
import scalesPlain from '../../shaders/lib/scales_plain.wgsl?raw';
import scalesSubgroup from '../../shaders/lib/scales_subgroup.wgsl?raw';
import sharedPlain from '../../shaders/lib/shared_plain.wgsl?raw';
import sharedSubgroup from '../../shaders/lib/shared_subgroup.wgsl?raw';
import sumRow from '../../shaders/lib/sum_row.wgsl?raw';
import target from '../../shaders/lib/target.wgsl?raw';
import token from '../../shaders/lib/token.wgsl?raw';
import type { Tile } from '../gpu/device';
import type { KernelSource } from '../gpu/program';

const LIBRARY = {
  activation_f16: activationF16,
  activation_f32: activationF32,
  batch,
  int4,
  lora,
  lora_inner: loraInner,
  lora_shares: loraShares,
  lora_up: loraUp,
  product_lanes: productLanes,
  product_tiles: productTiles,
  sum_row: sumRow,
  target,
  token,
};

export type LibraryPiece = keyof typeof LIBRARY;

/** What activations are stored as: f16 only to generate, on devices that have it. */
export type ActivationType = 'f32' | 'f16';

/** Bytes of an activation. */
export function activationBytes(type: ActivationType): number {
  return type === 'f16' ? 2 : 4;
}

/** A kernel's text behind the library pieces it includes. */
export function kernelSource(name: string, code: string, ...pieces: LibraryPiece[]): KernelSource {
  return { name, code: [...pieces.map((piece) => LIBRARY[piece]), code].join('\n') };
}

/** What a kernel is written out for: see `tiledSource`. */
interface Written {
  /** Arrays of numbers that all lanes want alike. */
  shared: readonly string[];
  /** Such numbers that the kernel's function with their name and `_at` computes. */
  computed?: readonly string[];
  /** How many lines stand for one with such a sign. */
  repeated?: Readonly<Record<`$${string}`, number>>;
}

/**
 * A kernel in the form this device runs. For each of what is `shared` or `computed` there is a function `load_eight_` with
 * its name, whose work the lanes divide. A line with `$r` stands for one line for each row that a thread computes: loops over
 * arrays would say the same, but not every compiler unrolls them.
 */
export function tiledSource(
  { lanes, rows }: Tile,
  name: string,
  code: string,
  { shared, computed = [], repeated = {} }: Written,
  ...pieces: LibraryPiece[]
): KernelSource {
  const [lanesCode, loadEight, scales] =
    lanes === 1
      ? [sharedPlain, loadEightPlain, scalesPlain]
      : [sharedSubgroup, loadEightSubgroup, scalesSubgroup];
  const constants = `const LANES = ${lanes}u;\nconst ROWS = ${rows}u;`;
  const load = (name: string, open: string, close: string): string =>
    loadEight.replaceAll('$name', name).replaceAll('$[', open).replaceAll('$]', close);
  const loads = [
    ...shared.map((name) => load(name, `f32(${name}[`, '])')),
    ...computed.map((name) => load(name, `${name}_at(`, ')')),
  ];
  const quads = pieces.includes('int4') ? [scales] : [];
  const written = Object.entries({ $r: rows, ...repeated }).reduce(
    (text, [sign, count]) => repeat(text, sign, count),
    code,
  );
  return kernelSource(name, [constants, lanesCode, ...loads, ...quads, written].join('\n'), ...pieces);
}

function repeat(code: string, sign: string, count: number): string {
  const lines = code.split('\n').flatMap((line) => {
    if (!line.includes(sign)) return [line];
    return Array.from({ length: count }, (_, i) => line.replaceAll(sign, String(i)));
  });
  return lines.join('\n');
}
