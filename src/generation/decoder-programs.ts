import { required } from '../shared/assert';
import { Allocation } from '../gpu/allocation';
import type { Tile } from '../gpu/device';
import { type Dispatch, Program } from '../gpu/program';
import { embed } from '../kernels/embed';
import { linearRow } from '../kernels/linear';
import { rmsNorm } from '../kernels/rms-norm';
import { gatherRows } from '../kernels/rows';
import { sample } from '../kernels/sample';
import { activationBytes, type ActivationType } from '../kernels/sources';
import { createActivations, paddedRows } from '../model/activations';
import { forwardLayer, type ForwardContext, type KeyValue } from '../model/layer';
import type { AdapterSlot } from '../model/lora';
import { TARGET_WORDS, TOKEN_WORDS } from '../model/packed-batch';
import type { ModelRuntime } from '../model/runtime';

/** Prompt tokens of one prefill submit: short, so that nothing else waits long for the device. */
export const PREFILL_ROWS = 64;

/** Buffers that the host writes or reads. */
export interface DecoderBuffers {
  /** Token [PREFILL_ROWS] */
  prompt: GPUBuffer;
  /** Token: the one decoded next; the sampler moves it on. */
  token: GPUBuffer;
  /** Target: the last row of the prompt. */
  lastRow: GPUBuffer;
  /** Batch: rows of the prompt's part. */
  batch: GPUBuffer;
  /** u32 [vocab] */
  seen: GPUBuffer;
  /** (token, bits of its log-probability) */
  sampled: GPUBuffer;
  readback: GPUBuffer;
  /** Uniform Sampling of shaders/sample/sample.wgsl */
  sampling: GPUBuffer;
  /** f32 [vocab] */
  logits: GPUBuffer;
}

/** What generation runs, compiled, with all buffers it owns. */
export interface DecoderPrograms {
  buffers: DecoderBuffers;
  /** Extends the cache by up to PREFILL_ROWS tokens. */
  prefill: Program;
  /** Logits after the prompt's last token. */
  prefillHead: Program;
  /** Extends the cache by one token and computes the logits after it. */
  decode: Program;
  /** Draws a token from the logits. */
  sample: Program;
  memory: Allocation;
}

export async function buildDecoder(
  runtime: ModelRuntime,
  adapter: AdapterSlot,
  type: ActivationType,
): Promise<DecoderPrograms> {
  const { gpu, config, weights } = runtime;
  // Few rows a thread compile fastest: SwiftShader takes five seconds less until the first reply.
  const tile: Tile = { ...gpu.tile, rows: 4 };
  const capacity = config.context_window_size;
  const memory = new Allocation(gpu);
  const matrix = (label: string, rows: number): GPUBuffer =>
    memory.storage(label, paddedRows(rows) * config.hidden_size * 4);
  const kvBytes = capacity * config.num_key_value_heads * config.head_dim * activationBytes(type);
  const caches = weights.layers.map((_, layer): KeyValue => ({
    keys: memory.storage(`keys ${layer}`, kvBytes),
    values: memory.storage(`values ${layer}`, kvBytes),
  }));
  const buffers: DecoderBuffers = {
    prompt: memory.storage('prompt tokens', PREFILL_ROWS * TOKEN_WORDS * 4),
    token: memory.storage('decode token', TOKEN_WORDS * 4),
    lastRow: memory.storage('last row', TARGET_WORDS * 4),
    batch: memory.uniform('prompt batch', 16),
    seen: memory.storage('seen tokens', config.vocab_size * 4),
    sampled: memory.storage('sampled', 16),
    readback: memory.staging('sampled (readback)', 16),
    sampling: memory.uniform('sampling', 32),
    logits: memory.storage('logits', config.vocab_size * 4),
  };
  // As Batch one token, as Chunk one target: the words are the same.
  const one = memory.uniform('batch of one', 16);
  gpu.write(one, new Uint32Array([1, 0, 0, 0]));

  const stack = (
    tokens: GPUBuffer,
    batch: GPUBuffer,
    rows: number,
  ): { dispatches: Dispatch[]; result: GPUBuffer } => {
    const context: ForwardContext = {
      tile,
      weights,
      adapter,
      activations: createActivations(memory, { config, rank: runtime.layout.rank, rows, type }),
      tokens,
      batch,
      capacity,
      single: rows === 1,
    };
    const streams = [matrix('stream', rows), matrix('stream', rows)];
    const stream = (layer: number): GPUBuffer => required(streams[layer % 2], 'stream');
    return {
      dispatches: [
        embed({ embedding: weights.embedding, tokens, x: stream(0), batch }),
        ...caches.flatMap((cache, layer) =>
          forwardLayer(context, layer, cache, stream(layer), stream(layer + 1)),
        ),
      ],
      result: stream(caches.length),
    };
  };
  const normed = matrix('normed row', 1);
  const head = (x: GPUBuffer): Dispatch[] => [
    { ...rmsNorm({ norm: weights.norm, x, y: normed, type }), grid: () => [1] },
    linearRow({
      tile,
      matrix: weights.head,
      lora: null,
      loraUniform: adapter.uniform,
      x: normed,
      type,
      y: buffers.logits,
    }),
  ];
  const prefill = stack(buffers.prompt, buffers.batch, PREFILL_ROWS);
  const decode = stack(buffers.token, one, 1);
  const lastHidden = matrix('last hidden', 1);
  const gather = gatherRows({
    size: config.hidden_size,
    x: prefill.result,
    targets: buffers.lastRow,
    h: lastHidden,
    chunk: one,
  });
  const { logits, seen, token, sampled, sampling } = buffers;
  const build = (dispatches: Dispatch[]): Promise<Program> =>
    Program.build(gpu, runtime.pipelines, dispatches);
  const [prefillProgram, prefillHead, decodeProgram, draw] = await Promise.all([
    build(prefill.dispatches),
    build([{ ...gather, grid: (size) => gather.grid({ ...size, tokens: 1 }) }, ...head(lastHidden)]),
    build([...decode.dispatches, ...head(decode.result)]),
    build([sample({ vocab: config.vocab_size, logits, seen, tokens: token, sampled, sampling })]),
  ]);
  return { buffers, prefill: prefillProgram, prefillHead, decode: decodeProgram, sample: draw, memory };
}
