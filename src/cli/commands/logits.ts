import { Generator } from '../../generation/generator';
import { AdapterSlot } from '../../model/lora';
import { ThumbprintError } from '../../shared/errors';
import { parseOptions } from '../args';
import type { Command } from '../command';
import { openEngine } from '../engine';
import { printJson } from '../io';

export const command: Command = {
  summary: 'Logits after the last of the tokens given.',
  usage: '--model FOLDER [--adapter FOLDER] --tokens 1,2,3',
  async run(args) {
    const { options } = parseOptions(args, { model: 'string!', adapter: 'string', tokens: 'string!' });
    const engine = await openEngine(options);
    const vocab = engine.runtime.config.vocab_size;
    const tokens = options.tokens.split(',').map((text) => {
      const id = Number(text);
      if (text.trim() === '' || !Number.isInteger(id) || id < 0 || id >= vocab) {
        throw new ThumbprintError('bad-input', `--tokens: "${text}" is no token id from 0 to ${vocab - 1}.`);
      }
      return id;
    });
    const slot = new AdapterSlot(engine.runtime.gpu, engine.runtime.layout, 'chat');
    slot.load(engine.adapter);
    const generator = await Generator.create(engine.runtime, slot, 'f32');
    printJson([...(await generator.logits(tokens))]);
  },
};
