/** An int4 matrix on the device: W[rows, columns], see shaders/lib/int4.wgsl. */
export interface Int4Buffers {
  rows: number;
  columns: number;
  weight: GPUBuffer;
  scale: GPUBuffer;
  scaleF16: boolean;
}
