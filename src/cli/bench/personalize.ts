import { isDeepStrictEqual } from 'node:util';
import { balanceThumbs } from '../../adaptation/examples';
import { bitsPerToken, COMPARED_REPLIES } from '../../adaptation/gate';
import { stepsFor } from '../../adaptation/plan';
import { readModelTexts, wholeTexts } from '../../adaptation/texts';
import { emptyAdapter } from '../../formats/adapter';
import { Generator } from '../../generation/generator';
import { AdapterSlot } from '../../model/lora';
import type { Sequence } from '../../model/packed-batch';
import type { Score } from '../../model/scorer';
import type { ChatTokenizer } from '../../text/tokenizer';
import { DEFAULT_SETTINGS } from '../../shared/records';
import { addReferences, judgedKl, rehearsalExamples, runSteps } from '../../training/train';
import { Trainer } from '../../training/trainer';
import { loraOf, type Hyperparameters, type TrainingExample } from '../../training/types';
import type { ModelIdentity } from '../../formats/read-model';
import { modelIdentity, openEngine } from '../engine';
import { readJson } from '../io';
import { GREEDY } from './greedy';
import { countCorrect, heldSequences } from './held-out';
import { isRight } from './quality-rules';
import { type Question, readQuestions } from './questions';
import { collect, type Collected, type Done, sameRun } from './runs';
import { type StyleClassifier, trainStyleClassifier } from './style-classifier';
import { readStyles, type SimulatedSignal, type StyledPrompt, STYLES_FILE, wordsOf } from './styles';
import { nameOf, signalsOf, type SimulatedUser } from './users';
import { wilson95 } from './wilson';

interface BenchEngine {
  identity: ModelIdentity;
  tokenizer: ChatTokenizer;
  trainer: Trainer;
  generator: Generator;
  slot: AdapterSlot;
  /** In words. */
  device: string;
}

/** A model, and simulated users to train it for. */
export interface Workbench {
  identity: ModelIdentity;
  /** Held-out prompts. */
  held: number;
  /** Held-out accuracy of the classifier that judges the replies' style. */
  classifierAccuracy: number;
  /** Trains one simulated user's adapter and measures what came of it. */
  run(run: SimulatedUser, hyperparameters: Hyperparameters): Promise<BenchRow>;
}

/**
 * The device is opened by the first run.
 * @param options.held how many held-out prompts to measure on; all when absent.
 * @param options.rank largest rank of any run.
 * @param options.questions whether the short questions are asked, before and after.
 */
export async function openBench({
  model,
  held,
  rank,
  questions,
}: {
  model: string;
  held?: number | undefined;
  rank: number;
  questions?: boolean | undefined;
}): Promise<Workbench> {
  const all = await readStyles(STYLES_FILE);
  const data: BenchData = {
    train: all.train,
    held: all.held.slice(0, held),
    questions: questions ? await readQuestions() : [],
  };
  const { classify, heldOutAccuracy } = trainStyleClassifier(all, 1);
  const open = async () => {
    const engine = await openTraining(model, rank);
    const texts = await readModelTexts((file) => readJson(`${model}/${file}`), engine.tokenizer);
    const anchors = texts.anchors.sequences;
    const baseline = await measureBaseline(engine, data, anchors);
    return { engine, anchors, baseline, rehearsal: rehearsalExamples(texts.rehearsal) };
  };
  let opened: ReturnType<typeof open> | undefined;
  return {
    identity: await modelIdentity(model),
    held: data.held.length,
    classifierAccuracy: heldOutAccuracy,
    async run(run, hyperparameters) {
      const { engine, anchors, baseline, rehearsal } = await (opened ??= open());
      const options = { hyperparameters, rehearsal, classify };
      return runOne(engine, run, data, anchors, baseline, options);
    },
  };
}

async function openTraining(model: string, rank: number): Promise<BenchEngine> {
  const { identity, runtime, tokenizer } = await openEngine({ model, rank });
  const slot = new AdapterSlot(runtime.gpu, runtime.layout, 'chat');
  return {
    identity,
    tokenizer,
    slot,
    trainer: await Trainer.create(runtime, { rows: 512 }),
    generator: await Generator.create(runtime, slot),
    device: runtime.gpu.info.description,
  };
}

/** What a run under some hyperparameters is marked with, so that it can be taken up again. */
export function conditionsOf({ identity, held }: Workbench, hyperparameters: Hyperparameters): object {
  return { model: identity.sha256, held, hyperparameters };
}

/**
 * What simulated users' runs came to: from `done` where it is known, else measured now.
 * @param options.steps as many as the page would take, when absent.
 */
export function collectUsers(
  workbench: Workbench,
  users: readonly SimulatedUser[],
  hyperparameters: Hyperparameters,
  options: { done: readonly Done<BenchRow>[]; measured?: boolean | undefined; steps?: number | undefined },
): Promise<Collected<SimulatedUser, BenchRow>> {
  const conditions = conditionsOf(workbench, hyperparameters);
  const stepsOf = ({ k }: SimulatedUser): number => options.steps ?? stepsFor(k, hyperparameters);
  return collect(users, {
    measured: options.measured,
    conditions,
    known: (user) => {
      const row = options.done.find(
        (other) =>
          sameRun<SimulatedUser>(user, other) &&
          isDeepStrictEqual(other.conditions, conditions) &&
          // The conditions do not tell what --steps was.
          other.steps <= stepsOf(user),
      );
      return row && [row];
    },
    measure: async (user) => [await workbench.run(user, { ...hyperparameters, steps: stepsOf(user) })],
    told: (row) => `${nameOf(row)}: accuracy ${row.accuracy.toFixed(3)}`,
  });
}

export interface BenchRow extends SimulatedUser {
  /** Of held-out pairs: how many the implicit reward orders as the user would. */
  accuracy: number;
  pairs: number;
  /** Wilson's 95 % interval of the accuracy, as if no two pairs had a reply in common. */
  accuracy_low: number;
  accuracy_high: number;
  /** Bits a token of the anchors' whole texts, as the gate measures them. */
  anchor_bits_base: number;
  anchor_bits: number;
  /** The same of their replies alone. */
  anchor_reply_bits_base: number;
  anchor_reply_bits: number;
  /** Own greedy replies to held-out prompts. */
  own_style_share: number;
  own_style_share_base: number;
  list_share: number;
  list_share_base: number;
  mean_words: number;
  mean_words_base: number;
  /** Short questions answered rightly, where they were asked. */
  questions?: number | undefined;
  questions_base?: number | undefined;
  /** How far the predictions of judged replies lie from the base model's, in nats a token. */
  own_kl: number;
  steps: number;
  seconds_per_step: number;
  device: string;
  samples: { prompt: string; base: string; adapted: string }[];
}

/** What the simulated users judge, what their adapters are measured on. */
interface BenchData extends Record<'train' | 'held', StyledPrompt[]> {
  questions: Question[];
}

/** Scores and replies of the base model: computed once for all runs. */
interface Baseline {
  held: Score[];
  anchors: AnchorBits;
  replies: string[];
  right: number | undefined;
}

/** Bits a token. */
interface AnchorBits {
  replies: number;
  texts: number;
}

async function anchorBits(
  { trainer }: BenchEngine,
  anchors: readonly Sequence[],
  under: 'base' | 'adapter',
): Promise<AnchorBits> {
  return {
    replies: bitsPerToken(await trainer.score(anchors, under)),
    texts: bitsPerToken(await trainer.score(wholeTexts(anchors), under)),
  };
}

function promptIds({ tokenizer }: BenchEngine, prompt: string): number[] {
  return tokenizer.encodeChat([{ role: 'user', content: prompt }]);
}

async function measureBaseline(
  engine: BenchEngine,
  { held, questions }: BenchData,
  anchors: readonly Sequence[],
): Promise<Baseline> {
  engine.slot.load(null);
  return {
    held: await engine.trainer.score(heldSequences(engine.tokenizer, held), 'base'),
    anchors: await anchorBits(engine, anchors, 'base'),
    replies: await ownReplies(engine, held),
    right: await rightShare(engine, questions),
  };
}

async function runOne(
  engine: BenchEngine,
  run: SimulatedUser,
  data: BenchData,
  anchors: readonly Sequence[],
  baseline: Baseline,
  options: {
    hyperparameters: Hyperparameters;
    rehearsal: readonly TrainingExample[];
    classify: StyleClassifier['classify'];
  },
): Promise<BenchRow> {
  const { identity, trainer, slot, generator: _, tokenizer } = engine;
  const { hyperparameters } = options;
  trainer.load(
    emptyAdapter(identity.config, identity.sha256, { ...loraOf(hyperparameters), seed: run.seed }),
  );
  const signals = signalsOf(run, data.train);
  const examples = await addReferences(
    trainer,
    signals.map((signal, index) => exampleOf(signal, String(index), tokenizer)),
  );
  const started = performance.now();
  const results = await runSteps(trainer, balanceThumbs(examples), hyperparameters, run.seed, {
    rehearsal: options.rehearsal,
  });
  const seconds = (performance.now() - started) / 1000;
  const ownKl = await judgedKl(trainer, examples, COMPARED_REPLIES);
  const scores = await trainer.score(heldSequences(tokenizer, data.held), 'adapter');
  const { correct, pairs } = countCorrect(run.style, data.held, scores, baseline.held);
  const bits = await anchorBits(engine, anchors, 'adapter');
  slot.load(await trainer.adapter());
  const replies = await ownReplies(engine, data.held);
  const right = await rightShare(engine, data.questions);
  const styleShare = (texts: readonly string[]): number => {
    const suits = (text: string, i: number): boolean =>
      run.style === 'shorter'
        ? wordsOf(text) < wordsOf(baseline.replies[i] ?? '')
        : options.classify(text) === run.style;
    return texts.filter(suits).length / texts.length;
  };
  const { low, high } = wilson95(correct / pairs, pairs);
  return {
    ...run,
    accuracy: correct / pairs,
    pairs,
    accuracy_low: low,
    accuracy_high: high,
    own_style_share: styleShare(replies),
    own_style_share_base: styleShare(baseline.replies),
    anchor_bits_base: baseline.anchors.texts,
    anchor_bits: bits.texts,
    anchor_reply_bits_base: baseline.anchors.replies,
    anchor_reply_bits: bits.replies,
    list_share: listShare(replies),
    list_share_base: listShare(baseline.replies),
    mean_words: meanWords(replies),
    mean_words_base: meanWords(baseline.replies),
    ...(right === undefined ? {} : { questions: right, questions_base: baseline.right }),
    own_kl: ownKl,
    steps: results.length,
    seconds_per_step: seconds / results.length,
    device: engine.device,
    samples: data.held.slice(0, 5).map(({ prompt }, i) => ({
      prompt,
      base: baseline.replies[i] ?? '',
      adapted: replies[i] ?? '',
    })),
  };
}

export function exampleOf(signal: SimulatedSignal, id: string, tokenizer: ChatTokenizer): TrainingExample {
  const prompt = tokenizer.encodeChat([{ role: 'user', content: signal.prompt }]);
  if ('chosen' in signal) {
    const [chosen, rejected] = [signal.chosen, signal.rejected].map((text) => tokenizer.encodeReply(text));
    return { kind: 'pair', id, prompt, chosen: chosen ?? [], rejected: rejected ?? [] };
  }
  return { kind: 'thumb', id, prompt, reply: tokenizer.encodeReply(signal.reply), up: signal.up };
}

/** The share of questions whose reply holds the answer; nothing where none is asked. */
async function rightShare(engine: BenchEngine, questions: readonly Question[]): Promise<number | undefined> {
  if (questions.length === 0) return undefined;
  const replies = await ownReplies(
    engine,
    questions.map(({ question }) => ({ prompt: question })),
  );
  return questions.filter(({ answers }, i) => isRight(replies[i] ?? '', answers)).length / questions.length;
}

async function ownReplies(
  engine: BenchEngine,
  asked: readonly Pick<StyledPrompt, 'prompt'>[],
): Promise<string[]> {
  const replies: string[] = [];
  for (const { prompt } of asked) {
    const { tokenIds } = await engine.generator.generate(promptIds(engine, prompt), {
      seed: 0,
      sampling: {
        ...GREEDY,
        // As long as the page lets a reply become.
        max_tokens: DEFAULT_SETTINGS.sampling.max_tokens,
      },
    });
    replies.push(engine.tokenizer.decode(tokenIds).trim());
  }
  return replies;
}

/** Replies that begin with "1." and go on to "2.". */
function listShare(replies: readonly string[]): number {
  return replies.filter((reply) => /^1[.)]\s.*\b2[.)]\s/s.test(reply)).length / replies.length;
}

function meanWords(replies: readonly string[]): number {
  return replies.reduce((sum, reply) => sum + wordsOf(reply), 0) / replies.length;
}
