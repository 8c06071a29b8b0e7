import { defineConfig } from '@playwright/test';
import base from '../../../playwright.config';

/** `npm run bench:web`: measurements of the built app in Chromium; nothing here passes or fails. */
export default defineConfig({ ...base, testDir: '.', testMatch: '*.bench.ts', reporter: 'line' });
