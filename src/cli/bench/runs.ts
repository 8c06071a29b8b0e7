import { isDeepStrictEqual } from 'node:util';
import * as v from 'valibot';
import { ThumbprintError } from '../../shared/errors';
import { log, printJson, readBytes, readJsonLines } from '../io';

/** A run that a bench printed, with the conditions it was measured under. */
export type Done<Row> = Row & { conditions: Record<string, unknown> };

/** A field that the lines of each bench have and no other's. */
const MARKS = { personalize: 'own_style_share', gate: 'figures', switch: 'given' } as const;

/** Options of every bench that takes up finished runs and writes a report. */
export const REPORT_OPTIONS = { resume: 'string', measured: 'boolean', out: 'string' } as const;

export interface ReportOptions {
  /** Files of finished runs, separated by commas. */
  resume?: string | undefined;
  /** Whether only finished runs are reported, and none is made. */
  measured?: boolean | undefined;
  /** The report's folder. */
  out?: string | undefined;
}

/**
 * Runs of earlier calls, which were cut off or went side by side, from the JSON lines that they printed. Lines of other
 * benches may stand between them.
 * @param conditions which they must have been measured under, among others.
 * @throws ThumbprintError `bad-input` when one was not.
 */
export async function readDone<Row>(
  { resume, measured }: ReportOptions,
  bench: keyof typeof MARKS,
  conditions: object,
): Promise<Done<Row>[]> {
  if (resume === undefined) {
    if (!measured) return [];
    throw new ThumbprintError(
      'bad-input',
      '--measured reports finished runs: name the files of their JSON lines with --resume.',
    );
  }
  const done: Done<Row>[] = [];
  for (const path of resume.split(',')) {
    // Cut off before its first run.
    if ((await readBytes(path)).length === 0) continue;
    for (const line of await readJsonLines(path, v.looseObject({ conditions: v.looseObject({}) }))) {
      if (!Object.values(MARKS).some((mark) => mark in line)) {
        throw new ThumbprintError(
          'bad-input',
          `${path} has lines that are of no bench of simulated users; leave it out of --resume.`,
        );
      }
      if (!(MARKS[bench] in line)) continue;
      if (
        !Object.entries(conditions).every(([name, value]) => isDeepStrictEqual(line.conditions[name], value))
      ) {
        throw new ThumbprintError(
          'bad-input',
          `${path} has runs of ${bench} with other weights, held-out prompts, limits or hyperparameters; leave it out of --resume.`,
        );
      }
      done.push(line as unknown as Done<Row>);
    }
  }
  return done;
}

/** The rows of a bench's runs, and the runs that are not measured yet. */
export interface Collected<Run, Row> {
  rows: Row[];
  missing: Run[];
}

/**
 * Every run's rows, printed with the conditions they were measured under: the known ones, and those of the other runs,
 * which are measured now unless only what is `measured` is asked for.
 */
export async function collect<Run, Row extends object>(
  runs: readonly Run[],
  {
    measured,
    conditions,
    known,
    measure,
    told,
  }: {
    measured: boolean | undefined;
    conditions: object;
    known: (run: Run) => readonly Row[] | undefined;
    measure: (run: Run) => Promise<readonly Row[]>;
    /** A row in words. */
    told: (row: Row) => string;
  },
): Promise<Collected<Run, Row>> {
  const rows: Row[] = [];
  const missing: Run[] = [];
  for (const run of runs) {
    const found = known(run) ?? (measured ? undefined : await measure(run));
    if (!found) missing.push(run);
    for (const row of found ?? []) {
      rows.push(row);
      printJson({ ...row, conditions });
      log(told(row));
    }
  }
  return { rows, missing };
}

/** What a report lacks, as its last section; nothing when it is whole. */
export function missingMarkdown<Run extends { seed: number }>(
  missing: readonly Run[],
  kindOf: (run: Run) => string,
  whoOf: (run: Run) => string,
): string {
  if (missing.length === 0) return '';
  const kinds = [...grouped(missing, kindOf)].map(([kind, runs]) => {
    const who = [...grouped(runs, whoOf)].map(
      ([name, alike]) => `${name} (${alike.map(({ seed }) => seed).join(', ')})`,
    );
    return `- ${kind}: ${who.join(', ')}`;
  });
  return `
## Not measured yet

Users, and in brackets their seeds.

${kinds.join('\n')}
`;
}

/** What the rows were measured on, in words: a bench that was resumed may have moved. */
export function devicesOf(rows: readonly { device: string }[]): string {
  return [...new Set(rows.map(({ device }) => device))].join(' and ');
}

/** Whether a row is of this run: it has all of its fields. */
export function sameRun<Run extends object>(run: Run, row: Run): boolean {
  return Object.entries(run).every(([key, value]) => row[key as keyof Run] === value);
}

/**
 * What was typed, for a report: without where finished runs lie, since they were made by the same command, unless the
 * report is made of nothing else. Of this machine's folders only the last name is told.
 */
export function commandOf(args: readonly string[]): string {
  const typed = args.includes('--measured')
    ? args
    : args.filter((arg, i) => arg.split('=')[0] !== '--resume' && args[i - 1] !== '--resume');
  const told = typed.map((arg) => arg.replaceAll(/(^|[=,])\/(?:[^,/]+\/)*/g, '$1'));
  return `npm run bench -- ${told.join(' ')}`;
}

/** A comma-separated option, checked. @throws ThumbprintError `bad-input`. */
export function listOption<T extends string>(text: string, allowed: readonly T[]): T[] {
  return text.split(',').map((name) => {
    const found = allowed.find((candidate) => candidate === name);
    if (!found) throw new ThumbprintError('bad-input', `"${name}" is none of ${allowed.join(', ')}.`);
    return found;
  });
}

/** Rows by a key, in the order of their first ones. */
export function grouped<Row>(rows: readonly Row[], keyOf: (row: Row) => string): Map<string, Row[]> {
  const groups = new Map<string, Row[]>();
  for (const row of rows) groups.set(keyOf(row), [...(groups.get(keyOf(row)) ?? []), row]);
  return groups;
}

/** Every combination of one value each; the last field changes fastest. */
export function crossed<Run extends object>(values: { [K in keyof Run]: readonly Run[K][] }): Run[] {
  return Object.entries<readonly unknown[]>(values).reduce<object[]>(
    (runs, [key, options]) => runs.flatMap((run) => options.map((value) => ({ ...run, [key]: value }))),
    [{}],
  ) as Run[];
}
