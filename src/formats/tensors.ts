/** Tensors in memory, as the readers give them and the model's loader takes them. */

/** W[rows, columns] in int4, groups of 32 along a row: w = (q − 7)·scale (MLC's q4f16_1 / q4f32_1). */
export interface Int4Matrix {
  kind: 'int4';
  rows: number;
  columns: number;
  /** u32 [rows, columns / 8]; nibble i of a word is column 8k + i. */
  weight: Uint32Array<ArrayBuffer>;
  /** [rows, columns / 32]: IEEE half bits, or f32. */
  scale: Uint16Array<ArrayBuffer> | Float32Array<ArrayBuffer>;
}

export interface FloatTensor {
  kind: 'float';
  shape: number[];
  data: Float32Array<ArrayBuffer>;
}

export type ModelTensor = Int4Matrix | FloatTensor;

/** Where a model's files come from: the own origin, OPFS, a folder on disk. */
export interface FileSource {
  /** A file's bytes as they arrive. @throws ThumbprintError `network` or `bad-file` when it cannot be read. */
  read(path: string): AsyncIterable<Uint8Array>;
}

/** LoRA of one projection: delta W = (lora_alpha / rank)·B·A (Hu et al. 2021). */
export interface LoraTensor {
  /** [rank, in] */
  a: Float32Array<ArrayBuffer>;
  /** [out, rank] */
  b: Float32Array<ArrayBuffer>;
}

/** An adapter in memory. Keys are PEFT module paths: `model.layers.0.self_attn.q_proj`. */
export interface AdapterWeights {
  rank: number;
  lora_alpha: number;
  /** sha-256 of the model it was trained on. */
  base: string;
  tensors: Map<string, LoraTensor>;
}
