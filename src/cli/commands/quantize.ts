import { createHash } from 'node:crypto';
import { basename, join, resolve } from 'node:path';
import { readHubConfig } from '../../formats/config-file';
import { quantizeModel } from '../../formats/write-model';
import { ThumbprintError } from '../../shared/errors';
import { parseOptions } from '../args';
import type { Command } from '../command';
import { readHubWeights } from '../hub-weights';
import { printJson, readBytes, readJson, readJsonIfThere, writeFiles } from '../io';

export const command: Command = {
  summary: 'Quantizes a hub folder (safetensors) to the int4 layout that the engine reads.',
  usage: '--in HF_FOLDER --out FOLDER [--name NAME] [--scale-dtype f16|f32]',
  async run(args) {
    const { options } = parseOptions(
      args,
      { in: 'string!', out: 'string!', name: 'string', 'scale-dtype': 'string' },
      0,
    );
    const scaleDtype = options['scale-dtype'] ?? 'f16';
    if (scaleDtype !== 'f16' && scaleDtype !== 'f32') {
      throw new ThumbprintError('bad-input', `--scale-dtype must be f16 or f32, not ${scaleDtype}.`);
    }
    const file = (name: string): string => join(options.in, name);
    const config = readHubConfig(
      await readJson(file('config.json')),
      (await readJsonIfThere(file('generation_config.json'))) ?? {},
    );
    const weights = await readHubWeights(options.in);
    const md5 = (data: Uint8Array): string => createHash('md5').update(data).digest('hex');
    const name = options.name ?? basename(resolve(options.in));
    const { files, report } = await quantizeModel(name, config, weights, { scaleDtype, md5 });
    for (const path of ['tokenizer.json', 'tokenizer_config.json'])
      files.set(path, await readBytes(file(path)));
    await writeFiles(options.out, Object.fromEntries(files));
    printJson(report);
  },
};
