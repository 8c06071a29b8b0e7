import { isDeepStrictEqual } from 'node:util';
import * as v from 'valibot';
import { ThumbprintError } from '../../shared/errors';
import { readBytes, readJsonLines } from '../io';

/** A run that a bench printed, with the conditions it was measured under. */
export type Done<Row> = Row & { conditions: Record<string, unknown> };

/**
 * Runs of an earlier call, which was cut off, or of several that went side by side, from what they printed.
 * @param conditions which they must have been measured under, among others.
 * @throws ThumbprintError `bad-input` when one was not.
 */
export async function readDone<Row>(path: string, conditions: object): Promise<Done<Row>[]> {
  // Cut off before its first run.
  if ((await readBytes(path)).length === 0) return [];
  const lines = await readJsonLines(path, v.looseObject({ conditions: v.looseObject({}) }));
  return lines.map((line) => {
    if (
      !Object.entries(conditions).every(([name, value]) => isDeepStrictEqual(line.conditions[name], value))
    ) {
      throw new ThumbprintError(
        'bad-input',
        `${path} was measured with other weights, held-out prompts or hyperparameters; run the bench without --resume.`,
      );
    }
    return line as unknown as Done<Row>;
  });
}

/** What the rows were measured on, in words: a bench that was resumed may have moved. */
export function devicesOf(rows: readonly { device: string }[]): string {
  return [...new Set(rows.map(({ device }) => device))].join(' and ');
}

/** Whether a row is of this run: it has all of its fields. */
export function sameRun<Run extends object>(run: Run, row: Run): boolean {
  return Object.entries(run).every(([key, value]) => row[key as keyof Run] === value);
}

/** What was typed after `bench`, without what only says where finished runs lie: they were made by the same command. */
export function withoutResume(args: readonly string[]): string[] {
  return args.filter((arg, i) => arg !== '--resume' && args[i - 1] !== '--resume');
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
