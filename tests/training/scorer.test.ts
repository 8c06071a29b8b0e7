import { afterAll, beforeAll, expect, it } from 'vitest';
import { ModelRuntime } from '../../src/model/runtime';
import { chunksOf } from '../../src/model/scorer';
import { createRandom } from '../../src/shared/random';
import { Trainer } from '../../src/training/trainer';
import { DEFAULT_LORA } from '../../src/training/types';
import { seededAdapter } from '../reference/adapter';
import { seededModel, TINY_CONFIG } from '../reference/seeded-model';
import { testGpu, thumbling } from '../support/gpu';

let trainer: Trainer;
let runtime: ModelRuntime;
beforeAll(async () => {
  const folder = { ...(await thumbling()), config: TINY_CONFIG, tensors: seededModel(TINY_CONFIG, 4) };
  runtime = ModelRuntime.of(await testGpu(), folder, DEFAULT_LORA.rank);
  trainer = await Trainer.create(runtime, { rows: 32 });
});
afterAll(() => {
  trainer.destroy();
  runtime.destroy();
});

const random = createRandom(3);
const ids = (length: number): number[] => Array.from({ length }, () => random.int(TINY_CONFIG.vocab_size));
const prompt = ids(9);
/** Three replies to one prompt around another's, then one too long to join them. */
const SEQUENCES = [
  { prompt, reply: ids(4) },
  { prompt: [...prompt], reply: ids(3) },
  { prompt: ids(5), reply: ids(3) },
  { prompt, reply: ids(2) },
  { prompt, reply: ids(20) },
];

it('neighbours share their prompt in a batch, others have it anew', () => {
  const chunks = chunksOf(SEQUENCES, 32);
  expect(chunks.map((chunk) => chunk.map(({ replies }) => replies.length))).toEqual([[2, 1, 1], [1]]);
  expect(chunks.flat().flatMap(({ replies }) => replies)).toEqual(SEQUENCES.map(({ reply }) => reply));
});

it('scores and compares sequences as each of them alone', async () => {
  trainer.load({ ...seededAdapter(TINY_CONFIG, DEFAULT_LORA.rank, 16, 9), base: runtime.sha256 });
  const together = await trainer.score(SEQUENCES, 'adapter');
  const compared = await trainer.compare(SEQUENCES);
  for (const [i, sequence] of SEQUENCES.entries()) {
    const [alone] = await trainer.score([sequence], 'adapter');
    expect(together[i]?.tokens).toBe(sequence.reply.length);
    expect(together[i]?.logprob).toBeCloseTo(alone?.logprob ?? NaN, 3);
    const [difference] = await trainer.compare([sequence]);
    expect(compared[i]?.kl).toBeCloseTo(difference?.kl ?? NaN, 4);
  }
});
