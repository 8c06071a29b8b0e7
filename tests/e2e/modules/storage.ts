/** What tests/e2e/storage*.spec.ts reach in the browser. */
export { openStorage } from '../../../src/storage/database';
export { openConnection } from '../../../src/storage/connection';
export { ALL_STORES, DATABASE_VERSION } from '../../../src/storage/schema';
