import { perToken } from '../generation/timing';
import { copyBandwidth } from '../gpu/bandwidth';
import { profiled } from '../gpu/profiler';
import type { SpeedReport } from '../protocol/protocol';
import type { DeviceTurns } from './device-turns';
import type { ModelHost } from './model-host';

/** Lively enough not to end at once, and the same each time. */
const SAMPLING = {
  temperature: 1,
  top_k: 0,
  top_p: 1,
  min_p: 0,
  repetition_penalty: 1,
  max_tokens: 32,
};
const PROMPT = 'Tell me a long story.';

/** Times a reply that nobody sees; then, where the device measures time, each kernel in another one. */
export async function measureSpeed(
  { gpu, identity, generator, tokenizer }: ModelHost,
  turns: DeviceTurns,
): Promise<SpeedReport> {
  const prompt = tokenizer.encodeChat([{ role: 'user', content: PROMPT }]);
  const options = { sampling: SAMPLING, seed: 1 };
  const generate = () => generator.generate(prompt, options);
  return turns.foreground(async () => {
    // What is compiled late is compiled now, and the prompt is in the cache.
    await generate();
    const msPerToken = await perToken(generator, prompt, options);
    const report = {
      msPerToken,
      dispatchesPerToken: generator.dispatchesPerToken,
      weightBytes: identity.bytes,
      copyBytesPerSecond: await copyBandwidth(gpu),
    };
    if (!gpu.device.features.has('timestamp-query')) return { ...report, kernels: null };
    let tokens = 0;
    const times = await profiled(gpu, async () => {
      tokens = (await generate()).tokenIds.length;
    });
    const kernels = times.map(({ kernel, dispatches, ms }) => ({
      kernel,
      dispatches: dispatches / tokens,
      ms: ms / tokens,
    }));
    return { ...report, kernels };
  });
}
