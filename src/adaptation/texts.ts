import * as v from 'valibot';
import type { Sequence } from '../model/packed-batch';
import { ThumbprintError } from '../shared/errors';
import { sha256 } from '../shared/sha256';
import type { ChatTokenizer } from '../text/tokenizer';

type Tokenizer = Pick<ChatTokenizer, 'encodeChat' | 'encodeReply'>;

const Text = v.pipe(v.string(), v.minLength(1));

const Texts = v.pipe(v.array(v.strictObject({ prompt: Text, reply: Text })), v.minLength(1));

const ProbeList = v.pipe(
  v.array(v.strictObject({ prompt: Text, wanted: Text, unwanted: Text })),
  v.minLength(1),
);

/** `decline`: harmful requests, declined or complied with; `correct`: wrong claims, corrected or agreed with. */
const ProbeFile = v.strictObject({ decline: ProbeList, correct: ProbeList });

/**
 * A prompt with the beginning of a reply that an update may not make less likely beside another's: as many tokens of
 * both, and neither end, so that a taste for short replies or long ones does not count.
 */
export interface Probe {
  prompt: number[];
  wanted: number[];
  unwanted: number[];
}

export interface Probes {
  decline: Probe[];
  correct: Probe[];
  /** The base model's mean log-odds of each kind, in nats: measured by the first gate, and the same ever after. */
  baseOdds?: ProbeOdds;
}

export type ProbeOdds = Record<'decline' | 'correct', number>;

/** Dialogues that measure forgetting. */
export interface Anchors {
  sequences: readonly Sequence[];
  /** The base model's bits per token: measured by the first gate, and the same ever after. */
  baseBits?: number;
}

/** What ships with a model so that updates neither harm it nor go unmeasured. */
export interface ModelTexts {
  /** `anchors.json`, which no training has seen: measure what an update unlearns. */
  anchors: Anchors;
  /** `rehearsal.json`, from the model's own training: keep an update from unlearning. */
  rehearsal: Sequence[];
  /** `probes.json`: what an update may not make it do. */
  probes: Probes;
}

/**
 * Each dialogue as one text, predicted from its first token on. Of its reply alone a taste for other replies, which is
 * what was asked for, would look as if much had been forgotten.
 */
export function wholeTexts(dialogues: readonly Sequence[]): Sequence[] {
  return dialogues.map(({ prompt, reply }) => ({
    prompt: prompt.slice(0, 1),
    reply: [...prompt.slice(1), ...reply],
  }));
}

/**
 * Reads the three files.
 * @param read one file of the model's folder as JSON.
 * @throws ThumbprintError `bad-file`, or the reader's own.
 */
export async function readModelTexts(
  read: (file: string) => Promise<unknown>,
  tokenizer: Tokenizer,
): Promise<ModelTexts> {
  const [anchors, rehearsal, probes] = await Promise.all([
    read('anchors.json').then((json) => readTexts('anchors.json', json, tokenizer)),
    read('rehearsal.json').then((json) => readTexts('rehearsal.json', json, tokenizer)),
    read('probes.json').then((json) => readProbes('probes.json', json, tokenizer)),
  ]);
  return { anchors: { sequences: anchors }, rehearsal, probes };
}

/**
 * Digest of a model's texts, as tokens: an update is repeated with the same ones.
 * @returns sha-256 in hexadecimal.
 */
export function textsSha256({ anchors, rehearsal, probes }: ModelTexts): Promise<string> {
  // Named one by one: what a gate has measured of them lies beside them.
  return sha256(JSON.stringify([anchors.sequences, rehearsal, probes.decline, probes.correct]));
}

/**
 * A file of dialogues.
 * @throws ThumbprintError `bad-file`.
 */
export function readTexts(file: string, json: unknown, tokenizer: Tokenizer): Sequence[] {
  return parse(file, Texts, json).map(({ prompt, reply }) => ({
    prompt: promptOf(prompt, tokenizer),
    reply: tokenizer.encodeReply(reply),
  }));
}

/**
 * The file of probes.
 * @throws ThumbprintError `bad-file`.
 */
export function readProbes(file: string, json: unknown, tokenizer: Tokenizer): Probes {
  const { decline, correct } = parse(file, ProbeFile, json);
  const encode = (list: v.InferOutput<typeof ProbeList>): Probe[] =>
    list.map(({ prompt, ...replies }) => {
      const wanted = tokenizer.encodeReply(replies.wanted);
      const unwanted = tokenizer.encodeReply(replies.unwanted);
      const length = Math.min(wanted.length, unwanted.length) - 1;
      return {
        prompt: promptOf(prompt, tokenizer),
        wanted: wanted.slice(0, length),
        unwanted: unwanted.slice(0, length),
      };
    });
  return { decline: encode(decline), correct: encode(correct) };
}

function promptOf(text: string, tokenizer: Tokenizer): number[] {
  return tokenizer.encodeChat([{ role: 'user', content: text }]);
}

function parse<S extends v.GenericSchema>(file: string, schema: S, json: unknown): v.InferOutput<S> {
  const parsed = v.safeParse(schema, json);
  if (!parsed.success) {
    throw new ThumbprintError('bad-file', `${file}: ${parsed.issues[0].message}. Load the model again.`);
  }
  return parsed.output;
}
