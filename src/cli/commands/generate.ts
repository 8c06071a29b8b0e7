import * as v from 'valibot';
import { Generator } from '../../generation/generator';
import { AdapterSlot } from '../../model/lora';
import { ThumbprintError } from '../../shared/errors';
import { DEFAULT_SETTINGS, type ChatTurn } from '../../shared/records';
import { parseOptions } from '../args';
import type { Command } from '../command';
import { openEngine } from '../engine';
import { printJson, readJson } from '../io';
import { Turns } from '../schemas';

export const command: Command = {
  summary: 'The reply to a prompt, or to the messages of a JSON file ([{role, content}, …]).',
  usage:
    '--model FOLDER [--adapter FOLDER] --prompt TEXT|--messages FILE [--max-tokens N] [--seed N] [--temperature X] [--top-k N] [--top-p X] [--min-p X] [--repetition-penalty X]',
  async run(args) {
    const { options } = parseOptions(args, {
      model: 'string!',
      adapter: 'string',
      prompt: 'string',
      messages: 'string',
      'max-tokens': 'number',
      seed: 'number',
      temperature: 'number',
      'top-k': 'number',
      'top-p': 'number',
      'min-p': 'number',
      'repetition-penalty': 'number',
    });
    const turns = await turnsOf(options.prompt, options.messages);
    const { runtime, tokenizer, adapter } = await openEngine(options);
    const slot = new AdapterSlot(runtime.gpu, runtime.layout, 'chat');
    slot.load(adapter);
    const generator = await Generator.create(runtime, slot);
    const { sampling } = DEFAULT_SETTINGS;
    const generation = await generator.generate(tokenizer.encodeChat(turns), {
      seed: options.seed ?? 0,
      sampling: {
        max_tokens: options['max-tokens'] ?? sampling.max_tokens,
        temperature: options.temperature ?? sampling.temperature,
        top_k: options['top-k'] ?? sampling.top_k,
        top_p: options['top-p'] ?? sampling.top_p,
        min_p: options['min-p'] ?? sampling.min_p,
        repetition_penalty: options['repetition-penalty'] ?? sampling.repetition_penalty,
      },
    });
    printJson({ text: tokenizer.decode(generation.tokenIds), ...generation });
  },
};

async function turnsOf(prompt: string | undefined, file: string | undefined): Promise<ChatTurn[]> {
  if ((prompt === undefined) === (file === undefined)) {
    throw new ThumbprintError('bad-input', 'Give either --prompt or --messages.');
  }
  if (file === undefined) return [{ role: 'user', content: prompt ?? '' }];
  const parsed = v.safeParse(Turns, await readJson(file));
  if (!parsed.success) throw new ThumbprintError('bad-input', `${file}: ${parsed.issues[0].message}.`);
  return parsed.output;
}
