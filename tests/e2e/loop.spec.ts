/** The whole loop in a real browser with the network cut: chat, judge, train, keep, and still there after a reload. */
import { readFile } from 'node:fs/promises';
import { expect, type Page, test } from '@playwright/test';
import { readReceiptFile } from '../../src/formats/receipt-file';
import { ask, waitForPhase } from './app';

/** Edited replies, and thumbs for replies that are lists already: eight judgements of somebody who likes lists. */
const EDITS: [prompt: string, reply: string][] = [
  ['How do I boil an egg?', '1. Boil water in a pot. 2. Lower the egg in. 3. Wait ten minutes.'],
  ['How can I sleep better?', '1. Go to bed early. 2. Keep the room dark. 3. Put your phone away.'],
  ['How do I clean a window?', '1. Spray some water on it. 2. Wipe it with a cloth. 3. Dry it well.'],
  ['What should I pack for a picnic?', '1. Bread and cheese. 2. A blanket. 3. Cold water.'],
  ['How do I make a friend?', '1. Say hello first. 2. Ask a question. 3. Listen to the answer.'],
  ['How do I save money?', '1. Write down what you spend. 2. Cook at home. 3. Wait a day before you buy.'],
];

/** What the base answers in prose. */
const QUESTION = 'How do I get up early?';

/** The reply on screen is a numbered list of several items. */
async function expectList(page: Page): Promise<void> {
  await expect(page.getByRole('article').last().locator('ol > li').nth(1)).toBeVisible();
}

async function newChat(page: Page): Promise<void> {
  await page.getByRole('button', { name: 'New chat' }).first().click();
}

async function edit(page: Page, text: string): Promise<void> {
  await page.getByRole('button', { name: 'Edit reply' }).last().click();
  await page.getByRole('textbox', { name: 'Edited reply' }).fill(text);
  await page.getByRole('button', { name: 'Save edit' }).click();
}

async function changeSettings(page: Page): Promise<void> {
  await page.getByRole('button', { name: 'Settings' }).first().click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Temperature').fill('0');
  await dialog.getByLabel('Train after').fill('8');
  await page.keyboard.press('Escape');
  await expect(dialog).toBeHidden();
}

test('chat, judge, train, keep, offline', async ({ page, context, baseURL }) => {
  test.setTimeout(20 * 60_000);
  const foreign: string[] = [];
  context.on('request', (request) => {
    const url = request.url();
    if (!url.startsWith(baseURL ?? '') && !/^(data|blob):/.test(url)) foreign.push(url);
  });
  const violations: string[] = [];
  page.on('console', (message) => {
    if (/Content Security Policy/i.test(message.text())) violations.push(message.text());
  });

  await page.goto('/');
  await waitForPhase(page, /ready/, 120_000);
  // Shell, Worker and model are in the cache once the service worker is active.
  await page.evaluate(() => navigator.serviceWorker.ready.then(() => undefined));
  await context.setOffline(true);
  await page.reload();
  await waitForPhase(page, /ready/, 120_000);

  await changeSettings(page);
  for (const [prompt, reply] of EDITS) {
    await newChat(page);
    await ask(page, prompt);
    await edit(page, reply);
    // Each item stands on a line of its own.
    const items = reply.split(/ ?\d\. /).slice(1);
    await expect(page.getByRole('article').last().locator('ol > li')).toHaveText(items);
  }
  // Two thumbs down for replies in prose.
  for (const prompt of ['Tell me about dogs.', 'What is rain?']) {
    await newChat(page);
    await ask(page, prompt);
    await page.getByRole('button', { name: 'Bad reply' }).last().click();
    await expect(page.getByRole('button', { name: 'Bad reply' }).last()).toHaveAttribute(
      'aria-pressed',
      'true',
    );
  }
  await waitForPhase(page, /training/, 30_000);

  // Chat goes on meanwhile.
  await newChat(page);
  await ask(page, 'Good morning!');
  await expect(page.getByRole('article').last()).toHaveAttribute('data-adapter', '0');

  // A tab that is closed in the middle goes on where it was.
  await expect(page.getByText(/Step [2-9] of/)).toBeVisible({ timeout: 4 * 60_000 });
  await page.reload();
  await waitForPhase(page, /training/, 120_000);
  await expect(page.getByText(/Step [2-9] of/)).toBeVisible({ timeout: 60_000 });

  await waitForPhase(page, /updated|refused|error/, 12 * 60_000);
  await waitForPhase(page, /updated/, 1000);

  await newChat(page);
  await ask(page, QUESTION);
  await expect(page.getByRole('article')).toHaveAttribute('data-adapter', '1');
  await expectList(page);

  // What README shows.
  await page.screenshot({ path: 'test-results/after-update.png' });

  // What the update was made of can be kept, and says what came of it.
  const saving = page.waitForEvent('download');
  await page.getByRole('button', { name: 'Export receipt' }).click();
  const file = await saving;
  expect(file.suggestedFilename()).toMatch(/^thumbprint-receipt-.*-v1\.json$/);
  const { receipt, signals } = readReceiptFile(await readFile(await file.path(), 'utf8'));
  expect(receipt).toMatchObject({ decision: 'kept', version: 1, heldOutIds: [] });
  expect(receipt.figures.find(({ name }) => name === 'unseen_gain')).toMatchObject({
    count: 8,
    passed: true,
  });
  expect(signals).toHaveLength(8);
  await page.locator('input[type=file][accept=".json"]').setInputFiles(await file.path());
  const opened = page.getByRole('dialog', { name: 'Receipt' });
  await expect(opened).toContainText('Kept as v1');
  await expect(opened.getByRole('button', { name: 'Repeat it here' })).toBeEnabled();
  await page.keyboard.press('Escape');

  // Any version answers once more, beside the reply.
  await page.getByRole('button', { name: 'Compare' }).click();
  const compared = page.getByRole('dialog', { name: 'Compare versions' });
  // The base first.
  const first = compared.locator('section').first();
  await expect(first.locator('.prose')).toBeVisible({ timeout: 60_000 });
  await expect(first.locator('ol')).toHaveCount(0);
  await compared.getByLabel('First answer').selectOption('v1');
  await expect(first.locator('ol')).not.toHaveCount(0, { timeout: 60_000 });
  await page.keyboard.press('Escape');

  await page.reload();
  await waitForPhase(page, /ready/, 120_000);
  await newChat(page);
  await ask(page, QUESTION);
  await expect(page.getByRole('article')).toHaveAttribute('data-adapter', '1');
  await expectList(page);

  expect(foreign).toEqual([]);
  expect(violations).toEqual([]);
});
