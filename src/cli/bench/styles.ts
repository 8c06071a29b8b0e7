import * as v from 'valibot';
import { createRandom } from '../../shared/random';
import { ThumbprintError } from '../../shared/errors';
import { readJsonLines } from '../io';

/** The main set of the bench. */
export const STYLES_FILE = 'models/recipe/data/thumbling_styles.jsonl.gz';

export const STYLES = ['short', 'detailed', 'warm', 'formal', 'playful', 'list'] as const;
export type Style = (typeof STYLES)[number];

/** A prompt with a reply in each style. */
export interface StyledPrompt {
  prompt: string;
  replies: Record<Style, string>;
}

const Line = v.object({
  prompt: v.string(),
  style: v.picklist(STYLES),
  response: v.string(),
  split: v.picklist(['train', 'held']),
});

/** The main set of the bench: the project's own prompts, answered in six styles; `held` was never trained on. */
export async function readStyles(path: string): Promise<Record<'train' | 'held', StyledPrompt[]>> {
  const splits = {
    train: new Map<string, Partial<StyledPrompt['replies']>>(),
    held: new Map<string, Partial<StyledPrompt['replies']>>(),
  };
  for (const { prompt, style, response, split } of await readJsonLines(path, Line)) {
    const replies = splits[split].get(prompt) ?? {};
    replies[style] = response;
    splits[split].set(prompt, replies);
  }
  const complete = (prompts: ReadonlyMap<string, Partial<StyledPrompt['replies']>>): StyledPrompt[] =>
    [...prompts].map(([prompt, replies]) => {
      if (!STYLES.every((style) => replies[style] !== undefined)) {
        throw new ThumbprintError('bad-file', `${path}: "${prompt}" lacks a style.`);
      }
      return { prompt, replies: replies as Record<Style, string> };
    });
  return { train: complete(splits.train), held: complete(splits.held) };
}

/** What a simulated user likes: a style, or of any two replies the one with fewer words. */
export const PREFERENCES = [...STYLES, 'shorter'] as const;
export type Preference = (typeof PREFERENCES)[number];

/** Whether the user likes one style's reply to a prompt better than another's. */
export function prefers(
  preference: Preference,
  replies: StyledPrompt['replies'],
  one: Style,
  other: Style,
): boolean {
  if (preference === 'shorter') return wordsOf(replies[one]) < wordsOf(replies[other]);
  return one === preference && other !== preference;
}

export function wordsOf(text: string): number {
  return text.split(/\s+/).filter(Boolean).length;
}

/** What a simulated user says: this reply is better than that one, or a lone thumb. */
export type SimulatedSignal =
  { prompt: string; chosen: string; rejected: string } | { prompt: string; reply: string; up: boolean };

/**
 * K signals of a user on different prompts: a reply beside one that they like less, or lone thumbs, half of them up.
 */
export function simulate(
  prompts: readonly StyledPrompt[],
  preference: Preference,
  kind: 'pairs' | 'thumbs',
  k: number,
  seed: number,
): SimulatedSignal[] {
  const random = createRandom(seed);
  const draw = (from: readonly Style[]): Style => from[random.int(from.length)] ?? 'short';
  return random
    .shuffle([...prompts])
    .slice(0, k)
    .map(({ prompt, replies }, index): SimulatedSignal => {
      const one = preference === 'shorter' ? draw(STYLES) : preference;
      const other = draw(STYLES.filter((style) => style !== one));
      const [better, worse] = prefers(preference, replies, other, one) ? [other, one] : [one, other];
      if (kind === 'pairs') return { prompt, chosen: replies[better], rejected: replies[worse] };
      const up = index % 2 === 0;
      return { prompt, reply: replies[up ? better : worse], up };
    });
}

/** How a simulated user judges: as they mean it, by tossing a coin, or one in five the wrong way round. */
export const LABELS = ['honest', 'coin', 'flipped'] as const;
export type Labels = (typeof LABELS)[number];

/** What the labels become: a swapped pair, or a thumb turned round. */
export function relabel(
  signals: readonly SimulatedSignal[],
  labels: Labels,
  seed: number,
): SimulatedSignal[] {
  const random = createRandom(seed ^ 0x5bd1e995);
  const share = { honest: 0, coin: 0.5, flipped: 0.2 }[labels];
  return signals.map((signal): SimulatedSignal => {
    if (random.float() >= share) return signal;
    if ('up' in signal) return { ...signal, up: !signal.up };
    return { ...signal, chosen: signal.rejected, rejected: signal.chosen };
  });
}
