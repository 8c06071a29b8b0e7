import * as v from 'valibot';
import { fromBase64, toBase64 } from '../shared/base64';
import { ThumbprintError } from '../shared/errors';
import { type AdapterRecord, GATE_FIGURES, type Receipt, type Signal } from '../shared/records';
import { isHyperparameter, RecordedHyperparameters } from './hyperparameters';

const FORMAT = 'thumbprint-receipt';
const FORMAT_VERSION = 1;
/** Problems that a message names. */
const MOST_PROBLEMS = 8;

/** An update on file: all that it takes to repeat it with the same base model. */
export interface ReceiptFile {
  receipt: Receipt;
  /** Those trained on and those held out. */
  signals: Signal[];
  /** Ids of the signals that the parent version had learned. */
  learned: string[];
  /** What the update started from; null is the base. */
  parent: Pick<AdapterRecord, 'rank' | 'lora_alpha' | 'model' | 'bytes'> | null;
}

const Count = v.pipe(v.number(), v.integer(), v.minValue(0));
const Finite = v.pipe(v.number(), v.finite());
/** Milliseconds that a Date can hold. */
const Time = v.pipe(Finite, v.minValue(-8.64e15), v.maxValue(8.64e15));
const Numbers = v.pipe(v.array(Finite), v.maxLength(10_000));
const Ids = v.array(v.string());

const SignalSchema = v.object({
  id: v.string(),
  kind: v.picklist(['up', 'down', 'edit', 'choose']),
  createdAt: Time,
  conversationId: v.string(),
  messageId: v.string(),
  context: v.array(v.object({ role: v.picklist(['system', 'user', 'assistant']), content: v.string() })),
  chosen: v.exactOptional(v.string()),
  rejected: v.exactOptional(v.string()),
  cut: v.exactOptional(
    v.object({ chosen: v.exactOptional(v.literal(true)), rejected: v.exactOptional(v.literal(true)) }),
  ),
  adapter: Count,
  model: v.string(),
  reference: v.exactOptional(
    v.object({
      model: v.exactOptional(v.string()),
      chosen: v.exactOptional(Finite),
      rejected: v.exactOptional(Finite),
    }),
  ),
});

/** Loose: what a later version of the app adds is kept, and named by `unknownFields`. */
const ReceiptSchema = v.looseObject({
  id: v.string(),
  createdAt: Time,
  decision: v.picklist(['kept', 'refused', 'cancelled', 'failed', 'imported']),
  reason: v.string(),
  model: v.string(),
  parentVersion: Count,
  version: v.exactOptional(Count),
  signalIds: Ids,
  heldOutIds: Ids,
  skipped: v.array(v.object({ signalId: v.string(), reason: v.string() })),
  seed: v.pipe(Count, v.maxValue(2 ** 32 - 1)),
  hyperparameters: RecordedHyperparameters,
  losses: Numbers,
  margins: Numbers,
  chosen: v.exactOptional(Numbers),
  rows: v.exactOptional(v.array(Count)),
  candidate: v.exactOptional(v.string()),
  figures: v.pipe(
    v.array(
      v.object({
        name: v.picklist(GATE_FIGURES),
        before: Finite,
        after: Finite,
        limit: Finite,
        p: v.exactOptional(Finite),
        count: Count,
        passed: v.boolean(),
      }),
    ),
    v.check(
      (figures) => new Set(figures.map(({ name }) => name)).size === figures.length,
      'a figure stands there twice',
    ),
  ),
  scale: v.exactOptional(Finite),
  predictions: v.exactOptional(v.record(v.string(), Finite)),
  outdatedIds: v.exactOptional(Ids),
  seconds: Finite,
  gateSeconds: v.exactOptional(Finite),
  device: v.exactOptional(v.string()),
  textsSha256: v.exactOptional(v.string()),
});

const File = v.object({
  format: v.literal(FORMAT),
  format_version: v.literal(FORMAT_VERSION),
  receipt: ReceiptSchema,
  signals: v.array(SignalSchema),
  learned: Ids,
  parent: v.nullable(
    v.object({
      rank: v.pipe(Count, v.minValue(1)),
      lora_alpha: Finite,
      model: v.string(),
      safetensors: v.pipe(v.string(), v.base64('must be base64')),
    }),
  ),
});

/** As JSON. It holds the texts of the signals: whoever gets the file can read them. */
export function writeReceiptFile({ receipt, signals, learned, parent }: ReceiptFile): string {
  const { bytes, ...rest } = parent ?? { bytes: null };
  const file = {
    format: FORMAT,
    format_version: FORMAT_VERSION,
    receipt,
    signals,
    learned,
    parent: bytes && { ...rest, safetensors: toBase64(new Uint8Array(bytes)) },
  };
  return `${JSON.stringify(file, null, 1)}\n`;
}

/** @throws ThumbprintError `bad-file` naming every field that is wrong, or every signal that is missing. */
export function readReceiptFile(text: string): ReceiptFile {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw bad('it is not JSON', cause);
  }
  const parsed = v.safeParse(File, json);
  if (!parsed.success) {
    throw bad(first(parsed.issues.map((issue) => `${v.getDotPath(issue) ?? 'the file'}: ${issue.message}`)));
  }
  const { receipt, signals, learned, parent } = parsed.output;
  const known = new Set(signals.map(({ id }) => id));
  const missing = [...receipt.signalIds, ...receipt.heldOutIds].filter((id) => !known.has(id));
  if (missing.length > 0) throw bad(first(missing.map((id) => `signal ${id} is missing`)));
  return {
    receipt,
    signals,
    learned,
    parent: parent && {
      rank: parent.rank,
      lora_alpha: parent.lora_alpha,
      model: parent.model,
      bytes: fromBase64(parent.safetensors).buffer,
    },
  };
}

/** Fields of a receipt that this version knows nothing of: what they mean for the update cannot be told. */
export function unknownFields(receipt: Receipt): string[] {
  return [
    ...Object.keys(receipt).filter((name) => !Object.hasOwn(ReceiptSchema.entries, name)),
    ...Object.keys(receipt.hyperparameters)
      .filter((name) => !isHyperparameter(name))
      .map((name) => `hyperparameters.${name}`),
  ];
}

/** The first of several problems, and how many more there are. */
function first(problems: readonly string[]): string {
  const more = problems.length - MOST_PROBLEMS;
  return [...problems.slice(0, MOST_PROBLEMS), ...(more > 0 ? [`${more} more`] : [])].join('; ');
}

function bad(problem: string, cause?: unknown): ThumbprintError {
  return new ThumbprintError('bad-file', `This receipt cannot be read: ${problem}. Export it again.`, {
    cause,
  });
}
