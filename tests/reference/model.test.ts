import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import { required } from '../../src/shared/assert';
import { flatten, projections, seededAdapter, toReference, unflatten, type ReferenceLora } from './adapter';
import { adamwState, adamwStep } from './adamw';
import { packBatch } from './batch';
import { centralDifferences, expectClose } from './check';
import {
  decodeFloats,
  readGolden,
  type EncodedLora,
  type GoldenTraining,
  type ModelGolden,
  type TinyGolden,
} from './golden';
import { ReferenceModel } from './model';
import { thumbling } from '../support/gpu';
import { HashRandom } from './random';
import { seededModel, TINY_CONFIG } from './seeded-model';
import { trainingStep } from './training';
import { at, dot, norm, rowOf } from './vector';

/** The fixtures hold arrays in float32 and scalars in float64. */
const TORCH = { rtol: 1e-6, atolScale: 1e-6 };

const shipped = (path: string): Promise<Buffer> =>
  readFile(new URL(`../../models/thumbling/${path}`, import.meta.url));

describe('reference model', () => {
  const model = new ReferenceModel(TINY_CONFIG, seededModel(TINY_CONFIG, 31));
  const adapter = toReference(seededAdapter(TINY_CONFIG, 3, 6, 32));
  const batch = packBatch([
    {
      prompt: [5, 90, 17],
      replies: [
        [33, 4, 2],
        [61, 2],
      ],
    },
    { prompt: [7], replies: [[8, 9, 2]] },
  ]);
  const coefficients = [-0.7, 0.4, 1.3];

  it('backward agrees with finite differences in every A and B', () => {
    const gradients = model.backward(batch, adapter, coefficients);
    expect([...gradients.keys()]).toEqual(projections(TINY_CONFIG).map((p) => p.key));
    const c = Float64Array.from(coefficients);
    const f = () => dot(model.sequenceLogprobs(batch, adapter), 0, c, 0, c.length);
    const random = new HashRandom(33);
    for (const [key, { a, b }] of adapter.tensors) {
      for (const [name, parameter] of [['a', a] as const, ['b', b] as const]) {
        const gradient = gradients.get(key)?.[name] ?? new Float64Array(0);
        expect(gradient.length).toBe(parameter.length);
        const indices = Array.from({ length: 6 }, () => random.below(parameter.length));
        const numeric = centralDifferences(f, parameter, indices);
        const analytic = indices.map((i) => at(gradient, i));
        expectClose(analytic, numeric, { rtol: 1e-5, atolScale: 1e-6 }, `${key}.${name}`);
      }
    }
  });

  it('gives packed replies what each gets alone', () => {
    const alone = packBatch([
      { prompt: [5, 90, 17], replies: [[33, 4, 2]] },
      { prompt: [5, 90, 17], replies: [[61, 2]] },
      { prompt: [7], replies: [[8, 9, 2]] },
    ]);
    const exact = { rtol: 1e-10, atolScale: 1e-10 };
    expectClose(model.sequenceLogprobs(batch, adapter), model.sequenceLogprobs(alone, adapter), exact);
    const shared = model.backward(batch, adapter, coefficients);
    const unshared = model.backward(alone, adapter, coefficients);
    expectClose(flatten(shared), flatten(unshared), exact);
  });

  it('reads lm_head when the head is untied', () => {
    const untied = { ...TINY_CONFIG, tie_word_embeddings: false };
    const tensors = seededModel(untied, 31);
    const own = new ReferenceModel(untied, tensors).logits(batch, null);
    const tied = new ReferenceModel(TINY_CONFIG, tensors).logits(batch, null);
    expect(() => expectClose(own, tied, { rtol: 0.01, atolScale: 0.01 })).toThrow();
    tensors.set('lm_head', required(tensors.get('model.embed_tokens'), 'model.embed_tokens'));
    expectClose(new ReferenceModel(untied, tensors).logits(batch, null), tied, { rtol: 0, atolScale: 0 });
  });

  it('is the base model without an adapter and at strength 0', () => {
    const off = toReference(seededAdapter(TINY_CONFIG, 3, 6, 32), 0);
    const base = model.logits(batch, null);
    expectClose(model.logits(batch, off), base, { rtol: 1e-12, atolScale: 1e-12 });
    expect(() => expectClose(model.logits(batch, adapter), base, { rtol: 0.01, atolScale: 0.01 })).toThrow();
  });
});

describe('golden run on the tiny model', () => {
  let golden: TinyGolden;
  let model: ReferenceModel;
  beforeAll(async () => {
    golden = await readGolden('tiny');
    expect(TINY_CONFIG).toMatchObject(golden.config);
    model = new ReferenceModel(TINY_CONFIG, seededModel(TINY_CONFIG, golden.model_seed));
  });

  it('gives PyTorch’s reference log-probabilities and first gradients', () => {
    expectReferences(model, golden.training);
    expectFirstStep(model, golden.training);
  });

  it('repeats PyTorch’s ten steps and ends at its parameters', () => {
    const { training } = golden;
    const { rank, lora_alpha, adapter_seed, examples, settings, optimizer, steps } = training;
    const adapter = toReference(seededAdapter(TINY_CONFIG, rank, lora_alpha, adapter_seed));
    const initial = flatten(adapter.tensors);
    const state = adamwState(initial);
    expect(steps.length).toBe(10);
    // Proof that clipping takes part in the run.
    expect(Math.max(...steps.map((step) => step.gradient_norm))).toBeGreaterThan(optimizer.clip);
    for (const step of steps) {
      const current = { ...adapter, tensors: unflatten(state.parameters, adapter.tensors) };
      const { losses, margins, logprobs, gradients } = trainingStep(model, current, examples, settings);
      expectClose(losses, step.losses, TORCH, 'losses');
      expectClose(margins, step.margins, TORCH, 'margins');
      expectClose(logprobs.flat(), step.logprobs.flat(), TORCH, 'logprobs');
      const gradientNorm = adamwStep(state, flatten(gradients), optimizer);
      expectClose([gradientNorm], [step.gradient_norm], TORCH, 'gradient norm');
    }
    const update = state.parameters.map((value, i) => value - at(initial, i));
    expectEncoded(unflatten(update, adapter.tensors), training.updates);
  });
});

describe('golden run on the model that ships', () => {
  let golden: ModelGolden;
  let model: ReferenceModel;
  beforeAll(async () => {
    golden = await readGolden('model');
    const folder = await thumbling();
    model = new ReferenceModel(folder.config, folder.tensors);
  });

  it('belongs to the weights in models/thumbling (else: run the command in the fixture)', async () => {
    const cache = JSON.parse((await shipped('tensor-cache.json')).toString()) as {
      records: { dataPath: string }[];
    };
    const hash = createHash('sha256');
    for (const { dataPath } of cache.records) hash.update(await shipped(dataPath));
    expect(hash.digest('hex')).toBe(golden.shards_sha256);
  });

  it('gives PyTorch’s logits and reply log-probabilities', () => {
    for (const { prompt_ids, reply_ids, last_prompt_logits, reply_logprob } of golden.cases) {
      const batch = packBatch([{ prompt: prompt_ids, replies: [reply_ids] }]);
      const last = rowOf(model.logits(batch, null), prompt_ids.length - 1, model.config.vocab_size);
      expectClose(last, decodeFloats(last_prompt_logits), TORCH, 'logits');
      expectClose(model.sequenceLogprobs(batch, null), [reply_logprob], TORCH, 'reply');
    }
  });

  it('gives PyTorch’s first gradients', () => {
    expectFirstStep(model, golden.training);
  });
});

function expectReferences(model: ReferenceModel, training: GoldenTraining): void {
  for (const example of training.examples) {
    const replies = example.kind === 'pair' ? [example.chosen, example.rejected] : [example.reply];
    const scores = model.sequenceLogprobs(packBatch([{ prompt: example.prompt, replies }]), null);
    const { reference } = example;
    const expected = 'reply' in reference ? [reference.reply] : [reference.chosen, reference.rejected];
    expectClose(scores, expected, TORCH, 'references');
  }
}

function expectFirstStep(model: ReferenceModel, training: GoldenTraining): void {
  const { rank, lora_alpha, adapter_seed, examples, settings, steps } = training;
  const adapter = toReference(seededAdapter(model.config, rank, lora_alpha, adapter_seed));
  const { losses, gradients } = trainingStep(model, adapter, examples, settings);
  expectClose(losses, steps[0]?.losses ?? [], TORCH, 'losses');
  expectClose([norm(flatten(gradients))], [steps[0]?.gradient_norm ?? NaN], TORCH, 'gradient norm');
  expectEncoded(gradients, training.gradients);
}

function expectEncoded(
  actual: ReadonlyMap<string, ReferenceLora>,
  expected: Record<string, EncodedLora>,
): void {
  expect([...actual.keys()].sort()).toEqual(Object.keys(expected).sort());
  for (const [key, { a, b }] of actual) {
    expectClose(a, decodeFloats(expected[key]?.a ?? ''), TORCH, `${key}.a`);
    expectClose(b, decodeFloats(expected[key]?.b ?? ''), TORCH, `${key}.b`);
  }
}
