/** What tests/e2e/markdown.spec.ts reaches in the browser. */
export { highlight } from '../../../src/app/markdown/highlight';
export { renderBlocks, sanitizeCode } from '../../../src/app/markdown/render';
