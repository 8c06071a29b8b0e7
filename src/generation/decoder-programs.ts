import { Allocation } from '../gpu/allocation';
import type { Forms, ProductForms } from '../gpu/device';
import { type Dispatch, Program } from '../gpu/program';
import { packHalves } from '../kernels/decode';
import { embed } from '../kernels/embed';
import { sample } from '../kernels/sample';
import { activationBytes, type ActivationType } from '../kernels/sources';
import { createActivations, paddedRows } from '../model/activations';
import { decodeToken } from '../model/decode';
import { forwardLayer, type ForwardContext, type KeyValue } from '../model/layer';
import type { AdapterSlot } from '../model/lora';
import { TOKEN_WORDS } from '../model/packed-batch';
import type { ModelRuntime } from '../model/runtime';

/** Prompt tokens of one prefill submit: short, so that nothing else waits long for the device. */
export const PREFILL_ROWS = 64;

/** Buffers that the host writes or reads. */
export interface DecoderBuffers {
  /** Token [PREFILL_ROWS] */
  prompt: GPUBuffer;
  /** Token: the one decoded next, at first the prompt's last; the sampler moves it on. */
  token: GPUBuffer;
  /** Batch: rows of the prompt's part. */
  batch: GPUBuffer;
  /** u32 [vocab] */
  seen: GPUBuffer;
  /** (token, bits of its log-probability) */
  sampled: GPUBuffer;
  /** Of `sampled`, for as many steps as are under way. */
  readbacks: GPUBuffer[];
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
  /** Extends the cache by one token and computes the logits after it. */
  decode: Program;
  /** Gets the adapter ready for `decode`, whenever it has changed. */
  adapt: Program;
  /** Draws a token from the logits. */
  sample: Program;
  memory: Allocation;
}

export async function buildDecoder(
  runtime: ModelRuntime,
  adapter: AdapterSlot,
  { type, readbacks }: { type: ActivationType; readbacks: number },
): Promise<DecoderPrograms> {
  const { gpu, config, weights } = runtime;
  const capacity = config.context_window_size;
  const memory = new Allocation(gpu);
  const stream = (): GPUBuffer => memory.storage('stream', paddedRows(PREFILL_ROWS) * config.hidden_size * 4);
  const kvBytes = capacity * config.num_key_value_heads * config.head_dim * activationBytes(type);
  const caches = weights.layers.map((_, layer): KeyValue => ({
    keys: memory.storage(`keys ${layer}`, kvBytes),
    values: memory.storage(`values ${layer}`, kvBytes),
  }));
  const buffers: DecoderBuffers = {
    prompt: memory.storage('prompt tokens', PREFILL_ROWS * TOKEN_WORDS * 4),
    token: memory.storage('decode token', TOKEN_WORDS * 4),
    batch: memory.uniform('prompt batch', 16),
    seen: memory.storage('seen tokens', config.vocab_size * 4),
    sampled: memory.storage('sampled', 16),
    readbacks: Array.from({ length: readbacks }, () => memory.staging('sampled (readback)', 16)),
    sampling: memory.uniform('sampling', 32),
    logits: memory.storage('logits', config.vocab_size * 4),
  };
  const context: ForwardContext = {
    forms: ofFourRows(gpu.forms),
    weights,
    adapter,
    activations: createActivations(memory, {
      config,
      rank: runtime.layout.rank,
      rows: PREFILL_ROWS,
      type,
    }),
    tokens: buffers.prompt,
    batch: buffers.batch,
    capacity,
  };
  const [even, odd] = [stream(), stream()];
  const streamOf = (layer: number): GPUBuffer => (layer % 2 === 0 ? even : odd);
  const prefill = [
    embed({ embedding: weights.embedding, tokens: buffers.prompt, x: streamOf(0), batch: buffers.batch }),
    ...caches.flatMap((cache, layer) =>
      forwardLayer(context, layer, cache, streamOf(layer), streamOf(layer + 1)),
    ),
  ];
  const halves = memory.storage('adapter in halves', adapter.layout.size * 2);
  const decode = decodeToken({
    forms: gpu.forms,
    weights,
    adapter,
    halves,
    memory,
    caches,
    capacity,
    type,
    tokens: buffers.token,
    logits: buffers.logits,
  });
  const { logits, seen, token, sampled, sampling } = buffers;
  const build = (dispatches: Dispatch[]): Promise<Program> =>
    Program.build(gpu, runtime.pipelines, dispatches);
  const [prefillProgram, decodeProgram, adapt, draw] = await Promise.all([
    build(prefill),
    build(decode),
    build([packHalves({ count: adapter.layout.size, floats: adapter.arena, halves })]),
    build([sample({ vocab: config.vocab_size, logits, seen, tokens: token, sampled, sampling })]),
  ]);
  return { buffers, prefill: prefillProgram, decode: decodeProgram, adapt, sample: draw, memory };
}

/** Few rows a thread compile fastest: SwiftShader takes five seconds less until the first reply. */
function ofFourRows(forms: Forms): Forms {
  const four = ({ batch, row }: ProductForms): ProductForms => ({ batch: { ...batch, rows: 4 }, row });
  const shapes = Object.entries(forms.shapes).map(([key, shape]) => [key, four(shape)]);
  return { ...four(forms), shapes: Object.fromEntries(shapes) as Forms['shapes'] };
}
