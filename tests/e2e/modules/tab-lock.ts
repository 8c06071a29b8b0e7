/** What tests/e2e/second-tab.spec.ts reaches in the browser. */
export { holdTabLock } from '../../../src/engine/tab-lock';
