import { expect, it } from 'vitest';
import { fileURLToPath } from 'node:url';
import { folderSource } from '../../src/cli/io';
import type { FileSource } from '../../src/formats/tensors';
import { loadWeights, uploadWeights } from '../../src/model/weights';
import { required } from '../../src/shared/assert';
import { testGpu, thumbling } from '../support/gpu';

const source = folderSource(fileURLToPath(new URL('../../models/thumbling', import.meta.url)));

it('reads a model on to the device as one in memory is uploaded', async () => {
  const gpu = await testGpu();
  const folder = await thumbling();
  const { identity, weights } = await loadWeights(gpu, source);
  expect(identity.sha256).toBe(folder.sha256);
  const uploaded = uploadWeights(gpu, folder);
  const arraysOf = ({ embedding, layers, norm }: typeof weights): GPUBuffer[] => [
    embedding.weight,
    embedding.scale,
    norm.weight,
    ...layers.flatMap(({ linears, inputNorm, postAttentionNorm }) => [
      inputNorm.weight,
      postAttentionNorm.weight,
      ...Object.values(linears).flatMap(({ weight, scale }) => [weight, scale]),
    ]),
  ];
  const given = arraysOf(uploaded);
  for (const [i, buffer] of arraysOf(weights).entries()) {
    const expected = required(given[i], buffer.label);
    expect(new Uint32Array(await gpu.read(buffer))).toEqual(new Uint32Array(await gpu.read(expected)));
  }
  weights.memory.destroy();
  uploaded.memory.destroy();
});

it('leaves nothing on the device when it cannot be read to its end', async () => {
  const gpu = await testGpu();
  const before = gpu.liveBuffers;
  const cut: FileSource = {
    async *read(path) {
      let arrived = 0;
      for await (const piece of source.read(path)) {
        if (path.endsWith('.bin') && (arrived += piece.byteLength) > 2 ** 21)
          throw new Error('the connection is gone');
        yield piece;
      }
    },
  };
  await expect(loadWeights(gpu, cut)).rejects.toThrow('the connection is gone');
  // An array that no buffer of the device holds, when others are there already.
  const { maxBufferSize } = gpu.device.limits;
  const created = gpu.storage.bind(gpu);
  gpu.storage = (label, size) => created(label, label === 'model.norm.weight' ? 2 * maxBufferSize : size);
  await expect(loadWeights(gpu, source)).rejects.toThrow(/model\.norm\.weight needs .* smaller model/);
  gpu.storage = created;
  expect(gpu.liveBuffers).toBe(before);
});
