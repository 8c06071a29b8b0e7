import { ThumbprintError } from './errors';

/** Throws an `internal` error when an invariant of the code (never of its input) is broken. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new ThumbprintError('internal', message);
}

/** The value, or an `internal` error when it is missing. */
export function required<T>(value: T | null | undefined, what: string): T {
  if (value === null || value === undefined) throw new ThumbprintError('internal', `${what} is missing`);
  return value;
}
