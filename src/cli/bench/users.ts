import { crossed, listOption, missingMarkdown } from './runs';
import {
  type Labels,
  LABELS,
  type Preference,
  PREFERENCES,
  relabel,
  simulate,
  type SimulatedSignal,
  type StyledPrompt,
} from './styles';

/** Whom a bench simulates: what they like, how they say it and how often. */
export interface SimulatedUser {
  style: Preference;
  signals: 'pairs' | 'thumbs';
  labels: Labels;
  k: number;
  seed: number;
}

/** Their columns in every table of runs. */
export const USER_COLUMNS = [
  'style',
  'signals',
  'labels',
  'k',
  'seed',
] as const satisfies (keyof SimulatedUser)[];

/** Options of every bench of simulated users; each but `seeds` is a list. */
export const USER_OPTIONS = {
  styles: 'string',
  signals: 'string',
  labels: 'string',
  k: 'string',
  seeds: 'number',
} as const;

interface UserLists {
  styles: string;
  signals: string;
  labels: string;
  k: string;
  seeds: number;
}

/** Every combination of what the options name. @throws ThumbprintError `bad-input` naming what there is not. */
export function usersOf(
  options: { [K in keyof UserLists]?: UserLists[K] | undefined },
  defaults: UserLists,
): SimulatedUser[] {
  return crossed<SimulatedUser>({
    style: listOption(options.styles ?? defaults.styles, PREFERENCES),
    signals: listOption(options.signals ?? defaults.signals, ['pairs', 'thumbs'] as const),
    labels: listOption(options.labels ?? defaults.labels, LABELS),
    k: (options.k ?? defaults.k).split(',').map(Number),
    seed: seedsOf(options.seeds ?? defaults.seeds),
  });
}

/** 1 to a number of seeds. */
export function seedsOf(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i + 1);
}

/** What the user says. */
export function signalsOf(
  { style, signals, labels, k, seed }: SimulatedUser,
  prompts: readonly StyledPrompt[],
): SimulatedSignal[] {
  return relabel(simulate(prompts, style, signals, k, seed), labels, seed);
}

/** The user in one line. */
export function nameOf({ style, signals, labels, k, seed }: SimulatedUser): string {
  return `${style} ${signals} ${labels} K=${k} seed ${seed}`;
}

/** Which users a report lacks, as its last section. */
export function missingUsers(users: readonly SimulatedUser[]): string {
  return missingMarkdown(
    users,
    ({ signals, labels, k }) => `${signals}, ${labels}, K = ${k}`,
    ({ style }) => style,
  );
}
