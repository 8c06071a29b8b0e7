import { readModelTexts } from '../../adaptation/texts';
import { replay } from '../../adaptation/replay';
import { readReceiptFile } from '../../formats/receipt-file';
import { ThumbprintError } from '../../shared/errors';
import { Trainer } from '../../training/trainer';
import { DEFAULT_LORA } from '../../training/types';
import { parseOptions } from '../args';
import type { Command } from '../command';
import { openEngine } from '../engine';
import { log, printJson, readBytes, readJson } from '../io';

export const command: Command = {
  summary:
    'Repeats an update from its exported receipt and tells what differs; fails when the decision does.',
  usage: 'RECEIPT.json [--model FOLDER]',
  async run(args) {
    const { options, rest } = parseOptions(args, { model: 'string' }, 1);
    const [path] = rest;
    if (path === undefined) throw new ThumbprintError('bad-input', 'Name the file of a receipt.');
    const file = readReceiptFile(new TextDecoder().decode(await readBytes(path)));
    const model = options.model ?? 'models/thumbling';
    const { rank = DEFAULT_LORA.rank } = file.receipt.hyperparameters;
    const { identity, runtime, tokenizer } = await openEngine({ model, rank });
    const texts = await readModelTexts((name) => readJson(`${model}/${name}`), tokenizer);
    const rows = 2 * runtime.config.context_window_size;
    const trainer = await Trainer.create(runtime, { rows });
    const { name } = identity;
    const { outcome, identical, sameDecision, differences } = await replay(
      runtime,
      trainer,
      file,
      { name, texts, tokenizer },
      {
        onStage: (stage) => log(`${stage} …`),
      },
    );
    printJson({
      decision: outcome.kept ? 'kept' : 'refused',
      reason: outcome.reason,
      same_decision: sameDecision,
      same_candidate: identical ?? null,
      differences,
    });
    if (!sameDecision) {
      throw new ThumbprintError(
        'mismatch',
        `The receipt says ${file.receipt.decision}; repeated, the update is ${outcome.kept ? 'kept' : 'refused'}.`,
      );
    }
  },
};
