import { nodeGpu } from '../../src/cli/node-gpu';
import { loadModelFolder, type ModelFolder } from '../../src/formats/model-folder';
import { folderSource } from '../../src/cli/io';
import { Gpu } from '../../src/gpu/device';
import { fileURLToPath } from 'node:url';

let opened: Promise<Gpu> | undefined;

/** The machine's WebGPU device, one a test file. A machine without one fails its tests. */
export function testGpu(): Promise<Gpu> {
  return (opened ??= Gpu.open(nodeGpu()));
}

let loaded: Promise<ModelFolder> | undefined;

/** The model that ships. */
export function thumbling(): Promise<ModelFolder> {
  return (loaded ??= loadModelFolder(
    folderSource(fileURLToPath(new URL('../../models/thumbling', import.meta.url))),
  ));
}
