import activationF16 from '../../shaders/lib/activation_f16.wgsl?raw';
import activationF32 from '../../shaders/lib/activation_f32.wgsl?raw';
import batch from '../../shaders/lib/batch.wgsl?raw';
import eightPlain from '../../shaders/lib/eight_plain.wgsl?raw';
import eightSubgroup from '../../shaders/lib/eight_subgroup.wgsl?raw';
import int4 from '../../shaders/lib/int4.wgsl?raw';
import lora from '../../shaders/lib/lora.wgsl?raw';
import loraUp from '../../shaders/lib/lora_up.wgsl?raw';
import scalesPlain from '../../shaders/lib/scales_plain.wgsl?raw';
import scalesSubgroup from '../../shaders/lib/scales_subgroup.wgsl?raw';
import sumRow from '../../shaders/lib/sum_row.wgsl?raw';
import target from '../../shaders/lib/target.wgsl?raw';
import token from '../../shaders/lib/token.wgsl?raw';
import type { Tile } from '../gpu/device';
import type { KernelSource } from '../gpu/program';

const LIBRARY = {
  activation_f16: activationF16,
  activation_f32: activationF32,
  batch,
  eight_plain: eightPlain,
  eight_subgroup: eightSubgroup,
  int4,
  lora,
  lora_up: loraUp,
  scales_plain: scalesPlain,
  scales_subgroup: scalesSubgroup,
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

/**
 * A kernel that shares loads within a subgroup and computes several rows a thread, in the form this device runs: a line
 * with `$r` stands for one line a row. Loops over arrays would say the same, but not every compiler unrolls them.
 */
export function tiledSource(tile: Tile, name: string, code: string, ...pieces: LibraryPiece[]): KernelSource {
  const unrolled = code.replace(/^.*\$r.*$/gm, (line) =>
    Array.from({ length: tile.rows }, (_, row) => line.replaceAll('$r', String(row))).join('\n'),
  );
  return kernelSource(name, unrolled, tile.lanes === 1 ? 'eight_plain' : 'eight_subgroup', ...pieces);
}

/** The piece that loads a quad's scales on this device. */
export function quadScales(tile: Tile): LibraryPiece {
  return tile.lanes === 1 ? 'scales_plain' : 'scales_subgroup';
}
