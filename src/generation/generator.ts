import type { Gpu } from '../gpu/device';
import { encode, submit } from '../gpu/program';
import type { AdapterSlot } from '../model/lora';
import type { ModelRuntime } from '../model/runtime';
import { required } from '../shared/assert';
import { ThumbprintError } from '../shared/errors';
import type { SamplingSettings } from '../shared/records';
import type { ActivationType } from '../kernels/sources';
import { buildDecoder, type DecoderPrograms, PREFILL_ROWS } from './decoder-programs';

export type StopReason = 'end' | 'length' | 'stopped';

export interface Generation {
  /** The token that ended the reply included. */
  tokenIds: number[];
  /** Natural log-probability of each token under the unchanged distribution. */
  logprobs: number[];
  reason: StopReason;
  promptTokens: number;
  /** Prompt tokens that were not in the KV cache. */
  prefilledTokens: number;
  seconds: number;
}

export interface GenerateOptions {
  sampling: Omit<SamplingSettings, 'seed'>;
  seed: number;
  onToken?: (id: number) => void;
  signal?: AbortSignal;
}

/** A token and its log-probability. */
const SAMPLED_BYTES = 8;

const ONE_TOKEN = { tokens: 1, targets: 0, sequences: 0, examples: 0 };

/** Generates replies; keeps the keys and values of the last conversation, for one adapter slot. */
export class Generator {
  private readonly runtime: ModelRuntime;
  private readonly gpu: Gpu;
  private readonly adapter: AdapterSlot;
  private readonly programs: DecoderPrograms;
  /** Tokens whose keys and values are in the cache, and the state of the adapter that computed them. */
  private cached: number[] = [];
  private cachedRevision = -1;
  private busy = false;

  private constructor(runtime: ModelRuntime, adapter: AdapterSlot, programs: DecoderPrograms) {
    this.runtime = runtime;
    this.gpu = runtime.gpu;
    this.adapter = adapter;
    this.programs = programs;
  }

  /**
   * Compiles everything that generation needs.
   * @param type of the KV cache and of what prefill's products read: f16 halves both, where the device has `shader-f16`.
   * @param ahead steps submitted before the one that is read, so that a GPU has the next ones while a token is on its
   *   way to the host; what is decoded past the end is lost, which costs a CPU more than the wait.
   */
  static async create(
    runtime: ModelRuntime,
    adapter: AdapterSlot,
    type: ActivationType = runtime.gpu.device.features.has('shader-f16') ? 'f16' : 'f32',
    ahead = runtime.gpu.info.software ? 0 : 3,
  ): Promise<Generator> {
    return new Generator(
      runtime,
      adapter,
      await buildDecoder(runtime, adapter, { type, readbacks: ahead + 1 }),
    );
  }

  private get ahead(): number {
    return this.programs.buffers.readbacks.length - 1;
  }

  /** Positions of the KV cache. */
  get capacity(): number {
    return this.runtime.config.context_window_size;
  }

  /** Dispatches of one decoded token, sampling included. */
  get dispatchesPerToken(): number {
    return this.programs.decode.length + this.programs.sample.length;
  }

  /**
   * Continues the prompt. What the cache holds of it already is not computed again.
   * @throws ThumbprintError `bad-input` when the prompt is empty or fills the context.
   */
  async generate(prompt: readonly number[], options: GenerateOptions): Promise<Generation> {
    return this.exclusively(async () => {
      const started = performance.now();
      const { sampling, seed, onToken, signal } = options;
      const prefilledTokens = await this.prefill(prompt);
      this.writeSeen(prompt);
      this.writeSampling(sampling, seed);
      const generation: Generation = {
        tokenIds: [],
        logprobs: [],
        reason: 'length',
        promptTokens: prompt.length,
        prefilledTokens,
        seconds: 0,
      };
      const most = Math.min(sampling.max_tokens, this.capacity - prompt.length);
      const { tokenIds, logprobs } = generation;
      let submitted = 0;
      while (tokenIds.length < most) {
        if (signal?.aborted) {
          generation.reason = 'stopped';
          break;
        }
        for (; submitted < Math.min(most, tokenIds.length + 1 + this.ahead); submitted++)
          this.submit(submitted);
        const { id, logprob } = await this.read(tokenIds.length);
        tokenIds.push(id);
        logprobs.push(logprob);
        onToken?.(id);
        if (this.runtime.config.stop_token_ids.includes(id)) {
          generation.reason = 'end';
          break;
        }
      }
      // Decoded were the prompt's last token and those drawn but the last.
      if (submitted > 0) this.cached.push(...prompt.slice(-1), ...tokenIds.slice(0, submitted - 1));
      generation.seconds = (performance.now() - started) / 1000;
      return generation;
    });
  }

  /** Logits [vocab] after the prompt. */
  async logits(prompt: readonly number[]): Promise<Float32Array> {
    return this.exclusively(async () => {
      await this.prefill(prompt);
      submit(this.gpu, ONE_TOKEN, this.programs.decode);
      return new Float32Array(await this.gpu.read(this.programs.buffers.logits));
    });
  }

  destroy(): void {
    this.programs.memory.destroy();
  }

  private async exclusively<T>(work: () => Promise<T>): Promise<T> {
    if (this.busy) throw new ThumbprintError('internal', 'the generator is busy');
    this.busy = true;
    try {
      return await work();
    } finally {
      this.busy = false;
    }
  }

  /**
   * Computes what the cache lacks of the prompt up to its last token, which is the first to be decoded: its logits are
   * wanted. Answers how many tokens that were, this one included.
   */
  private async prefill(prompt: readonly number[]): Promise<number> {
    const last = prompt.length - 1;
    if (prompt.length === 0 || prompt.length >= this.capacity) {
      throw new ThumbprintError(
        'bad-input',
        `The prompt has ${prompt.length} tokens; the model takes 1 to ${this.capacity - 1}.`,
      );
    }
    if (this.cachedRevision !== this.adapter.revision) {
      this.cached = [];
      this.cachedRevision = this.adapter.revision;
      submit(this.gpu, ONE_TOKEN, this.programs.adapt);
    }
    let known = 0;
    while (known < last && this.cached[known] === prompt[known]) known++;
    this.cached.length = known;
    const { prefill, buffers } = this.programs;
    for (let start = known; start < last; start += PREFILL_ROWS) {
      const ids = prompt.slice(start, Math.min(start + PREFILL_ROWS, last));
      this.writePrompt(ids, start);
      submit(this.gpu, { ...ONE_TOKEN, tokens: ids.length }, prefill);
      if (start + ids.length < last) await this.gpu.device.queue.onSubmittedWorkDone();
      this.cached.push(...ids);
    }
    this.gpu.write(buffers.token, new Uint32Array([prompt.at(-1) ?? 0, last, 0, 0, 0, last, 0, 0]));
    return prompt.length - known;
  }

  private writePrompt(ids: readonly number[], start: number): void {
    const { prompt, batch } = this.programs.buffers;
    const words = ids.flatMap((id, i) => [id, start + i, 0, 0, 0, start + i, 0, 0]);
    this.gpu.write(prompt, new Uint32Array(words));
    this.gpu.write(batch, new Uint32Array([ids.length, 0, 0, 0]));
  }

  private writeSeen(prompt: readonly number[]): void {
    const seen = new Uint32Array(this.runtime.config.vocab_size);
    for (const id of prompt) seen[id] = 1;
    this.gpu.write(this.programs.buffers.seen, seen);
  }

  private writeSampling(s: GenerateOptions['sampling'], seed: number): void {
    const words = new Uint32Array(8);
    new Float32Array(words.buffer).set([s.temperature, s.top_p, s.min_p, s.repetition_penalty]);
    words.set([s.top_k, seed >>> 0], 4);
    this.gpu.write(this.programs.buffers.sampling, words);
  }

  /** Decodes the last token drawn, at first the prompt's last, and draws the next: one encoder, one submit. */
  private submit(step: number): void {
    const { decode, sample, buffers } = this.programs;
    const encoder = this.gpu.device.createCommandEncoder();
    encode(this.gpu, encoder, ONE_TOKEN, decode, sample);
    encoder.copyBufferToBuffer(buffers.sampled, 0, this.readback(step), 0, SAMPLED_BYTES);
    this.gpu.device.queue.submit([encoder.finish()]);
  }

  /** What the step has drawn. */
  private async read(step: number): Promise<{ id: number; logprob: number }> {
    const readback = this.readback(step);
    await readback.mapAsync(GPUMapMode.READ, 0, SAMPLED_BYTES);
    const words = new Uint32Array(readback.getMappedRange(0, SAMPLED_BYTES).slice(0));
    readback.unmap();
    return { id: words[0] ?? 0, logprob: new Float32Array(words.buffer)[1] ?? 0 };
  }

  private readback(step: number): GPUBuffer {
    const { readbacks } = this.programs.buffers;
    return required(readbacks[step % readbacks.length], 'readback');
  }
}
