import { readModelTexts } from '../../adaptation/texts';
import { replay, type Replay, TOLERANCE } from '../../adaptation/replay';
import { readReceiptFile } from '../../formats/receipt-file';
import { ThumbprintError } from '../../shared/errors';
import type { Receipt } from '../../shared/records';
import { Trainer } from '../../training/trainer';
import { DEFAULT_LORA } from '../../training/types';
import { parseOptions } from '../args';
import type { Command } from '../command';
import { openEngine } from '../engine';
import { log, printJson, readBytes, readJson } from '../io';

export const command: Command = {
  summary:
    'Repeats an update from its exported receipt and tells what differs; fails unless it comes to the same within tolerance.',
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
    const repeated = await replay(
      runtime,
      trainer,
      file,
      { name: identity.name, texts, tokenizer },
      {
        onStage: (stage) => log(`${stage} …`),
      },
    );
    trainer.destroy();
    const { outcome, verdict, sameDecision, differences } = repeated;
    printJson({
      verdict,
      decision: outcome.kept ? 'kept' : 'refused',
      reason: outcome.reason,
      same_decision: sameDecision,
      differences,
    });
    const sentence = sentenceOf(file.receipt, repeated);
    if (verdict === 'different' || !sameDecision) throw new ThumbprintError('mismatch', sentence);
    log(sentence);
  },
};

/** What the repetition has come to. */
function sentenceOf(
  { decision: then }: Receipt,
  { verdict, sameDecision, outcome, differences: [largest] }: Replay,
): string {
  const now = outcome.kept ? 'kept' : 'refused';
  const candidate = {
    identical: 'The same candidate, bit for bit',
    'within-tolerance': `The same numbers within ${100 * TOLERANCE} %`,
    different: 'Other numbers',
  }[verdict];
  const decision = sameDecision
    ? `the same decision (${now})`
    : `another decision (${then} then, ${now} now)`;
  const difference =
    largest &&
    `; the largest difference is in ${largest.what}: ${largest.then ?? 'none'} then, ${largest.now ?? 'none'} now`;
  return `${candidate}, and ${decision}${difference ?? ''}.`;
}
