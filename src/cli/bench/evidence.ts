import { parseOptions } from '../args';
import { modelHyperparameters } from '../hyperparameters';
import { gate } from './gate';
import { personalize } from './personalize-command';
import { commandOf, crossed, REPORT_OPTIONS } from './runs';
import { STYLES } from './styles';
import { switchTaste } from './switch';
import type { SwitchRun } from './switch-report';
import { seedsOf, type SimulatedUser, usersOf } from './users';

/** Users of `personalize`: how much comes of how many signals, what wrong ones do, and one whose taste is no style. */
export const PERSONALIZED: readonly SimulatedUser[] = [
  ...users({ k: '1,2,5,10,20,50' }),
  ...users({ labels: 'flipped,coin' }),
  ...users({ styles: 'shorter' }),
];

/** Users of `gate`. */
export const JUDGED: readonly SimulatedUser[] = users({
  signals: 'pairs',
  labels: 'honest,coin,flipped',
  seeds: 7,
});

/** Users of `switch`. */
export const SWITCHED: readonly SwitchRun[] = crossed<SwitchRun>({
  from: ['list'],
  to: ['short'],
  signals: ['pairs'],
  detector: ['on', 'off'],
  seed: seedsOf(3),
});

/**
 * `bench evidence`: all that `personalize`, `gate` and `switch` have to show, each as the bench of its name does it. One JSON
 * line a run; `--resume` takes them up, of whichever bench; `--measured` writes the reports from them alone.
 */
export async function bench(args: readonly string[]): Promise<void> {
  const { options } = parseOptions(args, { model: 'string', ...REPORT_OPTIONS, out: 'string!' }, 1);
  const { model = 'models/thumbling' } = options;
  const report = { ...options, model, command: commandOf(args) };
  await personalize(PERSONALIZED, { ...report, hyperparameters: await modelHyperparameters(model) });
  await gate(JUDGED, report);
  await switchTaste(SWITCHED, report);
}

/** As the options of a bench would name them. */
function users(options: Parameters<typeof usersOf>[0]): SimulatedUser[] {
  return usersOf(options, {
    styles: STYLES.join(','),
    signals: 'pairs,thumbs',
    labels: 'honest',
    k: '20',
    seeds: 3,
  });
}
