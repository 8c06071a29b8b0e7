import { ThumbprintError } from '../shared/errors';

/** What the engine knows of the device it runs on. */
export interface GpuInfo {
  vendor: string;
  architecture: string;
  description: string;
  /** A CPU that stands in for a GPU. */
  software: boolean;
  features: string[];
}

/** A device's name for people. */
export function deviceName({
  vendor,
  architecture,
  description,
}: Pick<GpuInfo, 'vendor' | 'architecture' | 'description'>): string {
  return description || [vendor, architecture].filter(Boolean).join(' ') || 'WebGPU';
}

/** How products are cut into threads. */
export interface Tile {
  /** How many lanes may share a load: every subgroup is at least that wide; 1 without subgroups. */
  lanes: 1 | 4 | 8;
  /** Whether subgroups are exactly that wide. */
  exact: boolean;
  /** Rows of a product that a thread computes. */
  rows: 4 | 16;
  /** Whether products of many rows read both operands from workgroup memory, by tiles: of 4 rows a thread only. */
  tiled: boolean;
  /** Queries or keys that a workgroup of attention handles: all their threads go through what any of them sees. */
  attention: 8 | 32;
  /** Threads that share the sums of four columns of a row's product. */
  split: 1 | 8 | 32;
}

/** What products run as: those of many rows, and those of the one row of decoding. */
export interface ProductForms {
  batch: Tile;
  row: Tile;
}

export interface Forms extends ProductForms {
  /** By the matrix's shape, where that was measured: `formOf`. */
  shapes: Readonly<Record<string, ProductForms>>;
}

/** A shape's name in `Forms`. */
export function shapeKey({ rows, columns }: { rows: number; columns: number }): string {
  return `${rows}x${columns}`;
}

/** The form in which a matrix is multiplied. */
export function formOf(
  forms: Forms,
  what: keyof ProductForms,
  matrix: { rows: number; columns: number },
): Tile {
  return (forms.shapes[shapeKey(matrix)] ?? forms)[what];
}

/** Begins passes and measures how long they take. */
export interface PassTimer {
  beginPass(encoder: GPUCommandEncoder, kernel: string): GPUComputePassEncoder;
}

/** Features that kernels can use where they exist; nothing needs them. */
const OPTIONAL_FEATURES: readonly GPUFeatureName[] = ['shader-f16', 'subgroups', 'timestamp-query'];

/** Limits raised to what the adapter offers: weights of larger models need large bindings. */
const RAISED_LIMITS = [
  'maxBufferSize',
  'maxStorageBufferBindingSize',
  'maxComputeWorkgroupStorageSize',
  'maxComputeInvocationsPerWorkgroup',
] as const;

/** A device, its buffers counted, and news of its loss. */
export class Gpu {
  readonly device: GPUDevice;
  readonly info: GpuInfo;
  /** A guess by the adapter's name; software devices were measured, others measure themselves (model/tuning.ts). */
  forms: Forms;
  /** Resolves, with the reason, when the device is gone. */
  readonly lost: Promise<ThumbprintError>;
  /** While set, every dispatch is timed. */
  timer: PassTimer | null = null;
  private readonly buffers = new Set<GPUBuffer>();

  private constructor(device: GPUDevice, info: GpuInfo, tile: Tile) {
    this.device = device;
    this.info = info;
    this.forms = { batch: tile, row: tile, shapes: {} };
    this.lost = device.lost.then(
      (lost) =>
        new ThumbprintError(
          'device-lost',
          `The graphics device was lost (${lost.reason}: ${lost.message}). Reload the page to go on; nothing stored is lost.`,
        ),
    );
  }

  /**
   * Opens the best adapter.
   * @param gpu `navigator.gpu`, or Dawn's in Node.
   * @throws ThumbprintError `no-webgpu` with what the user can do.
   */
  static async open(gpu: GPU | undefined): Promise<Gpu> {
    const adapter = await gpu?.requestAdapter({ powerPreference: 'high-performance' });
    if (!adapter) {
      throw new ThumbprintError(
        'no-webgpu',
        'This browser offers no WebGPU adapter. Use a current Chrome, Edge, Safari or Firefox with hardware acceleration switched on.',
      );
    }
    const requiredLimits: Record<string, number> = {};
    for (const limit of RAISED_LIMITS) requiredLimits[limit] = adapter.limits[limit];
    const device = await adapter.requestDevice({
      requiredFeatures: OPTIONAL_FEATURES.filter((feature) => adapter.features.has(feature)),
      requiredLimits,
    });
    const { vendor, architecture, description, isFallbackAdapter } = adapter.info;
    return new Gpu(
      device,
      {
        vendor,
        architecture,
        description,
        software: isFallbackAdapter,
        features: [...device.features].sort(),
      },
      tileFor(adapter.info, device.features.has('subgroups')),
    );
  }

  /**
   * A labelled buffer. Who creates it destroys it with `destroy`.
   * @param size bytes; rounded up to a multiple of 4.
   * @throws ThumbprintError `out-of-memory` when it is larger than the device allows.
   */
  createBuffer(label: string, size: number, usage: GPUBufferUsageFlags): GPUBuffer {
    const bytes = Math.max(16, Math.ceil(size / 4) * 4);
    const limit = usage & GPUBufferUsage.STORAGE ? this.device.limits.maxStorageBufferBindingSize : Infinity;
    if (bytes > Math.min(limit, this.device.limits.maxBufferSize)) {
      throw new ThumbprintError(
        'out-of-memory',
        `${label} needs ${bytes} bytes, more than one buffer of this device holds. Choose a smaller model.`,
      );
    }
    const buffer = this.device.createBuffer({ label, size: bytes, usage });
    this.buffers.add(buffer);
    return buffer;
  }

  /** A storage buffer that can be copied from and to. */
  storage(label: string, size: number): GPUBuffer {
    return this.createBuffer(
      label,
      size,
      GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST | GPUBufferUsage.COPY_SRC,
    );
  }

  /** A storage buffer with contents. */
  upload(label: string, data: ArrayBufferView<ArrayBuffer>): GPUBuffer {
    const buffer = this.storage(label, data.byteLength);
    this.write(buffer, data);
    return buffer;
  }

  uniform(label: string, size: number): GPUBuffer {
    return this.createBuffer(label, size, GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST);
  }

  /** Writes `data` at `offset` bytes; an odd number of halfwords is padded with zeros. */
  write(buffer: GPUBuffer, data: ArrayBufferView<ArrayBuffer>, offset = 0): void {
    const whole = data.byteLength - (data.byteLength % 4);
    if (whole > 0) this.device.queue.writeBuffer(buffer, offset, data.buffer, data.byteOffset, whole);
    if (whole === data.byteLength) return;
    const rest = new Uint8Array(4);
    rest.set(new Uint8Array(data.buffer, data.byteOffset + whole, data.byteLength - whole));
    this.device.queue.writeBuffer(buffer, offset + whole, rest);
  }

  /** Copies `size` bytes of `source` back; waits for everything submitted before. */
  async read(source: GPUBuffer, size: number = source.size, offset = 0): Promise<ArrayBuffer> {
    const staging = this.createBuffer(
      `${source.label} (readback)`,
      size,
      GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST,
    );
    try {
      const encoder = this.device.createCommandEncoder();
      encoder.copyBufferToBuffer(source, offset, staging, 0, size);
      this.device.queue.submit([encoder.finish()]);
      await staging.mapAsync(GPUMapMode.READ);
      return staging.getMappedRange().slice(0);
    } finally {
      this.destroy(staging);
    }
  }

  /**
   * What `make` returns, which creates buffers.
   * @throws ThumbprintError `out-of-memory` when the device has no room for all of them: then none stays behind.
   */
  async makeRoom<T>(make: () => T): Promise<T> {
    const before = new Set(this.buffers);
    this.device.pushErrorScope('out-of-memory');
    let made: { value: T } | undefined;
    let failure: unknown;
    try {
      made = { value: make() };
    } catch (error) {
      failure = error;
    }
    // Others may create buffers while this one waits.
    const own = [...this.buffers].filter((buffer) => !before.has(buffer));
    const refused = await this.device.popErrorScope();
    if (made && !refused) return made.value;
    this.destroy(...own);
    if (!refused) throw failure;
    throw new ThumbprintError('out-of-memory', `The graphics device has no memory left: ${refused.message}`);
  }

  destroy(...buffers: GPUBuffer[]): void {
    for (const buffer of buffers) {
      this.buffers.delete(buffer);
      buffer.destroy();
    }
  }

  /** Buffers created and not destroyed. */
  get liveBuffers(): number {
    return this.buffers.size;
  }

  /** Bytes of the buffers created and not destroyed. */
  get liveBytes(): number {
    let bytes = 0;
    for (const buffer of this.buffers) bytes += buffer.size;
    return bytes;
  }

  close(): void {
    this.destroy(...this.buffers);
    this.device.destroy();
  }
}

/**
 * SwiftShader, the browsers' stand-in for a GPU, has no registers to save and pays for every load: 16 rows halve the time
 * of its products. Mesa's lavapipe is fastest with 4, which GPUs have the registers for as well.
 */
function tileFor(info: GPUAdapterInfo, subgroups: boolean): Tile {
  const lanes = subgroups && info.subgroupMinSize >= 8 ? 8 : subgroups && info.subgroupMinSize >= 4 ? 4 : 1;
  return {
    lanes,
    exact: info.subgroupMinSize === lanes && info.subgroupMaxSize === lanes,
    rows: info.architecture === 'swiftshader' ? 16 : 4,
    tiled: !info.isFallbackAdapter,
    attention: info.isFallbackAdapter ? 8 : 32,
    split: info.isFallbackAdapter ? 1 : 8,
  };
}
