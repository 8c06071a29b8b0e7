import shader from '../../shaders/forward/embed.wgsl?raw';
import { type Dispatch, workgroups } from '../gpu/program';
import type { Int4Buffers } from './int4';
import { kernelSource } from './sources';

/** x[T, D] = embedding rows of the tokens. */
export function embed(args: {
  embedding: Int4Buffers;
  tokens: GPUBuffer;
  x: GPUBuffer;
  batch: GPUBuffer;
}): Dispatch {
  const { embedding } = args;
  return {
    kernel: kernelSource('embed', shader, 'batch', 'int4', 'token'),
    constants: { D: embedding.columns, VOCAB: embedding.rows, SCALE_F16: embedding.scaleF16 },
    bindings: {
      weight: embedding.weight,
      scale: embedding.scale,
      tokens: args.tokens,
      x: args.x,
      batch: args.batch,
    },
    grid: ({ tokens }) => [workgroups(embedding.columns / 8, 64), tokens],
  };
}
