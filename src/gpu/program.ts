import { ThumbprintError } from '../shared/errors';
import type { Gpu } from './device';

/** A WGSL kernel: its file's name and text, with the library pieces it includes in front. */
export interface KernelSource {
  name: string;
  code: string;
}

/** Part of a buffer: whole when no offset is given. Offsets are multiples of 256 bytes. */
export interface BufferSlice {
  buffer: GPUBuffer;
  offset: number;
  size: number;
}

/** The sizes that change from one run of a program to the next; everything else is fixed when it is built. */
export interface BatchSize {
  /** Rows of the activations. */
  tokens: number;
  /** Rows whose logits are wanted. */
  targets: number;
  /** Sequences and examples of a training batch. */
  sequences: number;
  examples: number;
}

export type Grid = (size: BatchSize) => [number, number?, number?];

/** One dispatch as plain data: what runs, with which compile-time constants, on which buffers, how often. */
export interface Dispatch {
  kernel: KernelSource;
  constants: Readonly<Record<string, number | boolean>>;
  /** By the name of the WGSL variable. */
  bindings: Readonly<Record<string, GPUBuffer | BufferSlice>>;
  grid: Grid;
}

interface Prepared {
  label: string;
  pipeline: GPUComputePipeline;
  bindGroup: GPUBindGroup;
  grid: Grid;
}

interface Declaration {
  binding: number;
  name: string;
  type: GPUBufferBindingType;
}

interface Compiled {
  pipeline: GPUComputePipeline;
  layout: GPUBindGroupLayout;
  declarations: Declaration[];
}

/** Compiles each distinct (kernel, constants) once per device. */
export class PipelineCache {
  private readonly gpu: Gpu;
  private readonly compiled = new Map<string, Promise<Compiled>>();

  constructor(gpu: Gpu) {
    this.gpu = gpu;
  }

  /** @throws ThumbprintError `shader-compile` with the line, the message and the WGSL around it. */
  get(kernel: KernelSource, constants: Dispatch['constants']): Promise<Compiled> {
    const code = assemble(kernel.code, constants);
    const known = this.compiled.get(code);
    if (known) return known;
    const created = this.compile(kernel.name, code);
    this.compiled.set(code, created);
    return created;
  }

  private async compile(name: string, code: string): Promise<Compiled> {
    const { device } = this.gpu;
    const declarations = declarationsOf(code);
    const layout = device.createBindGroupLayout({
      label: name,
      entries: declarations.map(({ binding, type }) => ({
        binding,
        visibility: GPUShaderStage.COMPUTE,
        buffer: { type },
      })),
    });
    const module = device.createShaderModule({ label: name, code });
    try {
      const pipeline = await device.createComputePipelineAsync({
        label: name,
        layout: device.createPipelineLayout({ bindGroupLayouts: [layout] }),
        compute: { module, entryPoint: 'main' },
      });
      return { pipeline, layout, declarations };
    } catch (cause) {
      const info = await module.getCompilationInfo();
      throw new ThumbprintError('shader-compile', describe(name, code, info.messages, cause), { cause });
    }
  }
}

/** A fixed list of dispatches with pipelines compiled and bind groups built; run by encoding it into a pass. */
export class Program {
  private readonly steps: Prepared[];

  private constructor(steps: Prepared[]) {
    this.steps = steps;
  }

  static async build(gpu: Gpu, cache: PipelineCache, dispatches: readonly Dispatch[]): Promise<Program> {
    const steps = dispatches.map(async ({ kernel, constants, bindings, grid }): Promise<Prepared> => {
      const { pipeline, layout, declarations } = await cache.get(kernel, constants);
      const unknown = Object.keys(bindings).filter((name) => !declarations.some((d) => d.name === name));
      if (unknown.length > 0) {
        throw new ThumbprintError('internal', `${kernel.name} declares no binding ${unknown.join(', ')}`);
      }
      const entries = declarations.map(({ binding, name }): GPUBindGroupEntry => {
        const bound = bindings[name];
        if (bound === undefined)
          throw new ThumbprintError('internal', `${kernel.name}: binding ${name} is missing`);
        return { binding, resource: 'buffer' in bound ? bound : { buffer: bound } };
      });
      const bindGroup = gpu.device.createBindGroup({ label: kernel.name, layout, entries });
      return { label: kernel.name, pipeline, bindGroup, grid };
    });
    return new Program(await Promise.all(steps));
  }

  /** Number of dispatches. */
  get length(): number {
    return this.steps.length;
  }

  /** @param beginPass the pass a dispatch of this kernel goes into. */
  encode(beginPass: (kernel: string) => GPUComputePassEncoder, size: BatchSize): void {
    for (const { label, pipeline, bindGroup, grid } of this.steps) {
      const [x, y = 1, z = 1] = grid(size);
      if (x * y * z === 0) continue;
      const pass = beginPass(label);
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, bindGroup);
      pass.dispatchWorkgroups(x, y, z);
    }
  }
}

/** Encodes programs into one pass; while a timer is set, into one for each dispatch. */
export function encode(
  gpu: Gpu,
  encoder: GPUCommandEncoder,
  size: BatchSize,
  ...programs: readonly Program[]
): void {
  const { timer } = gpu;
  let pass: GPUComputePassEncoder | undefined;
  const beginPass = (kernel: string): GPUComputePassEncoder => {
    if (!timer) return (pass ??= encoder.beginComputePass());
    pass?.end();
    return (pass = timer.beginPass(encoder, kernel));
  };
  for (const program of programs) program.encode(beginPass, size);
  pass?.end();
}

/** Encodes programs into one encoder and submits it. */
export function submit(gpu: Gpu, size: BatchSize, ...programs: readonly Program[]): void {
  const encoder = gpu.device.createCommandEncoder();
  encode(gpu, encoder, size, ...programs);
  gpu.device.queue.submit([encoder.finish()]);
}

/** Workgroups that cover `count` items. */
export function workgroups(count: number, size: number): number {
  return Math.ceil(count / size);
}

/** The constants in front of the code, behind its `enable` directives, which WGSL wants first. */
function assemble(code: string, constants: Dispatch['constants']): string {
  const directives = code.match(/^enable [^;]+;$/gm) ?? [];
  const body = code.replace(/^enable [^;]+;$/gm, '');
  return [...directives, preludeOf(constants) + body].join('\n');
}

/** Upper-case names become u32 constants, lower-case ones f32, booleans bool. */
function preludeOf(constants: Dispatch['constants']): string {
  let prelude = '';
  for (const [name, value] of Object.entries(constants)) {
    if (typeof value === 'boolean') prelude += `const ${name}: bool = ${value};\n`;
    else if (name === name.toUpperCase()) prelude += `const ${name}: u32 = ${value}u;\n`;
    else prelude += `const ${name}: f32 = ${value};\n`;
  }
  return prelude;
}

/** The bindings a shader declares; the layout is derived from them so that the two cannot disagree. */
function declarationsOf(code: string): Declaration[] {
  const pattern =
    /@group\(0\)\s*@binding\((\d+)\)\s*var<(storage|uniform)(?:,\s*(read_write|read))?>\s*(\w+)/g;
  return [...code.matchAll(pattern)].map(([, binding, space, access, name]): Declaration => ({
    binding: Number(binding),
    name: name ?? '',
    type: space === 'uniform' ? 'uniform' : access === 'read_write' ? 'storage' : 'read-only-storage',
  }));
}

function describe(
  name: string,
  code: string,
  messages: readonly GPUCompilationMessage[],
  cause: unknown,
): string {
  const lines = code.split('\n');
  const errors = messages
    .filter((message) => message.type === 'error')
    .map(
      (message) => `${name}:${message.lineNum}: ${message.message}\n  ${lines[message.lineNum - 1] ?? ''}`,
    );
  return errors.length > 0 ? errors.join('\n') : `${name}: ${String(cause)}`;
}
