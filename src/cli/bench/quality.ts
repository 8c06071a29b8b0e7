import { basename, dirname } from 'node:path';
import * as v from 'valibot';
import { declineProbabilities, isFlagged } from '../../adaptation/flagged';
import { readProbes } from '../../adaptation/texts';
import { Generator } from '../../generation/generator';
import { AdapterSlot } from '../../model/lora';
import type { Sequence } from '../../model/packed-batch';
import { PackedForward } from '../../model/packed-forward';
import { type Score, scoreSequences } from '../../model/scorer';
import { type ChatTurn, DEFAULT_SETTINGS } from '../../shared/records';
import { parseOptions } from '../args';
import { type CliEngine, openEngine } from '../engine';
import { log, printJson, readBytes, readJson, readJsonLines, writeFiles } from '../io';
import { Turns } from '../schemas';
import { GREEDY } from './greedy';
import { calibrationError, declines, isEnglish, isRight, repeatsItself, wordsOf } from './quality-rules';
import { type Conversation, markdown, type QualityReport, type Rate, withReport } from './quality-report';
import { readQuestions } from './questions';
import { readStyles, type Style, STYLES, STYLES_FILE } from './styles';

const RECIPE = 'models/recipe';
const DIALOGUES = `${RECIPE}/data/thumbling_dialogues.jsonl.gz`;
/** Texts of which every token's prediction is looked at. */
const CALIBRATION_TEXTS = 60;
/** As the page does. */
const { seed: _, ...SAMPLED } = DEFAULT_SETTINGS.sampling;

const Request = v.object({ prompt: v.string(), harmful: v.boolean() });
const Wordings = v.pipe(v.array(v.string()), v.minLength(1));
const Instructions = v.strictObject({
  short: Wordings,
  detailed: Wordings,
  warm: Wordings,
  formal: Wordings,
  playful: Wordings,
  list: Wordings,
} satisfies Record<Style, typeof Wordings>);
/** A held-out text: a chat, or plain text. */
const HeldText = v.union([
  v.object({ source: v.string(), messages: Turns }),
  v.object({ source: v.string(), text: v.string() }),
]);
const Dialogue = v.object({ messages: Turns, split: v.picklist(['train', 'held']) });

/** A model, opened to be scored and to answer. */
interface Subject extends Pick<CliEngine, 'tokenizer'> {
  generator: Generator;
  score: (sequences: readonly Sequence[]) => Promise<Score[]>;
}

/** `bench quality`: how good a model is before anyone has taught it anything. */
export async function bench(args: readonly string[]): Promise<void> {
  const { options } = parseOptions(
    args,
    { model: 'string', held: 'string', out: 'string', card: 'string' },
    1,
  );
  const model = options.model ?? 'models/thumbling';
  const engine = await openEngine({ model });
  const { runtime, tokenizer } = engine;
  const slot = new AdapterSlot(runtime.gpu, runtime.layout, 'chat');
  slot.load(null);
  const forward = await PackedForward.create(runtime.gpu, runtime.pipelines, runtime.weights, slot, {
    rows: Math.max(512, runtime.config.context_window_size),
    gradient: false,
  });
  const subject: Subject = {
    tokenizer,
    generator: await Generator.create(runtime, slot),
    score: (sequences) => scoreSequences(forward, sequences, () => Promise.resolve()),
  };
  const dialogues = await readJsonLines(DIALOGUES, Dialogue);
  const own = dialogues.filter(({ split }) => split === 'held').map(({ messages }) => messages);
  const vocabulary = new Set(
    dialogues.flatMap(({ messages }) => messages.flatMap(({ content }) => wordsOf(content))),
  );
  const held = options.held === undefined ? [] : await readJsonLines(options.held, HeldText);
  const prompts = linesOf(await readBytes(`${RECIPE}/prompts.txt`));
  const report: QualityReport = {
    model,
    sha256: engine.identity.sha256,
    device: runtime.gpu.info.description,
    bits_per_byte: await told('bits per byte', async () => ({
      thumbling: await bitsPerByte(
        subject,
        own.flatMap((messages) => replySequences(subject, messages)),
      ),
      ...(await bySource(subject, held)),
    })),
    questions: await told('questions', () => questions(subject, GREEDY)),
    questions_sampled: await told('questions as the page samples', () => questions(subject, SAMPLED)),
    well_formed: await told('prompts', () => wellFormed(subject, prompts, vocabulary)),
    style_instructions: await told('style instructions', () => styleInstructions(subject)),
    ...(await told('requests', () => requests(subject))),
    calibration_error: await told('calibration', () => calibration(subject, own)),
    conversations: await told('conversations', () => conversations(subject)),
  };
  printJson(report);
  const command = `npm run bench -- ${args.join(' ')}`;
  if (options.out !== undefined) await writeFiles(options.out, { 'quality.md': markdown(report, command) });
  if (options.card !== undefined) {
    const card = new TextDecoder().decode(await readBytes(options.card));
    await writeFiles(dirname(options.card), { [basename(options.card)]: withReport(card, report, command) });
  }
}

async function told<T>(what: string, work: () => Promise<T>): Promise<T> {
  log(`${what} …`);
  return work();
}

function linesOf(bytes: Uint8Array): string[] {
  return new TextDecoder()
    .decode(bytes)
    .split('\n')
    .filter((line) => line !== '');
}

/** Each reply of a chat after what was said before it, with the bytes that it has. */
function replySequences({ tokenizer }: Subject, messages: readonly ChatTurn[]): SizedSequence[] {
  return messages.flatMap(({ role, content }, index) => {
    if (role !== 'assistant') return [];
    return [
      {
        prompt: tokenizer.encodeChat(messages.slice(0, index)),
        reply: tokenizer.encodeReply(content),
        bytes: new TextEncoder().encode(content).length,
      },
    ];
  });
}

interface SizedSequence extends Sequence {
  bytes: number;
}

/** Bits that the replies cost, for each byte of their text: comparable between tokenizers. */
async function bitsPerByte({ score }: Subject, sequences: readonly SizedSequence[]): Promise<number> {
  const scores = await score(sequences);
  const bits = scores.reduce((sum, { logprob }) => sum - logprob, 0) / Math.LN2;
  return bits / sequences.reduce((sum, { bytes }) => sum + bytes, 0);
}

/** The same for third-party texts: each source, all chats, all plain texts. */
async function bySource(
  subject: Subject,
  held: readonly v.InferOutput<typeof HeldText>[],
): Promise<Record<string, number>> {
  const groups = new Map<string, SizedSequence[]>();
  const add = (name: string, sequences: SizedSequence[]): void => {
    groups.set(name, [...(groups.get(name) ?? []), ...sequences]);
  };
  for (const line of held) {
    const chat = 'messages' in line;
    const sequences = chat ? replySequences(subject, line.messages) : plainSequence(subject, line.text);
    add(line.source, sequences);
    add(chat ? 'chat' : 'plain', sequences);
  }
  const measured: Record<string, number> = {};
  for (const [name, sequences] of groups) measured[name] = await bitsPerByte(subject, sequences);
  return measured;
}

/** A plain text after its first token. */
function plainSequence({ tokenizer }: Subject, text: string): SizedSequence[] {
  const [first, ...rest] = tokenizer.encode(text);
  if (first === undefined || rest.length === 0) return [];
  return [{ prompt: [first], reply: rest, bytes: new TextEncoder().encode(text).length }];
}

async function reply(
  { generator, tokenizer }: Subject,
  messages: readonly ChatTurn[],
  options: { sampling?: typeof GREEDY; seed?: number } = {},
): Promise<{ text: string; ended: boolean }> {
  const { tokenIds, reason } = await generator.generate(tokenizer.encodeChat(messages), {
    seed: options.seed ?? 0,
    sampling: { ...(options.sampling ?? GREEDY), max_tokens: SAMPLED.max_tokens },
  });
  return { text: tokenizer.decode(tokenIds).trim(), ended: reason === 'end' };
}

function asked(content: string): ChatTurn[] {
  return [{ role: 'user', content }];
}

/** By topic; each question with a seed of its own. */
async function questions(subject: Subject, sampling: typeof GREEDY): Promise<Record<string, Rate>> {
  const rates: Record<string, Rate> = { all: { yes: 0, of: 0 } };
  for (const [seed, { question, answers, topic }] of (await readQuestions()).entries()) {
    const { text } = await reply(subject, asked(question), { sampling, seed });
    const right = isRight(text, answers);
    log(`${right ? '+' : '-'} ${question} ${text}`);
    for (const key of ['all', topic]) count((rates[key] ??= { yes: 0, of: 0 }), right);
  }
  return rates;
}

function count(rate: Rate, yes: boolean): void {
  rate.of++;
  if (yes) rate.yes++;
}

/** Replies as the page samples them: whether they end, do not repeat themselves, are English. */
async function wellFormed(
  subject: Subject,
  prompts: readonly string[],
  vocabulary: ReadonlySet<string>,
): Promise<QualityReport['well_formed']> {
  const rates = {
    all: { yes: 0, of: 0 },
    ends: { yes: 0, of: 0 },
    no_repeats: { yes: 0, of: 0 },
    english: { yes: 0, of: 0 },
  };
  for (const [index, prompt] of prompts.entries()) {
    const { text, ended } = await reply(subject, asked(prompt), { sampling: SAMPLED, seed: index });
    const fresh = !repeatsItself(text);
    const english = isEnglish(text, vocabulary);
    count(rates.ends, ended);
    count(rates.no_repeats, fresh);
    count(rates.english, english);
    count(rates.all, ended && fresh && english);
    log(`${ended && fresh && english ? '+' : '-'} ${prompt} | ${text}`);
  }
  return rates;
}

/**
 * Under a style's instruction as system message, is the style's reply likelier per token than the other five? For all
 * held-out prompts, the wordings of the instruction in turn.
 */
async function styleInstructions(subject: Subject): Promise<Record<string, Rate>> {
  const { tokenizer, score } = subject;
  const wordings = v.parse(Instructions, await readJson(`${RECIPE}/instructions.json`));
  const { held } = await readStyles(STYLES_FILE);
  const rates: Record<string, Rate> = { all: { yes: 0, of: 0 } };
  for (const style of STYLES) {
    const rate = (rates[style] = { yes: 0, of: 0 });
    const sequences = held.flatMap(({ prompt, replies }, index) => {
      const content = wordings[style][index % wordings[style].length] ?? '';
      const ids = tokenizer.encodeChat([{ role: 'system', content }, ...asked(prompt)]);
      return STYLES.map((other) => ({ prompt: ids, reply: tokenizer.encodeReply(replies[other]) }));
    });
    const scores = (await score(sequences)).map(({ logprob, tokens }) => logprob / tokens);
    for (let start = 0; start < scores.length; start += STYLES.length) {
      const six = scores.slice(start, start + STYLES.length);
      const right = six[STYLES.indexOf(style)] === Math.max(...six);
      count(rate, right);
      count(rates['all'] ?? rate, right);
    }
  }
  return rates;
}

async function requests(subject: Subject): Promise<Pick<QualityReport, 'declines' | 'flagged'>> {
  const none = () => ({ harmful: { yes: 0, of: 0 }, harmless: { yes: 0, of: 0 } });
  const [declined, flagged] = [none(), none()];
  const probes = readProbes('probes.json', await readJson(`${RECIPE}/probes.json`), subject.tokenizer);
  for (const { prompt, harmful } of await readJsonLines(`${RECIPE}/safety.jsonl`, Request)) {
    const { text } = await reply(subject, asked(prompt));
    const kind = harmful ? 'harmful' : 'harmless';
    const ids = subject.tokenizer.encodeChat(asked(prompt));
    const [probability = NaN] = await declineProbabilities(subject, [ids], probes);
    count(declined[kind], declines(text));
    count(flagged[kind], isFlagged(probability));
    log(
      `${kind} ${declines(text) ? 'declined' : 'answered'}, ${probability.toFixed(3)}: ${prompt} | ${text}`,
    );
  }
  return { declines: declined, flagged };
}

/** Of the likeliest next token, all along held-out replies. */
async function calibration(
  { generator, tokenizer }: Subject,
  chats: readonly (readonly ChatTurn[])[],
): Promise<number> {
  const predictions: { confidence: number; right: boolean }[] = [];
  for (const messages of chats.slice(0, CALIBRATION_TEXTS)) {
    const prompt = tokenizer.encodeChat(messages.slice(0, 1));
    const ids = tokenizer.encodeReply(messages[1]?.content ?? '');
    for (const [index, id] of ids.entries()) {
      const logits = await generator.logits([...prompt, ...ids.slice(0, index)]);
      const largest = logits.reduce((most, value) => Math.max(most, value), -Infinity);
      const total = logits.reduce((sum, value) => sum + Math.exp(value - largest), 0);
      predictions.push({ confidence: 1 / total, right: logits[id] === largest });
    }
  }
  return calibrationError(predictions);
}

/** Whole chats as the page would have them. */
async function conversations(subject: Subject): Promise<Conversation[]> {
  const text = new TextDecoder().decode(await readBytes(`${RECIPE}/conversations.txt`));
  const chats: Conversation[] = [];
  for (const [index, block] of text
    .trim()
    .split(/\n{2,}/)
    .entries()) {
    const messages: ChatTurn[] = [];
    for (const content of block.split('\n')) {
      messages.push({ role: 'user', content });
      const { text: answer } = await reply(subject, messages, { sampling: SAMPLED, seed: index });
      messages.push({ role: 'assistant', content: answer });
    }
    chats.push(messages);
  }
  return chats;
}
