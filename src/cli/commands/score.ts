import { PackedForward } from '../../model/packed-forward';
import { AdapterSlot } from '../../model/lora';
import { scoreSequences } from '../../model/scorer';
import { parseOptions } from '../args';
import type { Command } from '../command';
import { openEngine } from '../engine';
import { printJson, readJsonLines } from '../io';
import { PairLine } from '../schemas';

export const command: Command = {
  summary: 'Log-probabilities of chosen and rejected replies, one JSON line for each line of the file.',
  usage: '--model FOLDER [--adapter FOLDER] --pairs FILE.jsonl',
  async run(args) {
    const { options } = parseOptions(args, { model: 'string!', adapter: 'string', pairs: 'string!' });
    const pairs = await readJsonLines(options.pairs, PairLine);
    const { runtime, tokenizer, adapter } = await openEngine(options);
    const slot = new AdapterSlot(runtime.gpu, runtime.layout, 'scoring');
    slot.load(adapter);
    const forward = await PackedForward.create(runtime.gpu, runtime.pipelines, runtime.weights, slot, {
      rows: Math.max(512, runtime.config.context_window_size),
      gradient: false,
    });
    const sequences = pairs.flatMap(({ messages, chosen, rejected }) => {
      const prompt = tokenizer.encodeChat(messages);
      return [chosen, rejected].map((reply) => ({ prompt, reply: tokenizer.encodeReply(reply) }));
    });
    const scores = await scoreSequences(forward, sequences, () => Promise.resolve());
    pairs.forEach((_, index) => {
      const [chosen, rejected] = [scores[2 * index], scores[2 * index + 1]];
      printJson({
        chosen: chosen?.logprob,
        rejected: rejected?.logprob,
        chosen_tokens: chosen?.tokens,
        rejected_tokens: rejected?.tokens,
      });
    });
  },
};
