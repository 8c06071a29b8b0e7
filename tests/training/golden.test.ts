import { beforeAll, describe, expect, it } from 'vitest';
import type { ModelFolder } from '../../src/formats/model-folder';
import { Generator } from '../../src/generation/generator';
import { AdapterSlot } from '../../src/model/lora';
import { ModelRuntime } from '../../src/model/runtime';
import { Trainer } from '../../src/training/trainer';
import type { Hyperparameters, TrainingExample } from '../../src/training/types';
import { seededAdapter } from '../reference/adapter';
import { cosine, expectClose, relativeL2 } from '../reference/check';
import {
  decodeFloats,
  type GoldenTraining,
  type ModelGolden,
  readGolden,
  type TinyGolden,
} from '../reference/golden';
import { seededModel, TINY_CONFIG } from '../reference/seeded-model';
import type { TokenExample } from '../reference/training';
import { testGpu, thumbling } from '../support/gpu';

/** The fixture's batch in the trainer's terms: KTO's λ goes into the weights, which the trainer divides by their number. */
function examplesOf(training: GoldenTraining): TrainingExample[] {
  const { lambda_up, lambda_down } = training.settings;
  const count = training.examples.length;
  return training.examples.map((example: TokenExample, index): TrainingExample => {
    const id = String(index);
    const weight = example.weight * count;
    switch (example.kind) {
      case 'pair':
        return { ...example, id, weight };
      case 'up':
        if (lambda_up !== 1)
          throw new Error('an up thumb also has an SFT term: λ does not fold into its weight');
        return {
          kind: 'thumb',
          id,
          weight,
          up: true,
          prompt: example.prompt,
          reply: example.reply,
          reference: example.reference.reply,
        };
      case 'down':
        return {
          kind: 'thumb',
          id,
          weight: weight * lambda_down,
          up: false,
          prompt: example.prompt,
          reply: example.reply,
          reference: example.reference.reply,
        };
      case 'sft':
        return { kind: 'text', id, weight, prompt: example.prompt, reply: example.reply };
      default:
        return example satisfies never;
    }
  });
}

function hyperparametersOf({ settings, optimizer }: GoldenTraining): Hyperparameters {
  return {
    rank: 4,
    learning_rate: optimizer.lr,
    layer_decay: 1,
    steps: 10,
    batch_size: 8,
    beta: settings.beta,
    label_smoothing: settings.label_smoothing,
    sft_weight: settings.sft_weight,
    weight_decay: optimizer.weight_decay,
    max_grad_norm: optimizer.clip,
    ema_decay: 0,
    rehearsal: 0,
    rehearsal_weight: 0,
    baseline: settings.z0,
    margin_stop: Infinity,
    kl_stop: Infinity,
  };
}

/** Trains on the device as PyTorch did. */
async function run(folder: ModelFolder, training: GoldenTraining, rows: number) {
  const runtime = ModelRuntime.of(await testGpu(), folder, training.rank);
  const { rank, lora_alpha } = training;
  const trainer = await Trainer.create(runtime, { rows });
  const start = {
    ...seededAdapter(folder.config, rank, lora_alpha, training.adapter_seed),
    base: folder.sha256,
  };
  trainer.load(start);
  const examples = examplesOf(training);
  const hyperparameters = hyperparametersOf(training);
  const gradientArena = await trainer.gradients(examples, hyperparameters);
  const gradients = runtime.layout.unpack(gradientArena, { rank, lora_alpha, base: '' }).tensors;
  const steps = [];
  for (let step = 0; step < training.steps.length; step++)
    steps.push(await trainer.step(examples, hyperparameters));
  const trained = (await trainer.adapter()).tensors;
  trainer.destroy();
  runtime.destroy();
  return { start: start.tensors, gradients, steps, trained };
}

type Result = Awaited<ReturnType<typeof run>>;

function expectSteps(result: Result, training: GoldenTraining): void {
  result.steps.forEach((step, index) => {
    const golden = training.steps[index];
    expect(step.loss).toBeCloseTo(golden?.loss ?? NaN, 4);
    expect(step.gradNorm / (golden?.gradient_norm ?? NaN)).toBeCloseTo(1, 2);
  });
  expect(result.steps).toHaveLength(training.steps.length);
}

function expectGradients(result: Result, training: GoldenTraining): void {
  expect(Object.keys(training.gradients)).toHaveLength(result.gradients.size);
  for (const [key, golden] of Object.entries(training.gradients)) {
    const found = result.gradients.get(key);
    for (const half of ['a', 'b'] as const) {
      const expected = decodeFloats(golden[half]);
      expect(cosine(found?.[half] ?? [], expected), `${key} ${half}`).toBeGreaterThan(0.999);
      expect(relativeL2(found?.[half] ?? [], expected), `${key} ${half}`).toBeLessThan(0.02);
    }
  }
}

describe('ten steps of preference training beside PyTorch', () => {
  describe('a tiny model: pairs, thumbs both ways, text; gradients clipped', () => {
    let result: Result;
    let golden: TinyGolden;
    beforeAll(async () => {
      golden = await readGolden('tiny');
      const tensors = seededModel(TINY_CONFIG, golden.model_seed);
      const folder = { ...(await thumbling()), config: TINY_CONFIG, tensors };
      result = await run(folder, golden.training, 64);
    });

    it('has the same losses and gradient norms', () => expectSteps(result, golden.training));
    it('has the same gradient in every tensor', () => expectGradients(result, golden.training));

    it('has the same update in every tensor', () => {
      for (const [key, update] of Object.entries(golden.training.updates)) {
        const before = result.start.get(key);
        const after = result.trained.get(key);
        for (const half of ['a', 'b'] as const) {
          const moved = Float32Array.from(
            after?.[half] ?? [],
            (value, i) => value - (before?.[half][i] ?? NaN),
          );
          expect(cosine(moved, decodeFloats(update[half])), `${key} ${half}`).toBeGreaterThan(0.999);
          expect(relativeL2(moved, decodeFloats(update[half])), `${key} ${half}`).toBeLessThan(0.02);
        }
      }
    });
  });

  describe('Thumbling', () => {
    let result: Result;
    let golden: ModelGolden;
    beforeAll(async () => {
      golden = await readGolden('model');
      // Less room than the batch needs: it is split into micro-batches.
      result = await run(await thumbling(), golden.training, 48);
    });

    it('has the same losses and gradient norms', () => expectSteps(result, golden.training));
    it('has the same gradient in every tensor', () => expectGradients(result, golden.training));

    it('has the same logits and log-probabilities', async () => {
      const runtime = ModelRuntime.of(await testGpu(), await thumbling(), 4);
      const slot = new AdapterSlot(runtime.gpu, runtime.layout, 'chat');
      slot.load(null);
      const generator = await Generator.create(runtime, slot, 'f32');
      const trainer = await Trainer.create(runtime, { rows: 64 });
      for (const { prompt_ids, reply_ids, last_prompt_logits, reply_logprob } of golden.cases) {
        const logits = await generator.logits(prompt_ids);
        expectClose(logits, decodeFloats(last_prompt_logits), { rtol: 1e-3, atolScale: 1e-4 });
        const [score] = await trainer.score([{ prompt: prompt_ids, reply: reply_ids }], 'base');
        expect(score?.logprob).toBeCloseTo(reply_logprob, 3);
      }
      generator.destroy();
      trainer.destroy();
      slot.destroy();
      runtime.destroy();
    });
  });
});
