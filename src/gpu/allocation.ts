import type { Gpu } from './device';

/** The buffers of one owner, destroyed together. */
export class Allocation {
  private readonly gpu: Gpu;
  private readonly buffers: GPUBuffer[] = [];

  constructor(gpu: Gpu) {
    this.gpu = gpu;
  }

  /** @param bytes size. @throws ThumbprintError `out-of-memory` when it is larger than the device allows. */
  storage(label: string, bytes: number): GPUBuffer {
    return this.keep(this.gpu.storage(label, bytes));
  }

  /** A storage buffer with contents. */
  upload(label: string, data: ArrayBufferView<ArrayBuffer>): GPUBuffer {
    return this.keep(this.gpu.upload(label, data));
  }

  uniform(label: string, bytes: number): GPUBuffer {
    return this.keep(this.gpu.uniform(label, bytes));
  }

  /** What the host can map to read. */
  staging(label: string, bytes: number): GPUBuffer {
    return this.keep(this.gpu.createBuffer(label, bytes, GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST));
  }

  destroy(): void {
    this.gpu.destroy(...this.buffers.splice(0));
  }

  private keep(buffer: GPUBuffer): GPUBuffer {
    this.buffers.push(buffer);
    return buffer;
  }
}
