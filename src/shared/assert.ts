import { ThumbprintError } from './errors';

/** The value, or an `internal` error when it is missing. */
export function required<T>(value: T | null | undefined, what: string): T {
  if (value === null || value === undefined) throw new ThumbprintError('internal', `${what} is missing`);
  return value;
}
