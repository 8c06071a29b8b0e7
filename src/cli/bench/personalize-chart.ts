import { chart, type Series } from './chart';
import type { BenchRow } from './personalize';
import { ACCURACY_GOALS, styleAccuracies } from './personalize-goals';
import { grouped } from './runs';
import { PREFERENCES } from './styles';

/** Of honest users: the mean over the six styles for each kind of signals, each style thinner; lone thumbs are dashed. Bars reach from the worst style to the best. */
export function personalizeChart(rows: readonly BenchRow[]): string {
  const honest = rows.filter(({ labels }) => labels === 'honest');
  const sizes = [...new Set(honest.map(({ k }) => k))];
  const means = (['pairs', 'thumbs'] as const).map((signals): Series => ({
    name: `six styles, ${signals}`,
    measured: sizes.flatMap((k) => styleAccuracies(honest, signals, k).map((accuracy) => ({ k, accuracy }))),
    // After the users' own.
    colour: PREFERENCES.length,
    dashed: signals === 'thumbs',
  }));
  const users = [...grouped(honest, ({ style, signals }) => `${style}, ${signals}`)];
  const each = users.map(([name, measured]): Series => {
    const { style = 'list', signals = 'pairs' } = measured[0] ?? {};
    return { name, measured, colour: PREFERENCES.indexOf(style), dashed: signals === 'thumbs', thin: true };
  });
  return chart([...each, ...means.filter(({ measured }) => measured.length > 0)], {
    title: 'Held-out preference accuracy over K signals',
    logarithmic: true,
    goals: ACCURACY_GOALS,
  });
}
