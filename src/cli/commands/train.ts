import { join } from 'node:path';
import { balanceThumbs } from '../../adaptation/examples';
import { readTexts } from '../../adaptation/texts';
import { emptyAdapter, writeAdapter } from '../../formats/adapter';
import { addReferences, rehearsalExamples, runSteps } from '../../training/train';
import { Trainer } from '../../training/trainer';
import { loraOf, type TrainingExample } from '../../training/types';
import type { ChatTokenizer } from '../../text/tokenizer';
import type * as v from 'valibot';
import { parseOptions } from '../args';
import type { Command } from '../command';
import { openEngine } from '../engine';
import { HYPERPARAMETER_OPTIONS, hyperparametersOf } from '../hyperparameters';
import { printJson, readJsonIfThere, readJsonLines, writeFiles } from '../io';
import { SignalLine } from '../schemas';

/** Tokens of a micro-batch. */
const ROWS = 512;

export const command: Command = {
  summary: 'Trains an adapter on signals and writes it as a PEFT folder; one JSON line a step.',
  usage:
    '--model FOLDER [--adapter FOLDER] --signals FILE.jsonl --out FOLDER [--seed N] [--steps N] [--lr X] [--rank R] [--beta X] [--sft-weight X] [--batch-size N] [--rehearsal N] …',
  async run(args) {
    const { options } = parseOptions(args, {
      model: 'string!',
      adapter: 'string',
      signals: 'string!',
      out: 'string!',
      seed: 'number',
      ...HYPERPARAMETER_OPTIONS,
    });
    const lines = await readJsonLines(options.signals, SignalLine);
    const hyperparameters = await hyperparametersOf(options.model, options);
    const { rank } = hyperparameters;
    const { identity, runtime, tokenizer, adapter } = await openEngine({ ...options, rank });
    const lora =
      adapter ??
      emptyAdapter(identity.config, identity.sha256, {
        ...loraOf(hyperparameters),
        seed: options.seed ?? 0,
      });
    const trainer = await Trainer.create(runtime, {
      rows: Math.max(ROWS, 2 * runtime.config.context_window_size),
    });
    trainer.load(lora);
    const examples = await addReferences(
      trainer,
      lines.map((line, index) => exampleOf(line, `line ${index + 1}`, tokenizer)),
    );
    await runSteps(trainer, balanceThumbs(examples), hyperparameters, options.seed ?? 0, {
      rehearsal: await readRehearsal(options.model, tokenizer),
      onStep: (results) => {
        const last = results.at(-1);
        printJson({
          step: results.length,
          loss: last?.loss,
          margin: last?.margin,
          grad_norm: last?.gradNorm,
        });
      },
    });
    const { safetensors, adapterConfig } = writeAdapter(
      await trainer.adapter(),
      identity.config,
      identity.name,
    );
    await writeFiles(options.out, {
      'adapter_model.safetensors': safetensors,
      'adapter_config.json': `${JSON.stringify(adapterConfig, null, 1)}\n`,
    });
  },
};

/** Texts of the model's own training, as the page rehearses them; a model without any is trained without. */
async function readRehearsal(model: string, tokenizer: ChatTokenizer): Promise<TrainingExample[]> {
  const file = 'rehearsal.json';
  const json = await readJsonIfThere(join(model, file));
  return json === undefined ? [] : rehearsalExamples(readTexts(file, json, tokenizer));
}

function exampleOf(
  line: v.InferOutput<typeof SignalLine>,
  id: string,
  tokenizer: ChatTokenizer,
): TrainingExample {
  if ('text' in line)
    return { kind: 'text', id, prompt: [tokenizer.endOfTurn], reply: tokenizer.encodeReply(line.text) };
  const prompt = tokenizer.encodeChat(line.messages);
  if ('thumb' in line) {
    return { kind: 'thumb', id, prompt, reply: tokenizer.encodeReply(line.reply), up: line.thumb === 'up' };
  }
  return {
    kind: 'pair',
    id,
    prompt,
    chosen: tokenizer.encodeReply(line.chosen),
    rejected: tokenizer.encodeReply(line.rejected),
  };
}
