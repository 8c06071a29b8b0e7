import { fileURLToPath } from 'node:url';
import { defineConfig } from '@playwright/test';
import base from '../../../playwright.config';

const PROJECT = fileURLToPath(new URL('../../..', import.meta.url));

/** `npm run bench:web`: measurements of the built app in Chromium; nothing here passes or fails. */
export default defineConfig({
  ...base,
  testDir: '.',
  testMatch: '*.bench.ts',
  reporter: 'line',
  webServer: [base.webServer ?? []].flat().map((server) => ({ ...server, cwd: PROJECT })),
});
