import { describe, expect, it } from 'vitest';
import { OnnxDecoder } from '../../../src/cli/bench/peers/onnxruntime';
import { randomModel } from '../../../src/cli/bench/speed/shapes';
import type { ModelFolder } from '../../../src/formats/model-folder';
import { Generator } from '../../../src/generation/generator';
import { AdapterSlot } from '../../../src/model/lora';
import { ModelRuntime } from '../../../src/model/runtime';
import { expectClose } from '../../reference/check';
import { seededModel, TINY_CONFIG } from '../../reference/seeded-model';
import { testGpu, thumbling } from '../../support/gpu';

const PROMPT = [1, 17, 100, 5, 64, 33, 90, 8, 2, 71];

const TINY: ModelFolder = {
  name: 'tiny',
  config: TINY_CONFIG,
  tensors: seededModel(TINY_CONFIG, 3),
  tokenizerJson: null,
  tokenizerConfig: null,
  sha256: 'tiny',
  bytes: 0,
  parameters: 0,
};

// Another engine's arithmetic on the same int4 weights.
describe.each([
  { name: 'a tiny model', open: () => Promise.resolve(TINY) },
  { name: 'Thumbling', open: thumbling },
])('$name in ONNX Runtime', ({ open }) => {
  it('has the same logits, after a prompt and token by token', async () => {
    const folder = await open();
    const runtime = ModelRuntime.of(await testGpu(), folder, 8);
    const slot = new AdapterSlot(runtime.gpu, runtime.layout, 'chat');
    slot.load(null);
    const generator = await Generator.create(runtime, slot, 'f32');
    const expected = await generator.logits(PROMPT);
    generator.destroy();
    const decoder = await OnnxDecoder.create(folder.config, folder.tensors, 'wasm', 0);
    const tolerance = { rtol: 1e-3, atolScale: 1e-4 };
    expectClose(await decoder.next(PROMPT), expected, tolerance, 'prompt');
    decoder.reset();
    let logits = new Float32Array();
    for (const id of PROMPT) logits = Float32Array.from(await decoder.next([id]));
    expectClose(logits, expected, tolerance, 'tokens');
    await decoder.destroy();
  });
});

it('has random models with the shapes and parameters of real ones', () => {
  const { config, tensors, parameters } = randomModel('smollm2-135m');
  expect(Math.round(parameters / 1e6)).toBe(135);
  const embedding = tensors.get('model.embed_tokens');
  if (embedding?.kind !== 'int4') throw new Error('no embedding');
  expect([embedding.rows, embedding.columns]).toEqual([config.vocab_size, config.hidden_size]);
  // The quantizer writes 0 to 14, which ONNX shifts by one.
  const nibbles = Array.from(embedding.weight.subarray(0, 1000), (word) =>
    Array.from({ length: 8 }, (_, i) => (word >>> (4 * i)) & 15),
  ).flat();
  expect([Math.min(...nibbles), Math.max(...nibbles)]).toEqual([0, 14]);
});
