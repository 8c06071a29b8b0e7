import { parseArgs } from 'node:util';
import { ThumbprintError } from '../shared/errors';

type Kind = 'string' | 'number' | 'boolean';
type ValueOf<K extends Kind> = K extends 'string' ? string : K extends 'number' ? number : boolean;

/** Options by name; a trailing `!` in the kind's place marks one that must be given. */
export type OptionSpec = Record<string, Kind | 'string!' | 'number!'>;

type Parsed<S extends OptionSpec> = {
  [N in keyof S]: S[N] extends 'string!'
    ? string
    : S[N] extends 'number!'
      ? number
      : S[N] extends Kind
        ? ValueOf<S[N]> | undefined
        : never;
};

/**
 * Options of a command line.
 * @param words most words without an option that the command takes.
 * @throws ThumbprintError `bad-input` naming the option or the word.
 */
export function parseOptions<const S extends OptionSpec>(
  args: readonly string[],
  spec: S,
  words = Infinity,
): { options: Parsed<S>; rest: string[] } {
  const config = Object.fromEntries(
    Object.entries(spec).map(([name, kind]) => [
      name,
      { type: kind === 'boolean' ? ('boolean' as const) : ('string' as const) },
    ]),
  );
  let parsed: { values: Record<string, unknown>; positionals: string[] };
  try {
    parsed = parseArgs({ args: [...args], options: config, allowPositionals: true });
  } catch (cause) {
    throw new ThumbprintError('bad-input', cause instanceof Error ? cause.message : String(cause), { cause });
  }
  const surplus = parsed.positionals[words];
  if (surplus !== undefined)
    throw new ThumbprintError('bad-input', `${JSON.stringify(surplus)} belongs to no option.`);
  const options: Record<string, unknown> = {};
  for (const [name, kind] of Object.entries(spec)) {
    const value = parsed.values[name];
    if (value === undefined) {
      if (kind.endsWith('!')) throw new ThumbprintError('bad-input', `Option --${name} is missing.`);
    } else if (kind.startsWith('number')) {
      const number = Number(value);
      if (value === '' || !Number.isFinite(number)) {
        throw new ThumbprintError('bad-input', `--${name} must be a number, not ${JSON.stringify(value)}.`);
      }
      options[name] = number;
    } else options[name] = value;
  }
  return { options: options as Parsed<S>, rest: parsed.positionals };
}
