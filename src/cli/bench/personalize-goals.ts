import { mean } from '../../adaptation/margins';
import type { BenchRow } from './personalize';
import { type Style, STYLES } from './styles';
import type { SimulatedUser } from './users';

/** Held-out accuracy that so many pairs are to bring, as a mean over the six styles; of lone thumbs up to twice as many. */
export const ACCURACY_GOALS: readonly { k: number; accuracy: number }[] = [
  { k: 5, accuracy: 0.8 },
  { k: 20, accuracy: 0.9 },
  { k: 50, accuracy: 0.95 },
];

/** Share of own replies in the wanted style that so many signals are to bring, for each style. */
const OWN_STYLE_GOAL = { k: 20, share: 0.6 };

type Signals = SimulatedUser['signals'];
type Figure = 'accuracy' | 'own_style_share';

function honest(rows: readonly BenchRow[], signals: Signals, k: number): BenchRow[] {
  return rows.filter((row) => row.labels === 'honest' && row.signals === signals && row.k === k);
}

function styleMean(rows: readonly BenchRow[], style: Style, figure: Figure): number | undefined {
  const alike = rows.filter((row) => row.style === style);
  return alike.length === 0 ? undefined : mean(alike.map((row) => row[figure]));
}

/** Accuracy of honest users after so many signals, a mean for each of the six styles; none before all are measured. */
export function styleAccuracies(rows: readonly BenchRow[], signals: Signals, k: number): number[] {
  const alike = honest(rows, signals, k);
  const means = STYLES.flatMap((style) => styleMean(alike, style, 'accuracy') ?? []);
  return means.length < STYLES.length ? [] : means;
}

function meanAccuracy(rows: readonly BenchRow[], signals: Signals, k: number): number | undefined {
  const accuracies = styleAccuracies(rows, signals, k);
  return accuracies.length === 0 ? undefined : mean(accuracies);
}

/** Whether a goal is met, in a word, by any of the figures that may meet it. */
function verdict(figures: readonly (number | undefined)[], goal: number): string {
  const known = figures.flatMap((figure) => figure ?? []);
  if (known.length === 0) return 'not measured';
  return known.some((figure) => figure >= goal) ? 'yes' : 'no';
}

function cell(figure: number | undefined): string {
  return figure === undefined ? '–' : figure.toFixed(3);
}

/** The goals beside what was measured of them, in two tables. */
export function goalsMarkdown(rows: readonly BenchRow[]): string {
  const sizes = [...new Set(rows.filter(({ labels }) => labels === 'honest').map(({ k }) => k))];
  const accuracyAt = (signals: Signals) => (k: number) => meanAccuracy(rows, signals, k);
  const accuracies = [...new Set([...sizes, ...ACCURACY_GOALS.map(({ k }) => k)])]
    .sort((a, b) => a - b)
    .map((k) => {
      const goal = ACCURACY_GOALS.find((one) => one.k === k)?.accuracy;
      const enough = sizes.filter((size) => size >= k && size <= 2 * k);
      const met =
        goal === undefined
          ? ['', '', '']
          : [
              goal.toFixed(2),
              verdict([meanAccuracy(rows, 'pairs', k)], goal),
              verdict(enough.map(accuracyAt('thumbs')), goal),
            ];
      return [k, cell(meanAccuracy(rows, 'pairs', k)), cell(meanAccuracy(rows, 'thumbs', k)), ...met];
    });
  const { k, share: goal } = OWN_STYLE_GOAL;
  const shares = STYLES.map((style) => {
    const [pairs, thumbs] = (['pairs', 'thumbs'] as const).map((signals) =>
      styleMean(honest(rows, signals, k), style, 'own_style_share'),
    );
    return [
      style,
      cell(pairs),
      cell(thumbs),
      goal.toFixed(2),
      verdict([pairs], goal),
      verdict([thumbs], goal),
    ];
  });
  return `## The goals

Held-out accuracy, the mean over the six styles once all of them are measured. Lone thumbs may take up to twice the signals.

| K | pairs | thumbs | goal | met by pairs | by thumbs |
| --- | --- | --- | --- | --- | --- |
${tableOf(accuracies)}

Own replies in the wanted style after ${k} signals.

| style | pairs | thumbs | goal | met by pairs | by thumbs |
| --- | --- | --- | --- | --- | --- |
${tableOf(shares)}
`;
}

function tableOf(lines: readonly (readonly (string | number)[])[]): string {
  return lines.map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}
