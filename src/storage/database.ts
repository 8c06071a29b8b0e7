/** Everything that outlives the page: chats, signals, adapters, receipts, settings, and an update under way. */
import { ThumbprintError } from '../shared/errors';
import type {
  AdapterRecord,
  AdapterSummary,
  Conversation,
  DeviceRecord,
  Message,
  Receipt,
  Settings,
  Signal,
  TrainingCheckpoint,
} from '../shared/records';
import { openConnection } from './connection';
import { guarded } from './failures';
import { ALL_STORES, CHECKPOINT_KEY, DATABASE_NAME, type Connection } from './schema';
import { sanitizeSettings } from './settings';
import { inTransaction } from './transaction';

/** What one promoted update changes, all of it or none of it. */
export interface AdapterCommit {
  record: AdapterRecord;
  receipt: Receipt;
}

/** What the origin uses on disk and may use, in bytes; null where the browser does not say. */
export interface StorageEstimate {
  usageBytes: number | null;
  quotaBytes: number | null;
}

/** Methods that change nothing: all that the page may do while the Worker owns the data. */
export type ReadableStorage = Pick<
  Storage,
  | 'getConversation'
  | 'listConversations'
  | 'messagesOf'
  | 'listSignals'
  | 'activeVersion'
  | 'listAdapters'
  | 'listReceipts'
  | 'loadSettings'
  | 'estimate'
  | 'close'
>;

/**
 * Opens the database, creating or migrating it first. Works in a page and in a Worker; several connections at once are
 * fine, IndexedDB orders their transactions.
 *
 * @throws ThumbprintError `storage` or `quota`, with a message that says what to do.
 */
export async function openStorage(name: string = DATABASE_NAME): Promise<Storage> {
  const storage = new Storage(name);
  await storage.connect();
  return storage;
}

/**
 * Reads and writes of the database. Made by `openStorage`. Each method is one transaction, so that a tab killed at any
 * moment leaves every change either whole or absent. Every method rejects with a ThumbprintError: `quota` when the disk
 * is full, `storage` otherwise.
 */
export class Storage {
  readonly #name: string;
  #connection: Promise<Connection> | null = null;
  #closed: ThumbprintError | null = null;

  constructor(name: string) {
    this.#name = name;
  }

  /** The open connection. Opens it anew after the browser has dropped it. */
  connect(): Promise<Connection> {
    if (this.#closed !== null) return Promise.reject(this.#closed);
    this.#connection ??= openConnection(this.#name, {
      onSuperseded: () => {
        this.#closed = new ThumbprintError(
          'storage',
          'A newer version of Thumbprint was opened in another tab. Reload this page to go on here.',
        );
      },
      onTerminated: () => {
        this.#connection = null;
      },
    }).catch((error: unknown) => {
      this.#connection = null;
      throw error;
    });
    return this.#connection;
  }

  /** Ends the connection after the transactions under way. Later calls reject. */
  close(): void {
    this.#closed ??= new ThumbprintError(
      'storage',
      'The database has been closed. Reload the page to open it again.',
    );
    this.#connection?.then(
      (connection) => connection.close(),
      () => undefined, // it never opened
    );
  }

  // Conversations

  /** Writes the whole record, new or changed. */
  putConversation(conversation: Conversation): Promise<void> {
    return this.#write('save the conversation', (db) => db.put('conversations', conversation));
  }

  getConversation(id: string): Promise<Conversation | undefined> {
    return this.#read('read the conversation', (db) => db.get('conversations', id));
  }

  /** All conversations, the one changed last first. */
  async listConversations(): Promise<Conversation[]> {
    const all = await this.#read('read the conversations', (db) => db.getAll('conversations'));
    return all.sort((a, b) => b.updatedAt - a.updatedAt);
  }

  /** Removes a conversation and its messages. Its signals stay: they carry their own context. */
  deleteConversation(id: string): Promise<void> {
    return this.#write('delete the conversation', (db) =>
      inTransaction(db, ['conversations', 'messages'], 'default', async (transaction) => {
        const messages = transaction.objectStore('messages');
        const keys = await messages.index('conversationId').getAllKeys(id);
        await Promise.all([
          transaction.objectStore('conversations').delete(id),
          ...keys.map((key) => messages.delete(key)),
        ]);
      }),
    );
  }

  // Messages

  /** Writes the whole record, new or changed. */
  putMessage(message: Message): Promise<void> {
    return this.#write('save the message', (db) => db.put('messages', message));
  }

  getMessage(id: string): Promise<Message | undefined> {
    return this.#read('read the message', (db) => db.get('messages', id));
  }

  /** All messages of a conversation's tree, oldest first. Empty for an unknown conversation. */
  messagesOf(conversationId: string): Promise<Message[]> {
    return this.#read('read the messages', (db) =>
      db.getAllFromIndex('messages', 'conversationId', conversationId),
    );
  }

  // Signals

  /**
   * Adds a signal, withdraws those whose place it takes, and waits until that is on disk. Rejects with `storage` when its
   * id is already taken, or there is no signal that it should replace.
   */
  addSignal(signal: Signal, replaced: readonly string[] = []): Promise<void> {
    return this.#write('save the signal', (db) =>
      inTransaction(db, ['signals'], 'strict', async (transaction) => {
        const signals = transaction.objectStore('signals');
        for (const id of replaced) {
          const stored = (await signals.get(id)) ?? raise(missing('signal', id));
          await signals.put({ ...stored, withdrawnAt: signal.createdAt });
        }
        await signals.add(signal);
      }),
    );
  }

  /**
   * Merges fields into a stored signal (`withdrawnAt`, `reference`) and returns the result.
   * Rejects with `storage` when there is no such signal.
   */
  updateSignal(id: string, changes: Partial<Omit<Signal, 'id'>>): Promise<Signal> {
    return this.#read('update the signal', (db) =>
      inTransaction(db, ['signals'], 'strict', async (transaction) => {
        const signals = transaction.objectStore('signals');
        const stored = await signals.get(id);
        if (stored === undefined) throw missing('signal', id);
        const changed = { ...stored, ...changes };
        await signals.put(changed);
        return changed;
      }),
    );
  }

  /** All signals, withdrawn ones too, oldest first. */
  listSignals(): Promise<Signal[]> {
    return this.#read('read the signals', (db) => db.getAll('signals'));
  }

  // Adapters

  /** Version of the adapter in use; 0 is the base. */
  async activeVersion(): Promise<number> {
    return numberOf(await this.#read('read the active version', (db) => db.get('settings', 'active')));
  }

  /** The number that the next kept adapter gets: one above the highest ever given, so that roll-backs reuse none. */
  async nextVersion(): Promise<number> {
    return 1 + numberOf(await this.#read('read the last version', (db) => db.get('settings', 'lastVersion')));
  }

  /**
   * Promotes a trained adapter: its record, its receipt, the active pointer, and the end of the checkpoint, in one
   * transaction.
   *
   * Rejects with `internal` when the version has been used before; nothing is written then.
   */
  commitAdapter({ record, receipt }: AdapterCommit): Promise<void> {
    return this.#write('save the adapter', (db) =>
      inTransaction(db, ['adapters', 'receipts', 'settings', 'optimizer'], 'strict', async (transaction) => {
        const settings = transaction.objectStore('settings');
        const last = numberOf(await settings.get('lastVersion'));
        if (record.version <= last) {
          throw new ThumbprintError(
            'internal',
            `Adapter version ${record.version} was used before; ask nextVersion().`,
          );
        }
        await Promise.all([
          transaction.objectStore('adapters').add(record),
          transaction.objectStore('receipts').put(receipt),
          settings.put(record.version, 'active'),
          settings.put(record.version, 'lastVersion'),
          transaction.objectStore('optimizer').delete(CHECKPOINT_KEY),
        ]);
      }),
    );
  }

  /** Moves the active pointer; 0 is the base. Rejects with `internal` when there is no such adapter. */
  setActive(version: number): Promise<void> {
    return this.#write('switch the adapter', (db) =>
      inTransaction(db, ['adapters', 'settings'], 'strict', async (transaction) => {
        if (version !== 0 && (await transaction.objectStore('adapters').getKey(version)) === undefined) {
          throw missing('adapter', `v${version}`);
        }
        await transaction.objectStore('settings').put(version, 'active');
      }),
    );
  }

  /** The whole record with its bytes (PEFT safetensors), or undefined. */
  adapter(version: number): Promise<AdapterRecord | undefined> {
    return this.#read('read the adapter', (db) => db.get('adapters', version));
  }

  /** Names an adapter; an empty name takes the name away. Rejects with `internal` when there is no such adapter. */
  nameAdapter(version: number, name: string): Promise<void> {
    return this.#write('name the adapter', (db) =>
      inTransaction(db, ['adapters'], 'default', async (transaction) => {
        const store = transaction.objectStore('adapters');
        const { name: _, ...record } = (await store.get(version)) ?? raise(missing('adapter', `v${version}`));
        await store.put(name === '' ? record : { ...record, name });
      }),
    );
  }

  /** Its version number is never given out again. Rejects with `internal` for the adapter in use. */
  deleteAdapter(version: number): Promise<void> {
    return this.#write('delete the adapter', (db) =>
      inTransaction(db, ['adapters', 'settings'], 'strict', async (transaction) => {
        if (numberOf(await transaction.objectStore('settings').get('active')) === version) {
          throw new ThumbprintError('internal', `Adapter v${version} is in use.`);
        }
        await transaction.objectStore('adapters').delete(version);
      }),
    );
  }

  /** All kept adapters without their bytes, oldest first. The base, version 0, is not among them. */
  listAdapters(): Promise<AdapterSummary[]> {
    return this.#read('read the adapters', async (db) => {
      const summaries: AdapterSummary[] = [];
      // One record at a time: all adapters together may be larger than memory likes.
      for await (const cursor of db.transaction('adapters').store) {
        const { bytes, ...rest } = cursor.value;
        summaries.push({ ...rest, byteLength: bytes.byteLength });
      }
      return summaries;
    });
  }

  // Receipts

  /**
   * Records an update that ended without a new adapter (refused, cancelled, failed) and clears its checkpoint in the
   * same transaction, so that a reload does not train it again.
   */
  putReceipt(receipt: Receipt): Promise<void> {
    return this.#write('save the receipt', (db) =>
      inTransaction(db, ['receipts', 'optimizer'], 'strict', (transaction) =>
        Promise.all([
          transaction.objectStore('receipts').put(receipt),
          transaction.objectStore('optimizer').delete(CHECKPOINT_KEY),
        ]),
      ),
    );
  }

  /** All receipts, oldest first. */
  listReceipts(): Promise<Receipt[]> {
    return this.#read('read the receipts', (db) => db.getAll('receipts'));
  }

  // The update under way

  /** Replaces the checkpoint by a later one. The buffers are copied, not transferred. */
  saveCheckpoint(checkpoint: TrainingCheckpoint): Promise<void> {
    return this.#write('save the training state', (db) => db.put('optimizer', checkpoint, CHECKPOINT_KEY));
  }

  /** The checkpoint of an interrupted update, if there is one. */
  loadCheckpoint(): Promise<TrainingCheckpoint | undefined> {
    return this.#read('read the training state', (db) => db.get('optimizer', CHECKPOINT_KEY));
  }

  clearCheckpoint(): Promise<void> {
    return this.#write('clear the training state', (db) => db.delete('optimizer', CHECKPOINT_KEY));
  }

  // Settings

  /** Stored settings over the defaults; what is missing or out of range is repaired. */
  async loadSettings(): Promise<Settings> {
    return sanitizeSettings(await this.#read('read the settings', (db) => db.get('settings', 'settings')));
  }

  /** Saves the settings, repaired like on loading, and returns what was saved. */
  async saveSettings(settings: Settings): Promise<Settings> {
    const valid = sanitizeSettings(settings);
    await this.#write('save the settings', (db) => db.put('settings', valid, 'settings'));
    return valid;
  }

  /** What was measured of the device last; whoever asks checks it. */
  async loadDevice(): Promise<DeviceRecord | undefined> {
    return (await this.#read('read the device', (db) => db.get('settings', 'device'))) as
      DeviceRecord | undefined;
  }

  async saveDevice(device: DeviceRecord): Promise<void> {
    await this.#write('save the device', (db) => db.put('settings', device, 'device'));
  }

  // The whole

  /** Empties every store in one transaction. Version numbers begin at 1 again. */
  deleteEverything(): Promise<void> {
    return this.#write('delete the data', (db) =>
      inTransaction(db, [...ALL_STORES], 'strict', (transaction) =>
        Promise.all(ALL_STORES.map((store) => transaction.objectStore(store).clear())),
      ),
    );
  }

  /** Disk use of the whole origin, cached model files included. */
  async estimate(): Promise<StorageEstimate> {
    // Not offered on insecure origins and by some older browsers.
    const manager: StorageManager | undefined = globalThis.navigator.storage;
    const estimate = await manager?.estimate();
    return { usageBytes: estimate?.usage ?? null, quotaBytes: estimate?.quota ?? null };
  }

  #read<T>(what: string, work: (connection: Connection) => Promise<T>): Promise<T> {
    return guarded(what, async () => work(await this.connect()));
  }

  #write(what: string, work: (connection: Connection) => Promise<unknown>): Promise<void> {
    return guarded(what, async () => {
      await work(await this.connect());
    });
  }
}

function numberOf(entry: unknown): number {
  return typeof entry === 'number' ? entry : 0;
}

function missing(kind: string, name: string): ThumbprintError {
  return new ThumbprintError('internal', `There is no stored ${kind} ${name}.`);
}

function raise(error: Error): never {
  throw error;
}
