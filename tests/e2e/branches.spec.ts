/** Replies that are stopped, written anew, edited, and judgements taken back: by pointer, on one page. */
import { expect, type Page, test } from '@playwright/test';
import { field, lastReply, makeItRamble, openApp, waitForPhase, writing } from './app';

test.describe.configure({ mode: 'serial' });

let page: Page;

test.beforeAll(async ({ browser }) => {
  page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
  await openApp(page);
});
test.afterAll(() => page.close());

const button = (name: string): ReturnType<Page['getByRole']> =>
  page.getByRole('article').first().getByRole('button', { name });
const text = (): Promise<string> => page.getByRole('article').first().locator('.prose').innerText();

async function expectBranch(which: string): Promise<void> {
  const walker = page.getByRole('article').first().getByRole('group', { name: 'Versions of this message' });
  await expect(walker).toHaveText(which);
}

test('Stop ends a reply and keeps what there is of it', async () => {
  await makeItRamble(page);
  await field(page).fill('Tell me a story.');
  await page.getByRole('button', { name: 'Send' }).click();
  await writing(page);
  await page.getByRole('button', { name: 'Stop' }).click();
  await expect(lastReply(page)).toHaveAttribute('data-state', 'stopped');
  await expect(lastReply(page)).toContainText('Stopped');
  expect(await text()).not.toBe('');
});

test('Regenerate begins a branch, and ‹ › walks with all that follows', async () => {
  const first = await text();
  await button('Regenerate').click();
  await writing(page);
  await page.getByRole('button', { name: 'Stop' }).click();
  await expectBranch('2/2');
  expect(await text()).not.toBe(first);

  await button('Previous version').click();
  await expectBranch('1/2');
  expect(await text()).toBe(first);
  await field(page).fill('And then?');
  await page.getByRole('button', { name: 'Send' }).click();
  await writing(page);
  await page.getByRole('button', { name: 'Stop' }).click();
  await expect(page.getByRole('article')).toHaveCount(2);
  await button('Next version').click();
  await expect(page.getByRole('article')).toHaveCount(1);
  await button('Previous version').click();
  await expect(page.getByRole('article')).toHaveCount(2);

  await button('Next version').click();
  await page.reload();
  await expectBranch('2/2');
  await waitForPhase(page, /ready/);
});

test('an edit becomes a branch, and undoing it goes back to the reply', async () => {
  const written = await text();
  await button('Edit reply').click();
  await page.getByRole('textbox', { name: 'Edited reply' }).fill('A fox slept.');
  await page.getByRole('button', { name: 'Save edit' }).click();
  await expectBranch('3/3');
  expect(await text()).toBe('A fox slept.');
  await expect(page.getByText('Edited · waiting')).toBeVisible();

  await button('Undo edit').click();
  await expectBranch('2/3');
  expect(await text()).toBe(written);
  await expect(page.getByText('Edited · withdrawn')).toBeVisible();
});

test('a thumb is withdrawn from the list of signals', async () => {
  await button('Bad reply').click();
  await expect(button('Bad reply')).toHaveAttribute('aria-pressed', 'true');
  await expect(page.getByText('Disliked · waiting')).toBeVisible();
  await page.getByRole('button', { name: /^Withdraw: Disliked/ }).click();
  await expect(page.getByText('Disliked · withdrawn')).toBeVisible();
  await expect(button('Bad reply')).toHaveAttribute('aria-pressed', 'false');
});

test('a double click on a thumb counts as one', async () => {
  const bad = page.getByText(/^Disliked · /);
  const before = await bad.count();
  await button('Bad reply').dblclick();
  // What a press means depends on what stands by then: this one takes back what the double click has said.
  await button('Bad reply').press('Enter');
  await expect(button('Bad reply')).toHaveAttribute('aria-pressed', 'false');
  await expect(bad).toHaveCount(before + 1);
});
