import { openDB } from 'idb';
import { ThumbprintError } from '../shared/errors';
import { storageError } from './failures';
import { DATABASE_VERSION, migrate, type Connection, type ThumbprintSchema } from './schema';

/** Older tabs close their connection when asked; one that has not after this long is frozen or very old. */
const BLOCKED_PATIENCE_MS = 4000;

/** How often and how far apart opening is tried while the browser takes down an earlier database. */
const OPEN_ATTEMPTS = 4;
const TEAR_DOWN_MS = 150;

export interface ConnectionEvents {
  /** Another tab opens a newer layout: the connection has been closed to let it. */
  onSuperseded(): void;
  /** The browser ended the connection, for instance because the site's data was cleared. */
  onTerminated(): void;
}

/**
 * Opens the database and brings it up to the current layout.
 *
 * @param version Layout to stop at; only tests of the migrations give one.
 * @throws ThumbprintError `storage` when IndexedDB is missing, the data is newer than this page, or an older tab does
 *   not let go of it; `quota` when the disk is full.
 */
export async function openConnection(
  name: string,
  events: ConnectionEvents,
  version: number = DATABASE_VERSION,
): Promise<Connection> {
  if (typeof indexedDB === 'undefined') {
    throw new ThumbprintError(
      'storage',
      'This browser offers no IndexedDB, so nothing can be kept. Try another browser.',
    );
  }
  for (let attempt = 1; ; attempt++) {
    try {
      return await openOnce(name, events, version);
    } catch (error) {
      if (attempt === OPEN_ATTEMPTS || !isTearingDown(error)) throw storageError('open its database', error);
      await new Promise((resolve) => setTimeout(resolve, TEAR_DOWN_MS));
    }
  }
}

/** The browser is still taking down the database it has just dropped, and lets go of it in a moment. */
function isTearingDown(error: unknown): boolean {
  return error instanceof DOMException && error.name === 'AbortError';
}

/** One attempt; rejects with what the browser says, with a migration's own failure, or that another tab blocks it. */
async function openOnce(name: string, events: ConnectionEvents, version: number): Promise<Connection> {
  let patience: ReturnType<typeof setTimeout> | undefined;
  let abandoned = false;
  let migrationFailure: unknown;
  let giveUp: (error: ThumbprintError) => void = () => undefined;
  const blockedTooLong = new Promise<never>((_resolve, reject) => (giveUp = reject));
  const opening = openDB<ThumbprintSchema>(name, version, {
    upgrade: (database, oldVersion, newVersion, transaction) => {
      migrate(database, transaction, oldVersion, newVersion ?? version).catch((error: unknown) => {
        migrationFailure = error;
        // Without this a half-made layout would be committed as a whole one.
        transaction.abort();
      });
    },
    blocked: () => {
      patience = setTimeout(() => {
        abandoned = true;
        giveUp(
          new ThumbprintError(
            'storage',
            'Another tab still runs an older version of Thumbprint. Close the other tabs, then reload this one.',
          ),
        );
      }, BLOCKED_PATIENCE_MS);
    },
    blocking: (_current, _blocked, event) => {
      if (event.target instanceof IDBDatabase) event.target.close();
      events.onSuperseded();
    },
    terminated: () => {
      events.onTerminated();
    },
  });
  // A connection that arrives after the wait was given up would block every later upgrade.
  opening.then(
    (late) => {
      if (abandoned) late.close();
    },
    () => undefined, // told below
  );
  try {
    return await Promise.race([opening, blockedTooLong]);
  } catch (error) {
    throw migrationFailure ?? error;
  } finally {
    clearTimeout(patience);
  }
}
