import { ThumbprintError, messageOf } from '../shared/errors';

/**
 * Runs a piece of work on the database and gives every failure a code and a message that says what to do.
 *
 * @param what Infinitive of what was tried, for the message: "save the message".
 * @throws ThumbprintError `quota` when the disk or the origin's share of it is full, `storage` for any other failure;
 *   errors that already are ThumbprintErrors pass through.
 */
export async function guarded<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw storageError(what, error);
  }
}

/** The ThumbprintError for a failure of IndexedDB while trying to `what`. */
export function storageError(what: string, error: unknown): ThumbprintError {
  if (error instanceof ThumbprintError) return error;
  const name = error instanceof Error ? error.name : '';
  if (name === 'QuotaExceededError') {
    return new ThumbprintError(
      'quota',
      `There is no room left to ${what}. Free some disk space, or delete old chats, then try again.`,
      { cause: error },
    );
  }
  if (name === 'VersionError') {
    return new ThumbprintError(
      'storage',
      'The stored data was written by a newer version of Thumbprint. Reload the page to get that version.',
      { cause: error },
    );
  }
  return new ThumbprintError(
    'storage',
    `The browser could not ${what} (${messageOf(error)}). Reload the page; in a private window, storage may be off.`,
    { cause: error },
  );
}
