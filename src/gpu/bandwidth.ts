import { Allocation } from './allocation';
import type { Gpu } from './device';

const BYTES = 64 * 2 ** 20;
const ROUNDS = 5;

/** Bytes a second that the device reads and writes when it does nothing but copy: the best of five copies of 64 MiB. */
export async function copyBandwidth(gpu: Gpu): Promise<number> {
  const memory = new Allocation(gpu);
  const [source, target] = [memory.storage('source', BYTES), memory.storage('target', BYTES)];
  let best = Infinity;
  // The first one, which also fills the memory, does not count.
  for (let round = 0; round <= ROUNDS; round++) {
    const started = performance.now();
    const encoder = gpu.device.createCommandEncoder();
    encoder.copyBufferToBuffer(source, 0, target, 0, BYTES);
    gpu.device.queue.submit([encoder.finish()]);
    await gpu.device.queue.onSubmittedWorkDone();
    if (round > 0) best = Math.min(best, performance.now() - started);
  }
  memory.destroy();
  return (2 * BYTES * 1000) / best;
}
