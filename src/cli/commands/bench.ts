import { ThumbprintError } from '../../shared/errors';
import type { Command } from '../command';

const BENCHES: Record<string, () => Promise<{ bench: (args: readonly string[]) => Promise<void> }>> = {
  personalize: () => import('../bench/personalize-command'),
  gate: () => import('../bench/gate'),
  search: () => import('../bench/search'),
  switch: () => import('../bench/switch'),
  evidence: () => import('../bench/evidence'),
  quality: () => import('../bench/quality'),
  speed: () => import('../bench/speed/suite'),
  decode: () => import('../bench/speed/timings'),
  prefill: () => import('../bench/speed/timings'),
  'train-step': () => import('../bench/speed/timings'),
  forms: () => import('../bench/speed/forms'),
  profile: () => import('../bench/profile'),
};

export const command: Command = {
  summary:
    'Measures. personalize: what K signals of a simulated user do; gate: which updates it keeps; search: which hyperparameters serve them best; switch: how it follows one who changes their mind; evidence: all of personalize, gate and switch that reports rest on; quality: what the model can do; speed: all that is timed, beside peers; forms: time of each form of the products; profile: time of each kernel; the others: milliseconds and dispatches.',
  usage: `${Object.keys(BENCHES).join('|')} [--model FOLDER] …`,
  async run(args) {
    const [name] = args;
    const load = name === undefined ? undefined : BENCHES[name];
    if (!load) throw new ThumbprintError('bad-input', `There is no bench ${name ?? '(none was named)'}.`);
    await (await load()).bench(args);
  },
};
