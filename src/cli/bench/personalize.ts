import { balanceThumbs } from '../../adaptation/examples';
import { bitsPerToken } from '../../adaptation/gate';
import { emptyAdapter } from '../../formats/adapter';
import type { Generator } from '../../generation/generator';
import type { AdapterSlot } from '../../model/lora';
import type { Sequence } from '../../model/packed-batch';
import type { Score } from '../../model/scorer';
import type { ChatTokenizer } from '../../text/tokenizer';
import { DEFAULT_SETTINGS } from '../../shared/records';
import { addReferences, runSteps } from '../../training/train';
import type { Trainer } from '../../training/trainer';
import type { Hyperparameters, TrainingExample } from '../../training/types';
import type { ModelFolder } from '../../formats/model-folder';
import { GREEDY } from './greedy';
import { countCorrect, heldSequences } from './held-out';
import type { StyleClassifier } from './style-classifier';
import {
  type Labels,
  type Preference,
  relabel,
  simulate,
  type SimulatedSignal,
  type StyledPrompt,
  wordsOf,
} from './styles';
import { wilson95 } from './wilson';

/** What the bench runs on. */
export interface BenchEngine {
  folder: ModelFolder;
  tokenizer: ChatTokenizer;
  trainer: Trainer;
  generator: Generator;
  slot: AdapterSlot;
}

export interface BenchRun {
  style: Preference;
  signals: 'pairs' | 'thumbs';
  labels: Labels;
  k: number;
  seed: number;
}

export interface BenchRow extends BenchRun {
  /** Of held-out pairs: how many the implicit reward orders as the user would. */
  accuracy: number;
  pairs: number;
  /** Wilson's 95 % interval of the accuracy, as if no two pairs had a reply in common. */
  accuracy_low: number;
  accuracy_high: number;
  anchor_bits_base: number;
  anchor_bits: number;
  /** Own greedy replies to held-out prompts. */
  own_style_share: number;
  own_style_share_base: number;
  list_share: number;
  list_share_base: number;
  mean_words: number;
  mean_words_base: number;
  steps: number;
  seconds_per_step: number;
  samples: { prompt: string; base: string; adapted: string }[];
}

/** Scores and replies of the base model: computed once for all runs. */
export interface Baseline {
  held: Score[];
  anchors: number;
  replies: string[];
}

function promptIds({ tokenizer }: BenchEngine, prompt: string): number[] {
  return tokenizer.encodeChat([{ role: 'user', content: prompt }]);
}

export async function measureBaseline(
  engine: BenchEngine,
  held: readonly StyledPrompt[],
  anchors: readonly Sequence[],
): Promise<Baseline> {
  engine.slot.load(null);
  return {
    held: await engine.trainer.score(heldSequences(engine.tokenizer, held), 'base'),
    anchors: bitsPerToken(await engine.trainer.score(anchors, 'base')),
    replies: await ownReplies(engine, held),
  };
}

/** Trains one simulated user's adapter and measures what came of it. */
export async function runOne(
  engine: BenchEngine,
  run: BenchRun,
  data: Record<'train' | 'held', StyledPrompt[]>,
  anchors: readonly Sequence[],
  baseline: Baseline,
  options: {
    hyperparameters: Hyperparameters;
    rank: number;
    rehearsal: readonly TrainingExample[];
    classify: StyleClassifier['classify'];
  },
): Promise<BenchRow> {
  const { folder, trainer, slot, generator: _, tokenizer } = engine;
  const { rank, hyperparameters } = options;
  trainer.load(emptyAdapter(folder.config, folder.sha256, { rank, lora_alpha: 2 * rank, seed: run.seed }));
  const honest = simulate(data.train, run.style, run.signals, run.k, run.seed);
  const signals = relabel(honest, run.labels, run.seed);
  const examples = await addReferences(
    trainer,
    signals.map((signal, index) => exampleOf(signal, String(index), tokenizer)),
  );
  const started = performance.now();
  const results = await runSteps(trainer, balanceThumbs(examples), hyperparameters, run.seed, {
    rehearsal: options.rehearsal,
  });
  const seconds = (performance.now() - started) / 1000;
  const scores = await trainer.score(heldSequences(tokenizer, data.held), 'adapter');
  const { correct, pairs } = countCorrect(run.style, data.held, scores, baseline.held);
  const bits = bitsPerToken(await trainer.score(anchors, 'adapter'));
  slot.load(await trainer.adapter());
  const replies = await ownReplies(engine, data.held);
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
    anchor_bits_base: baseline.anchors,
    anchor_bits: bits,
    list_share: listShare(replies),
    list_share_base: listShare(baseline.replies),
    mean_words: meanWords(replies),
    mean_words_base: meanWords(baseline.replies),
    steps: results.length,
    seconds_per_step: seconds / results.length,
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

async function ownReplies(engine: BenchEngine, held: readonly StyledPrompt[]): Promise<string[]> {
  const replies: string[] = [];
  for (const { prompt } of held) {
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
