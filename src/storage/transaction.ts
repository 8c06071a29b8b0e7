import type { IDBPTransaction } from 'idb';
import type { Connection, StoreName, ThumbprintSchema } from './schema';

/**
 * Runs `work` in one read-write transaction and waits until it is complete. When `work` throws, also between two
 * requests or on a record that cannot be cloned, everything it wrote is rolled back: IndexedDB alone would commit what
 * came before the throw.
 *
 * @param durability `strict` waits for the disk; use it where losing the write to a power cut would be noticed.
 */
export async function inTransaction<Stores extends StoreName[], T>(
  connection: Connection,
  stores: [...Stores],
  durability: 'default' | 'strict',
  work: (transaction: IDBPTransaction<ThumbprintSchema, [...Stores], 'readwrite'>) => Promise<T>,
): Promise<T> {
  const transaction = connection.transaction(stores, 'readwrite', { durability });
  // Awaited below; marked here so that an abort during `work` is not reported as unhandled.
  transaction.done.catch(() => undefined);
  try {
    const result = await work(transaction);
    await transaction.done;
    return result;
  } catch (error) {
    try {
      transaction.abort();
    } catch {
      // A failed request has aborted it already.
    }
    throw error;
  }
}
