import type { Gpu, PassTimer } from './device';

/** WebGPU's limit of a query set. */
const MOST_QUERIES = 4096;

/** What a kernel took. */
export interface KernelTime {
  kernel: string;
  dispatches: number;
  ms: number;
}

/** What each kernel takes of a run of `work`: the mean of some runs, the dearest kernel first. */
export async function profiled(gpu: Gpu, work: () => Promise<unknown>, runs = 1): Promise<KernelTime[]> {
  const profiler = new Profiler(gpu);
  gpu.timer = profiler;
  try {
    for (let run = 0; run < runs; run++) {
      await work();
      await profiler.collect();
    }
    return profiler.report.map(({ kernel, dispatches, ms }) => ({
      kernel,
      dispatches: dispatches / runs,
      ms: ms / runs,
    }));
  } finally {
    gpu.timer = null;
    profiler.destroy();
  }
}

/**
 * Measures every dispatch by timestamps around a pass of its own. Passes cost time too, so a profile tells shares, and a
 * run without one the total.
 */
export class Profiler implements PassTimer {
  private readonly gpu: Gpu;
  private readonly queries: GPUQuerySet;
  /** The kernel of each pair of timestamps. */
  private kernels: string[] = [];
  private readonly times = new Map<string, KernelTime>();

  /** @param gpu with the feature `timestamp-query`. */
  constructor(gpu: Gpu) {
    this.gpu = gpu;
    this.queries = gpu.device.createQuerySet({ type: 'timestamp', count: MOST_QUERIES });
  }

  /** A pass that is timed as `kernel`. Beyond what a query set holds passes go untimed: `collect` more often. */
  beginPass(encoder: GPUCommandEncoder, kernel: string): GPUComputePassEncoder {
    const at = 2 * this.kernels.length;
    if (at >= MOST_QUERIES) return encoder.beginComputePass();
    this.kernels.push(kernel);
    return encoder.beginComputePass({
      timestampWrites: { querySet: this.queries, beginningOfPassWriteIndex: at, endOfPassWriteIndex: at + 1 },
    });
  }

  /** Adds up the passes since the last call; waits for them. */
  async collect(): Promise<void> {
    const { kernels, gpu } = this;
    this.kernels = [];
    if (kernels.length === 0) return;
    const bytes = 16 * kernels.length;
    const resolved = gpu.createBuffer(
      'timestamps',
      bytes,
      GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC,
    );
    const encoder = gpu.device.createCommandEncoder();
    encoder.resolveQuerySet(this.queries, 0, 2 * kernels.length, resolved, 0);
    gpu.device.queue.submit([encoder.finish()]);
    const stamps = new BigUint64Array(await gpu.read(resolved, bytes));
    gpu.destroy(resolved);
    kernels.forEach((kernel, i) => {
      const time = this.times.get(kernel) ?? { kernel, dispatches: 0, ms: 0 };
      time.dispatches++;
      time.ms += Number((stamps[2 * i + 1] ?? 0n) - (stamps[2 * i] ?? 0n)) / 1e6;
      this.times.set(kernel, time);
    });
  }

  /** What was collected, the dearest kernel first. */
  get report(): KernelTime[] {
    return [...this.times.values()].sort((a, b) => b.ms - a.ms);
  }

  destroy(): void {
    this.queries.destroy();
  }
}
