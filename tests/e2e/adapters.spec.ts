/** The page of adapters: the tree of versions, and all that can be done with one, on one page. */
import { readFile } from 'node:fs/promises';
import AxeBuilder from '@axe-core/playwright';
import { type Download, expect, type Locator, type Page, test } from '@playwright/test';
import { openApp, waitForPhase } from './app';
import { plantVersions } from './versions';

test.describe.configure({ mode: 'serial' });

let page: Page;

test.beforeAll(async ({ browser }) => {
  // axe wants a context of its own making.
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
  page = await context.newPage();
  await openApp(page);
  await plantVersions(page);
  await page.reload();
  await waitForPhase(page, /ready/);
});
test.afterAll(() => page.context().close());

const item = (version: number): Locator => page.locator(`[data-version="${version}"]`);
const dot = async (version: number): Promise<number> =>
  Number(await item(version).locator('circle').getAttribute('cx'));

test('all versions are reached from the panel, and from the side bar', async () => {
  await expect(page.getByText('v3 · lists')).toBeVisible();
  await page.getByRole('link', { name: 'All versions (6)' }).click();
  await expect(page.getByRole('heading', { name: 'Adapters' })).toBeFocused();
  await page.goBack();
  await expect(page.getByRole('textbox', { name: 'Message' })).toBeFocused();
  await page.getByRole('link', { name: 'Adapters' }).click();
  await expect(page).toHaveURL(/#adapters$/);
  await expect(page).toHaveTitle(/^Adapters/);
  await page.reload();
  await expect(page.getByRole('heading', { name: 'Adapters' })).toBeFocused();
  await waitForPhase(page, /ready/);
});

test('versions are a tree: what was learned after a roll-back stands beside what was left', async () => {
  const names = page.getByRole('list', { name: 'Versions' }).getByRole('heading');
  await expect(names).toHaveText(['v5', 'v4', 'v3 · lists', 'v2', 'v1', 'Base']);
  const main = await dot(0);
  for (const version of [1, 2, 3]) expect(await dot(version)).toBe(main);
  for (const version of [4, 5]) expect(await dot(version)).toBeGreaterThan(main);
  // A branch ends where it began.
  const joints = (version: number): Promise<number> => item(version).locator('[data-joint]').count();
  expect(await Promise.all([4, 3, 2, 1, 0].map(joints))).toEqual([0, 0, 0, 1, 1]);
  await expect(item(4)).toContainText('from v1');
  await expect(item(5)).toContainText('from the base');
  await page.setViewportSize({ width: 1280, height: 1600 });
  await page.screenshot({ path: 'test-results/adapters-tree.png' });
  await page.setViewportSize({ width: 1280, height: 800 });
});

test('each version says what it has learned, kept and forgot', async () => {
  await expect(item(3)).toHaveAttribute('aria-current', 'true');
  for (const text of [
    'in use',
    'Has learned 6 judgements.',
    'Agrees with 10 of 12 held-out judgements.',
    'Forgetting: 0.031 bits a token.',
    'Kept at 50 % of its strength.',
    'Has learned 1 judgement that you withdrew.',
  ])
    await expect(item(3)).toContainText(text);
  await expect(item(1)).toContainText('Agrees with 3 of the 3 judgements it was trained on.');
  await expect(item(4)).toContainText('Forgetting: −0.005 bits a token.');
  for (const version of [1, 4]) await expect(item(version)).not.toContainText('withdrew');
  await expect(item(5)).toContainText('Imported');
  await expect(page.getByText('in use', { exact: true })).toHaveCount(1);
});

test('any two versions answer a question, one of the user’s own or one that was judged', async () => {
  await item(4).getByRole('button', { name: 'Compare v4' }).click();
  const dialog = page.getByRole('dialog', { name: 'Compare versions' });
  await expect(dialog.getByLabel('First answer')).toHaveValue('4');
  await expect(dialog.getByLabel('Second answer')).toHaveValue('3');
  await expect(dialog.locator('.prose')).toHaveCount(0);
  await dialog.getByLabel('Second answer').selectOption('Base');
  await expect(dialog.getByRole('button', { name: 'Ask both' })).toBeDisabled();
  await dialog.getByLabel('Your question').fill('Good morning!');
  await page.keyboard.press('Enter');
  await expect(dialog.locator('.prose')).toHaveCount(2, { timeout: 120_000 });
  // These versions change nothing, and all answer with the same seed.
  const [first, second] = await dialog.locator('.prose').allInnerTexts();
  expect(first).toMatch(/\w/);
  expect(second).toBe(first);

  await dialog.getByLabel('Question', { exact: true }).selectOption('What is rain?');
  await expect(dialog).toContainText('Liked: “Water from clouds.”');
  await dialog.getByRole('button', { name: 'Ask both' }).click();
  await expect(dialog.getByText('Writing its answer')).toHaveCount(2);
  await expect(dialog.locator('.prose')).toHaveCount(2, { timeout: 120_000 });
  expect((await dialog.locator('.prose').allInnerTexts())[0]).not.toBe(first);
  expect((await new AxeBuilder({ page }).analyze()).violations).toEqual([]);
  await page.screenshot({ path: 'test-results/adapters-compare.png' });
  await page.keyboard.press('Escape');
  await expect(dialog).toBeHidden();
});

test('a receipt is opened from its version', async () => {
  await item(2).getByRole('button', { name: 'Receipt of v2' }).click();
  const dialog = page.getByRole('dialog', { name: 'Receipt' });
  await expect(dialog).toContainText('Kept as v2');
  await expect(dialog.getByRole('table', { name: 'Loss and margin at each step' })).toHaveCount(1);
  await page.keyboard.press('Escape');
});

test('what a version has learned is listed, and is unlearned from the one in use', async () => {
  await item(3).getByText('What it has learned (6)').click();
  await expect(item(3).getByRole('button', { name: /^Unlearn: Liked/ })).toHaveCount(6);
  await expect(item(3).getByText('Liked · withdrawn')).toBeVisible();
  await item(3).getByRole('button', { name: 'Unlearn: Liked “Dogs are' }).click();
  const dialog = page.getByRole('dialog', { name: 'Unlearn this?' });
  // The version before the one that learned it.
  await expect(dialog).toContainText('Goes back to v1');
  await page.keyboard.press('Escape');
  // From another version than the one in use as well.
  await item(4).getByText('What it has learned (4)').click();
  await item(4).getByRole('button', { name: 'Unlearn: Liked “1. Bread' }).click();
  await expect(dialog).toContainText('Goes back to v1');
  await page.keyboard.press('Escape');
});

for (const colorScheme of ['light', 'dark'] as const) {
  for (const [width, height] of [
    [390, 844],
    [1280, 800],
  ] as const) {
    test(`axe finds nothing: ${colorScheme}, ${width} px`, async () => {
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
      await page.setViewportSize({ width, height });
      expect((await new AxeBuilder({ page }).analyze()).violations).toEqual([]);
      await page.screenshot({ path: `test-results/adapters-${colorScheme}-${width}.png` });
      const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      expect(overflow).toBeLessThanOrEqual(0);
    });
  }
}

test('by keyboard: a name is given, a version used, another deleted', async () => {
  await item(2).getByRole('button', { name: 'Name v2' }).focus();
  await page.keyboard.press('Enter');
  await page.keyboard.type('terse');
  await page.keyboard.press('Enter');
  await expect(item(2).getByRole('heading')).toHaveText('v2 · terse');
  await expect(item(2).getByRole('button', { name: 'Name v2' })).toBeFocused();

  for (const name of ['Export v2 as PEFT', 'Delete v2', 'Roll back to v2']) {
    await page.keyboard.press('Tab');
    await expect(item(2).getByRole('button', { name })).toBeFocused();
  }
  await page.keyboard.press('Enter');
  await expect(item(2)).toHaveAttribute('aria-current', 'true');
  // What came after it is still there, further up the same line.
  await expect(item(3).getByRole('button', { name: 'Use v3' })).toBeEnabled();
  expect(await dot(3)).toBe(await dot(2));

  await item(5).getByRole('button', { name: 'Delete v5' }).focus();
  await page.keyboard.press('Enter');
  const dialog = page.getByRole('dialog', { name: 'Delete v5?' });
  await dialog.getByRole('button', { name: 'Delete' }).focus();
  await page.keyboard.press('Enter');
  await expect(item(5)).toHaveCount(0);
  await expect(item(2).getByRole('button', { name: 'Delete v2' })).toBeDisabled();
});

test('a version leaves as PEFT files, and comes back as a new one', async () => {
  const downloads: Download[] = [];
  page.on('download', (download) => downloads.push(download));
  await item(4).getByRole('button', { name: 'Export v4 as PEFT' }).click();
  await expect
    .poll(() => downloads.map((download) => download.suggestedFilename()).toSorted())
    .toEqual(['adapter_config.json', 'adapter_model.safetensors']);
  const weights = downloads.find((download) => download.suggestedFilename().endsWith('.safetensors'));
  const buffer = await readFile((await weights?.path()) ?? '');
  const mimeType = 'application/octet-stream';
  const files = page.locator('input[accept*=safetensors]');
  await files.setInputFiles({ name: 'mine.safetensors', buffer, mimeType });
  await expect(item(6)).toHaveAttribute('aria-current', 'true');
  await expect(item(6)).toContainText('Imported');
  await files.setInputFiles({ name: 'broken.safetensors', buffer: buffer.subarray(0, 1000), mimeType });
  await expect(page.getByRole('alert').getByText('its header is cut off')).toBeVisible();
  await item(2).getByRole('button', { name: 'Use v2' }).click();
  await expect(item(2)).toHaveAttribute('aria-current', 'true');
});

test('refused candidates are in the history beside those that were kept', async () => {
  await page.goto('/#learning');
  const table = page.getByRole('table', { name: /^Accuracy and forgetting/ });
  await expect(table.getByRole('rowheader')).toHaveText(['v1', 'v2', 'v3', 'refused, from v3', 'v4']);
  await expect(table.getByRole('row', { name: /refused/ })).toContainText('58 %');
  await expect(page.getByText('4 updates kept, 1 refused')).toBeVisible();
  await expect(page.locator('path.hollow').first()).toHaveAttribute('d', /^M[\d. ]+h0$/);
  await page.screenshot({ path: 'test-results/adapters-history.png' });
});

test('the version that was chosen stays in use', async () => {
  await page.goto('/#adapters');
  await page.reload();
  await waitForPhase(page, /ready/);
  await expect(item(2)).toHaveAttribute('aria-current', 'true');
  await expect(page.getByRole('list', { name: 'Versions' }).getByRole('listitem')).toHaveCount(6);
});
