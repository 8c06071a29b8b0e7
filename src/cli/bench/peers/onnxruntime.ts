import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import type * as Ort from 'onnxruntime-web';
import type { ModelConfig } from '../../../formats/model-config';
import type { ModelTensor } from '../../../formats/tensors';
import { required } from '../../../shared/assert';
import { provideNavigator } from './navigator';
import { onnxModel, type OnnxGraph } from './onnx';
import { cacheNames, embedded, onnxDecoder } from './onnx-decoder';

/** Where ONNX Runtime computes: on the same WebGPU, or on the processor. */
export type Provider = 'webgpu' | 'wasm';

/** How ONNX Runtime is asked: where, and whether x stays f32 (0) or becomes int8 (4). */
export const ONNX_FORMS = (['webgpu', 'wasm'] as const).flatMap((provider) =>
  ([0, 4] as const).map((accuracy) => ({
    name: `onnxruntime-web ${provider}, accuracy ${accuracy}`,
    provider,
    accuracy,
  })),
);

const opened = new Map<Provider, Promise<typeof Ort>>();

/** onnxruntime-web in Node: on all cores, or on Dawn's WebGPU. */
export function onnxRuntime(provider: Provider): Promise<typeof Ort> {
  const known = opened.get(provider) ?? (provider === 'wasm' ? openWasm() : openWebGpu());
  opened.set(provider, known);
  return known;
}

async function openWasm(): Promise<typeof Ort> {
  const ort = await import('onnxruntime-web');
  ort.env.wasm.numThreads = availableParallelism();
  return ort;
}

async function openWebGpu(): Promise<typeof Ort> {
  provideNavigator();
  acceptSharedMemory();
  const ort = (await import('onnxruntime-web/webgpu')) as typeof Ort;
  // It would fetch what it can find beside itself only in a browser, and more threads than one need that.
  const path = createRequire(import.meta.url).resolve('onnxruntime-web/ort-wasm-simd-threaded.asyncify.wasm');
  ort.env.wasm.wasmBinary = (await readFile(path)).buffer;
  ort.env.wasm.numThreads = 1;
  return ort;
}

/** ONNX Runtime writes from the memory that its threads share, which Dawn's binding for Node does not take. */
function acceptSharedMemory(): void {
  // eslint-disable-next-line @typescript-eslint/unbound-method -- called with its queue below
  const write = GPUQueue.prototype.writeBuffer;
  GPUQueue.prototype.writeBuffer = function (
    buffer: GPUBuffer,
    at: number,
    data: GPUAllowSharedBufferSource,
    offset = 0,
    size?: number,
  ) {
    const memory = ArrayBuffer.isView(data) ? data.buffer : data;
    if (!(memory instanceof SharedArrayBuffer)) return write.call(this, buffer, at, data, offset, size);
    // Offset and size count elements of a view, bytes of a buffer.
    const unit = data instanceof SharedArrayBuffer ? 1 : (data as Uint8Array).BYTES_PER_ELEMENT;
    const start = (ArrayBuffer.isView(data) ? data.byteOffset : 0) + offset * unit;
    const bytes = size === undefined ? data.byteLength - offset * unit : size * unit;
    return write.call(this, buffer, at, new Uint8Array(memory, start, bytes).slice());
  };
}

/** A session for a graph. */
export async function session(
  graph: OnnxGraph,
  provider: Provider,
  options: Ort.InferenceSession.SessionOptions = {},
): Promise<Ort.InferenceSession> {
  const ort = await onnxRuntime(provider);
  return ort.InferenceSession.create(onnxModel(graph), { executionProviders: [provider], ...options });
}

/** A model in ONNX Runtime that goes on token by token; keys and values stay where it computes. */
export class OnnxDecoder {
  private readonly ort: typeof Ort;
  private readonly run: Ort.InferenceSession;
  private readonly config: ModelConfig;
  private readonly tensors: ReadonlyMap<string, ModelTensor>;
  private cache: Record<string, Ort.Tensor> = {};
  private length = 0;

  private constructor(
    ort: typeof Ort,
    run: Ort.InferenceSession,
    config: ModelConfig,
    tensors: ReadonlyMap<string, ModelTensor>,
  ) {
    this.ort = ort;
    this.run = run;
    this.config = config;
    this.tensors = tensors;
  }

  static async create(
    config: ModelConfig,
    tensors: ReadonlyMap<string, ModelTensor>,
    provider: Provider,
    accuracy: 0 | 4,
  ): Promise<OnnxDecoder> {
    const options: Ort.InferenceSession.SessionOptions =
      provider === 'wasm'
        ? {}
        : {
            preferredOutputLocation: Object.fromEntries(
              cacheNames(config).flatMap(({ present }) => present.map((name) => [name, 'gpu-buffer'])),
            ),
          };
    const run = await session(onnxDecoder(config, tensors, accuracy), provider, options);
    return new OnnxDecoder(await onnxRuntime(provider), run, config, tensors);
  }

  /** Forgets all tokens. */
  reset(): void {
    for (const tensor of Object.values(this.cache)) tensor.dispose();
    this.cache = {};
    this.length = 0;
  }

  /** Logits [vocab] after the last of the tokens. */
  async next(ids: readonly number[]): Promise<Float32Array> {
    const { Tensor } = this.ort;
    const { hidden_size, num_key_value_heads, head_dim, vocab_size } = this.config;
    const total = this.length + ids.length;
    const feeds: Record<string, Ort.Tensor> = {
      x: new Tensor('float32', embedded(this.tensors, ids), [1, ids.length, hidden_size]),
      seqlens_k: new Tensor('int32', Int32Array.of(total - 1), [1]),
      total_sequence_length: new Tensor('int32', Int32Array.of(total), []),
    };
    const names = cacheNames(this.config);
    for (const name of names.flatMap(({ past }) => past)) {
      feeds[name] =
        this.cache[name] ?? new Tensor('float32', new Float32Array(0), [1, num_key_value_heads, 0, head_dim]);
    }
    const results = await this.run.run(feeds);
    for (const tensor of Object.values(this.cache)) tensor.dispose();
    this.cache = Object.fromEntries(
      names.flatMap(({ past, present }) =>
        past.map((name, i) => [name, required(results[present[i] ?? ''], 'present')]),
      ),
    );
    this.length = total;
    const logits = required(results['logits'], 'logits');
    return (logits.data as Float32Array).slice(-vocab_size);
  }

  async destroy(): Promise<void> {
    this.reset();
    await this.run.release();
  }
}
