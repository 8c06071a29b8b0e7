/** Layout of the one IndexedDB database, and the steps that lead from any older layout to it. */
import type { DBSchema, IDBPDatabase, IDBPTransaction, StoreNames } from 'idb';
import type {
  AdapterRecord,
  Conversation,
  DeviceRecord,
  Message,
  Receipt,
  Settings,
  Signal,
  TrainingCheckpoint,
} from '../shared/records';

export const DATABASE_NAME = 'thumbprint';

/** Key of the only record in `optimizer`: at most one update is under way. */
export const CHECKPOINT_KEY = 'checkpoint';

/**
 * What the `settings` store holds, by key. The version numbers live here, beside the user's settings, so that a
 * transaction over one small store moves them together with an adapter.
 */
export interface SettingsEntries {
  /** The user's settings as last saved; older releases may have saved fewer fields. */
  settings: Partial<Settings>;
  /** Version of the adapter in use; absent or 0 is the base. */
  active: number;
  /** Highest version ever given out: it outlives roll-backs and deletions, so that no number names two adapters. */
  lastVersion: number;
  device: DeviceRecord;
}

export interface ThumbprintSchema extends DBSchema {
  conversations: { key: string; value: Conversation };
  messages: { key: string; value: Message; indexes: { conversationId: string } };
  signals: { key: string; value: Signal };
  adapters: { key: number; value: AdapterRecord };
  optimizer: { key: string; value: TrainingCheckpoint };
  settings: { key: keyof SettingsEntries; value: SettingsEntries[keyof SettingsEntries] };
  receipts: { key: string; value: Receipt };
}

export type Connection = IDBPDatabase<ThumbprintSchema>;
export type StoreName = StoreNames<ThumbprintSchema>;
export type UpgradeTransaction = IDBPTransaction<ThumbprintSchema, StoreName[], 'versionchange'>;

/** One step: from the layout before it to the next. May read and rewrite records through `transaction`. */
export type Migration = (database: Connection, transaction: UpgradeTransaction) => void | Promise<void>;

/**
 * Step `i` leads from version `i` to version `i + 1`. Steps are only ever appended: a published step has already run
 * in people's browsers and must not change.
 */
export const MIGRATIONS: readonly Migration[] = [createStores];

export const DATABASE_VERSION = MIGRATIONS.length;

export const ALL_STORES: readonly StoreName[] = [
  'conversations',
  'messages',
  'signals',
  'adapters',
  'optimizer',
  'settings',
  'receipts',
];

/**
 * Runs the steps from `oldVersion` up to `newVersion` in order, inside the upgrade transaction.
 *
 * Awaits nothing but requests of that transaction: waiting for anything else would let IndexedDB commit it early.
 */
export async function migrate(
  database: Connection,
  transaction: UpgradeTransaction,
  oldVersion: number,
  newVersion: number,
): Promise<void> {
  for (const step of MIGRATIONS.slice(oldVersion, newVersion)) await step(database, transaction);
}

function createStores(database: Connection): void {
  database.createObjectStore('conversations', { keyPath: 'id' });
  database.createObjectStore('messages', { keyPath: 'id' }).createIndex('conversationId', 'conversationId');
  database.createObjectStore('signals', { keyPath: 'id' });
  database.createObjectStore('adapters', { keyPath: 'version' });
  database.createObjectStore('optimizer');
  database.createObjectStore('settings');
  database.createObjectStore('receipts', { keyPath: 'id' });
}
