import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ModelFolder } from '../../src/formats/model-folder';
import { ModelRuntime } from '../../src/model/runtime';
import { addReferences, batchAt, judgedKl, runSteps } from '../../src/training/train';
import type { StepResult, TrainerState } from '../../src/training/types';
import { microBatches } from '../../src/training/examples';
import { Trainer, type TrainerOptions } from '../../src/training/trainer';
import { DEFAULT_HYPERPARAMETERS, lowestTrained, type TrainingExample } from '../../src/training/types';
import { createRandom } from '../../src/shared/random';
import { ThumbprintError } from '../../src/shared/errors';
import { type ReferenceAdapter, seededAdapter, toReference } from '../reference/adapter';
import { packBatch } from '../reference/batch';
import { cosine, expectClose, relativeL2 } from '../reference/check';
import { divergence } from '../reference/divergence';
import { ReferenceModel } from '../reference/model';
import { seededModel, TINY_CONFIG } from '../reference/seeded-model';
import { rowOf } from '../reference/vector';
import { testGpu, thumbling } from '../support/gpu';

const LORA = { rank: 4, lora_alpha: 8 };

let folder: ModelFolder;
let runtime: ModelRuntime;
beforeAll(async () => {
  folder = { ...(await thumbling()), config: TINY_CONFIG, tensors: seededModel(TINY_CONFIG, 4) };
  runtime = ModelRuntime.of(await testGpu(), folder, LORA.rank);
});
afterAll(() => runtime.destroy());

const adapter = () => ({ ...seededAdapter(TINY_CONFIG, LORA.rank, LORA.lora_alpha, 9), base: folder.sha256 });

const random = createRandom(31);
const ids = (length: number): number[] => Array.from({ length }, () => random.int(TINY_CONFIG.vocab_size));
const EXAMPLES: TrainingExample[] = [
  { kind: 'pair', id: 'pair', prompt: ids(5), chosen: ids(4), rejected: ids(9) },
  { kind: 'pair', id: 'short', prompt: ids(1), chosen: ids(1), rejected: ids(2) },
  { kind: 'thumb', id: 'up', prompt: ids(3), reply: ids(5), up: true },
  { kind: 'thumb', id: 'down', prompt: ids(8), reply: ids(3), up: false },
  { kind: 'text', id: 'text', prompt: ids(1), reply: ids(7) },
];
const HYPERPARAMETERS = {
  ...DEFAULT_HYPERPARAMETERS,
  beta: 0.1,
  steps: 6,
  batch_size: 3,
  margin_stop: Infinity,
  kl_stop: Infinity,
};

async function withTrainer<T>(
  work: (trainer: Trainer) => Promise<T>,
  options: Partial<TrainerOptions> = {},
  on = runtime,
): Promise<T> {
  const trainer = await Trainer.create(on, { rows: 64, ...options });
  trainer.load(adapter());
  try {
    return await work(trainer);
  } finally {
    trainer.destroy();
  }
}

describe('the trainer', () => {
  it('goes on from a saved state exactly as it would have', async () => {
    const whole = await withTrainer(async (trainer) => {
      const examples = await addReferences(trainer, EXAMPLES);
      await runSteps(trainer, examples, HYPERPARAMETERS, 5);
      return trainer.state();
    });
    let done: readonly StepResult[] = [];
    const saved = await withTrainer(async (trainer) => {
      const examples = await addReferences(trainer, EXAMPLES);
      await runSteps(trainer, examples, { ...HYPERPARAMETERS }, 5, {
        onStep: (results) => {
          done = results;
          if (results.length === 3) throw new Error('the tab was closed');
        },
      }).catch(() => undefined);
      return trainer.state();
    });
    expect(saved.step).toBe(3);
    const resumed = await withTrainer(async (trainer) => {
      trainer.restore({ ...LORA, base: folder.sha256 }, saved);
      const examples = await addReferences(trainer, EXAMPLES);
      await runSteps(trainer, examples, HYPERPARAMETERS, 5, { done });
      return trainer.state();
    });
    expect(resumed).toEqual(whole);
    // What was saved before there were averages begins them where it stands.
    const { averages: _, ...earlier } = saved;
    const restored = await withTrainer((trainer) => {
      trainer.restore({ ...LORA, base: folder.sha256 }, earlier);
      return trainer.state();
    });
    expect(restored).toEqual({ ...earlier, averages: earlier.parameters });
  });

  it('leaves the moving average of its steps, or the last of them', async () => {
    await withTrainer(async (trainer) => {
      const examples = await addReferences(trainer, EXAMPLES);
      const trained = async (ema_decay: number) => {
        trainer.load(adapter());
        const trail: Float32Array[] = [];
        await runSteps(trainer, examples, { ...HYPERPARAMETERS, steps: 3, ema_decay }, 5, {
          onStep: async () => void trail.push(new Float32Array((await trainer.state()).parameters)),
        });
        return { trail, left: new Float32Array((await trainer.state()).parameters) };
      };
      const { trail, left } = await trained(0.5);
      const [first, second, third] = trail.map((parameters) => [...parameters]);
      const average = third?.map((p, i) => (4 * p + 2 * (second?.[i] ?? NaN) + (first?.[i] ?? NaN)) / 7);
      expectClose(left, average ?? [], { rtol: 1e-4, atolScale: 1e-6 });
      const last = await trained(0);
      expect(last.left).toEqual(last.trail.at(-1));
    });
  });

  it('stops once two steps in a row have passed the margin, counting those before an interruption', async () => {
    await withTrainer(async (trainer) => {
      const examples = await addReferences(trainer, EXAMPLES);
      const eager = { ...HYPERPARAMETERS, margin_stop: -100 };
      const results = await runSteps(trainer, examples, eager, 5);
      expect(results).toHaveLength(2);
      expect(await runSteps(trainer, examples, eager, 5, { done: results.slice(0, 1) })).toHaveLength(2);
      expect(await runSteps(trainer, examples, eager, 5, { done: results })).toEqual(results);
    });
  });

  it('stops once liked replies have become less likely than under the base', async () => {
    await withTrainer(async (trainer) => {
      const liking = (better: number): TrainingExample[] =>
        [1, 2, 3].map((n) => {
          const reply = { kind: 'thumb', prompt: ids(3), reply: ids(5), up: true } as const;
          return { ...reply, id: String(n), reference: 5 * (uniform - better) };
        });
      // A reference of a uniform model: the tiny one is nearly that.
      const uniform = -Math.log(TINY_CONFIG.vocab_size);
      const fine = await runSteps(trainer, liking(2), HYPERPARAMETERS, 5);
      expect(fine).toHaveLength(HYPERPARAMETERS.steps);
      expect(fine[0]?.chosen).toBeGreaterThan(0);
      const worse = await runSteps(trainer, liking(-9), HYPERPARAMETERS, 5);
      expect(worse).toHaveLength(2);
      expect(worse[1]?.chosen).toBeLessThan(-0.1);
      // A training that is repeated does what was done.
      const rows = fine.map((result) => result.rows);
      expect(await runSteps(trainer, liking(-9), HYPERPARAMETERS, 5, { rows })).toHaveLength(rows.length);
    });
  });

  it('stops once the predictions have moved, at the same step after an interruption too', async () => {
    await withTrainer(async (trainer) => {
      const examples = await addReferences(trainer, EXAMPLES);
      const wary = { ...HYPERPARAMETERS, steps: 40, kl_stop: 2 * (await judgedKl(trainer, examples)) };
      const saved: TrainerState[] = [];
      const results = await runSteps(trainer, examples, wary, 5, {
        onStep: async () => void saved.push(await trainer.state()),
      });
      expect(results.length).toBeGreaterThan(2);
      expect(results.length).toBeLessThan(40);
      const before = saved[results.length - 2];
      if (!before) throw new Error('no state');
      trainer.restore({ ...LORA, base: folder.sha256 }, before);
      const done = results.slice(0, -1);
      expect(await runSteps(trainer, examples, wary, 5, { done })).toEqual(results);
      // A training that is repeated does what was done, and measures nothing.
      trainer.load(adapter());
      const rows = results.map((result) => result.rows);
      expect(await runSteps(trainer, examples, { ...wary, kl_stop: 0 }, 5, { rows })).toEqual(results);
    });
  });

  it('has the same gradient however the batch is cut', async () => {
    const gradients = async (rows: number): Promise<Float32Array> =>
      withTrainer(
        async (trainer) => trainer.gradients(await addReferences(trainer, EXAMPLES), HYPERPARAMETERS),
        { rows },
      );
    expect(relativeL2(await gradients(20), await gradients(64))).toBeLessThan(1e-5);
  });

  it('has the same gradient whether layers keep their activations, compute them again, or some of them do', async () => {
    const live = async (keepBytes: number) =>
      withTrainer(
        async (trainer) => ({
          bytes: runtime.gpu.liveBytes,
          gradients: await trainer.gradients(await addReferences(trainer, EXAMPLES), {
            ...HYPERPARAMETERS,
            layer_decay: 1,
          }),
        }),
        { keepBytes },
      );
    const [none, all] = [await live(0), await live(2 ** 30)];
    const half = await live((all.bytes - none.bytes) / 2);
    expect(half.bytes).toBeCloseTo((all.bytes + none.bytes) / 2, -1);
    expect(half.bytes).toBeGreaterThan(none.bytes);
    expect(all.gradients).toEqual(none.gradients);
    expect(half.gradients).toEqual(none.gradients);
  });

  describe('where there is little memory', () => {
    const options = { rows: 512, keepBytes: 6 * 2 ** 20 };
    const room = async (memoryBytes: number) => {
      const { gpu } = runtime;
      const before = gpu.liveBytes;
      const trainer = await Trainer.create(runtime, { ...options, memoryBytes });
      const made = { bytes: gpu.liveBytes - before, rows: trainer.rows };
      trainer.destroy();
      expect(gpu.liveBytes).toBe(before);
      return made;
    };

    it('keeps fewer activations, then makes micro-batches smaller, down to a least size', async () => {
      const all = await room(2 ** 40);
      const none = await room(all.bytes - 1);
      const half = await room(none.bytes - 1);
      const least = await room(1);
      expect([all, none, half, least].map(({ rows }) => rows)).toEqual([512, 512, 256, 128]);
      expect(none.bytes).toBeLessThan(all.bytes);
      expect(half.bytes).toBeLessThan(none.bytes);
      expect(least.bytes).toBeGreaterThan(1);
    });

    it('does the same when the device refuses, and says what to do when nothing fits', async () => {
      const { gpu } = runtime;
      const before = gpu.liveBytes;
      const { bytes } = await room(1);
      const createBuffer = gpu.createBuffer.bind(gpu);
      const refuseAbove = (most: number): void => {
        gpu.createBuffer = (label, size, usage) => {
          if (gpu.liveBytes - before + size > most) throw new ThumbprintError('out-of-memory', 'no more');
          return createBuffer(label, size, usage);
        };
      };
      try {
        refuseAbove(bytes + 2 ** 16);
        expect(await room(2 ** 40)).toEqual({ bytes, rows: 128 });
        refuseAbove(bytes - 1);
        await expect(room(2 ** 40)).rejects.toThrow(/does not fit .* smaller model. \(no more\)/);
      } finally {
        gpu.createBuffer = createBuffer;
      }
      expect(gpu.liveBytes).toBe(before);
    });
  });

  it('spares the layers that would hardly learn', async () => {
    const layerSize = runtime.layout.size / TINY_CONFIG.num_hidden_layers;
    const gradients = (layer_decay: number) =>
      withTrainer(async (trainer) =>
        trainer.gradients(await addReferences(trainer, EXAMPLES), { ...HYPERPARAMETERS, layer_decay }),
      );
    const [all, top] = [await gradients(0.2), await gradients(0.05)];
    expect(all.subarray(0, layerSize).some((value) => value !== 0)).toBe(true);
    expect(top.subarray(0, layerSize).every((value) => value === 0)).toBe(true);
    expect(top.subarray(layerSize)).toEqual(all.subarray(layerSize));
    expect([0, 0.05, 0.55, 1].map((decay) => lowestTrained(6, decay))).toEqual([5, 5, 2, 0]);
  });

  it('makes shorter micro-batches where submits take long, with the same result', async () => {
    const trainer = await Trainer.create(runtime, { rows: 64, submitMs: 0.001 });
    trainer.load(adapter());
    const examples = await addReferences(trainer, EXAMPLES);
    await trainer.gradients(examples, HYPERPARAMETERS);
    const cut = await trainer.gradients(examples, HYPERPARAMETERS);
    trainer.destroy();
    const whole = await withTrainer((other) => other.gradients(examples, HYPERPARAMETERS));
    expect(relativeL2(cut, whole)).toBeLessThan(1e-5);
  });

  it('scores the base with the adapter off', async () => {
    await withTrainer(async (trainer) => {
      const sequences = [{ prompt: ids(6), reply: ids(4) }];
      const [base] = await trainer.score(sequences, 'base');
      const [adapted] = await trainer.score(sequences, 'adapter');
      expect(adapted?.logprob).not.toBeCloseTo(base?.logprob ?? NaN, 2);
      trainer.slot.load(null);
      expect(await trainer.score(sequences, 'adapter')).toEqual([base]);
    });
  });

  it("compares the adapter's predictions with the base model's as the twin does", async () => {
    const sequences = [5, 1, 9, 30].map((length) => ({ prompt: ids(4), reply: ids(length) }));
    await withTrainer(async (trainer) => {
      const measured = await trainer.compare(sequences);
      const model = new ReferenceModel(TINY_CONFIG, folder.tensors);
      sequences.forEach(({ prompt, reply }, i) => {
        const batch = packBatch([{ prompt, replies: [reply] }]);
        const rows = (which: ReferenceAdapter | null) => {
          const logits = model.logits(batch, which);
          return Float64Array.from(
            batch.targets.flatMap(({ row }) => [...rowOf(logits, row, TINY_CONFIG.vocab_size)]),
          );
        };
        const expected = new Float64Array(5);
        const ends = reply.map(() => reply.at(-1) ?? NaN);
        const { vocab_size } = TINY_CONFIG;
        divergence(rows(toReference(adapter())), rows(null), ends, vocab_size).forEach((value, n) => {
          expected[n % 5] = (expected[n % 5] ?? 0) + value;
        });
        const { kl, entropy, baseEntropy, ends: ending, baseEnds, tokens } = measured[i] ?? {};
        expect(tokens).toBe(reply.length);
        const values = [kl, entropy, baseEntropy, ending, baseEnds].map((value) => value ?? NaN);
        expectClose(values, expected, { rtol: 1e-3, atolScale: 1e-4 }, `sequence ${i}`);
      });
      trainer.slot.load(null);
      const [none] = await trainer.compare(sequences.slice(0, 1));
      expect(Math.abs(none?.kl ?? NaN)).toBeLessThan(1e-5);
    });
  });

  it('refuses an example that is larger than its memory, and frees all of that', async () => {
    const before = runtime.gpu.liveBuffers;
    await withTrainer(
      async (trainer) => {
        const long: TrainingExample = { kind: 'text', id: 'long', prompt: ids(1), reply: ids(40) };
        await expect(trainer.step([long], HYPERPARAMETERS)).rejects.toThrow('at most 32');
      },
      { rows: 32 },
    );
    expect(runtime.gpu.liveBuffers).toBe(before);
  });
});

describe('batches', () => {
  it('hold no more examples than there is room for, and lose none', () => {
    const texts = Array.from({ length: 150 }, (_, i): TrainingExample => ({
      kind: 'text',
      id: String(i),
      prompt: [1],
      reply: [2],
    }));
    const parts = microBatches(texts, 512, 512);
    expect(parts.map(({ length }) => length)).toEqual([64, 64, 22]);
    expect(parts.flat()).toEqual(texts);
  });

  it('follow from seed and step, and show every example once an epoch', () => {
    const items = Array.from({ length: 10 }, (_, i) => i);
    expect(batchAt(items, 4, 1, 7)).toEqual(batchAt(items, 4, 1, 7));
    const epoch = [0, 1, 2].flatMap((step) => batchAt(items, 4, 3, step));
    expect(new Set(epoch)).toEqual(new Set(items));
    expect(batchAt(items, 4, 3, 0)).not.toEqual(batchAt(items, 4, 3, 3));
    expect(batchAt([1], 4, 0, 5)).toEqual([1]);
  });
});

describe('one flipped sign in a backward kernel shows in the gradients', () => {
  let honest: Float32Array;
  beforeAll(async () => {
    honest = await withTrainer(async (t) => t.gradients(await addReferences(t, EXAMPLES), HYPERPARAMETERS));
  });

  it.each([
    ['rms_norm_backward', '- factor * x', '+ factor * x'],
    ['rope_backward', '= a * r.x + b * r.y', '= a * r.x - b * r.y'],
    ['attention_backward_q', '(dp - delta)', '(dp + delta)'],
    ['attention_backward_kv', '(dp - lse_delta.y)', '(dp + lse_delta.y)'],
    ['attention_backward_kv', 'dv_low_0 += p', 'dv_low_0 -= p'],
    ['swiglu_backward', '(1.0 - sigmoid))', '(1.0 + sigmoid))'],
    ['linear_backward', 'low_3 += dxb_3', 'low_3 -= dxb_3'],
    ['lora_up_backward', 'low += value', 'low -= value'],
    ['lora_grad_a', 'low += value', 'low -= value'],
    ['lora_grad_b', 'low += value', 'low -= value'],
    ['token_logprob', '1.0, i == goal) - exp', '1.0, i == goal) + exp'],
    ['preference', '= -coefficient * example', '= coefficient * example'],
  ])('%s: %s', async (kernel, sign, flipped) => {
    const mutated = ModelRuntime.of(runtime.gpu, folder, LORA.rank);
    const compile = mutated.pipelines.get.bind(mutated.pipelines);
    let changed = 0;
    mutated.pipelines.get = (source, constants) => {
      if (source.name !== kernel) return compile(source, constants);
      changed += source.code.split(sign).length - 1;
      return compile({ ...source, code: source.code.replace(sign, flipped) }, constants);
    };
    const wrong = await withTrainer(
      async (t) => t.gradients(await addReferences(t, EXAMPLES), HYPERPARAMETERS),
      {},
      mutated,
    );
    mutated.destroy();
    expect(changed).toBeGreaterThan(0);
    expect(Math.max(relativeL2(wrong, honest), 1 - cosine(wrong, honest))).toBeGreaterThan(0.02);
  });
});
