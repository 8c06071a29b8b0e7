/** The page by keyboard alone, and its dialogs, with the real engine. What axe says of the chat is in accessibility.spec.ts. */
import AxeBuilder from '@axe-core/playwright';
import { expect, test, type Page } from '@playwright/test';

async function ready(page: Page): Promise<void> {
  await expect(page.getByRole('status')).toHaveAttribute('data-phase', 'ready', { timeout: 120_000 });
}

/** Name of the element that has the focus. */
async function focusedName(page: Page): Promise<string | undefined> {
  return page.evaluate(() => {
    const element = document.activeElement;
    return element?.getAttribute('aria-label') ?? element?.textContent?.trim();
  });
}

/** Presses Tab until the named button has the focus, as somebody without a pointer would. */
async function tabTo(page: Page, name: string): Promise<void> {
  for (let presses = 0; presses < 60; presses++) {
    if ((await focusedName(page)) === name) return;
    await page.keyboard.press('Tab');
  }
  throw new Error(`Tab never reaches ${name}`);
}

async function expectNoViolations(page: Page): Promise<void> {
  expect((await new AxeBuilder({ page }).analyze()).violations).toEqual([]);
}

test('chat, judge, edit, branch and rename without a pointer', async ({ page }) => {
  await page.goto('/');
  await ready(page);
  const message = page.getByRole('textbox', { name: 'Message' });
  // The window itself may be inactive, so the document is asked for its element.
  await expect.poll(() => focusedName(page)).toBe('Message');
  await page.keyboard.type('Good');
  await page.keyboard.press('Shift+Enter');
  await page.keyboard.type('morning!');
  await expect(message).toHaveValue('Good\nmorning!');
  await page.keyboard.press('Enter');
  const reply = page.getByRole('article', { name: 'Assistant reply 1' });
  await expect(reply).toHaveAttribute('data-state', 'done', { timeout: 60_000 });
  await expect(reply).toHaveAttribute('data-adapter', '0');

  await page.getByRole('region', { name: 'Conversation' }).focus();
  await tabTo(page, 'Good reply');
  await page.keyboard.press('Enter');
  const good = reply.getByRole('button', { name: 'Good reply' });
  await expect(good).toHaveAttribute('aria-pressed', 'true');
  await expect(page.getByRole('status')).toContainText('3 more', { timeout: 30_000 });
  await page.keyboard.press('Enter');
  await expect(good).toHaveAttribute('aria-pressed', 'false');

  await tabTo(page, 'Edit reply');
  await page.keyboard.press('Enter');
  const editor = page.getByRole('textbox', { name: 'Edited reply' });
  await expect.poll(() => focusedName(page)).toBe('Edited reply');
  await page.keyboard.press('Escape');
  await expect(editor).toBeHidden();
  await tabTo(page, 'Edit reply');
  await page.keyboard.press('Enter');
  await editor.fill('Good morning to you!');
  await tabTo(page, 'Save edit');
  await page.keyboard.press('Enter');
  await expect(reply).toContainText('Good morning to you!');
  await expect(reply).toContainText('Edited by you');

  await reply.getByRole('button', { name: 'Regenerate' }).focus();
  await page.keyboard.press('Enter');
  await expect(reply).toContainText('2/2');
  await expect(reply).toHaveAttribute('data-state', 'done', { timeout: 60_000 });
  await tabTo(page, 'Previous version');
  await page.keyboard.press('Enter');
  await expect(reply).toContainText('1/2');
  await expect(reply).toContainText('Good morning to you!');

  await page.reload();
  await ready(page);
  await expect(page.getByRole('article')).toContainText('1/2');
});

test('Esc stops a reply, and what there is of it stays', async ({ page }) => {
  await page.goto('/');
  await ready(page);
  await page.getByRole('textbox', { name: 'Message' }).fill('Tell me a long story about a lighthouse.');
  await page.keyboard.press('Enter');
  await expect(page.getByRole('button', { name: 'Stop' })).toBeVisible();
  await page.keyboard.press('Escape');
  await expect(page.getByRole('article')).toHaveAttribute('data-state', /stopped|done/, { timeout: 30_000 });
  await expect(page.getByRole('button', { name: 'Send' })).toBeVisible();
});

for (const colorScheme of ['light', 'dark'] as const) {
  test(`dialogs and drawers are accessible: ${colorScheme}`, async ({ page }) => {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    await page.setViewportSize({ width: 390, height: 844 });
    await page.goto('/');
    await ready(page);
    const learning = page.getByRole('button', { name: 'Learning' });
    await learning.click();
    await expect(page.getByRole('dialog', { name: 'Learning' })).toBeVisible();
    await expectNoViolations(page);
    await page.keyboard.press('Escape');
    await expect(learning).toBeFocused();
    await page.getByRole('button', { name: 'Chats' }).click();
    await expectNoViolations(page);
    await page.getByRole('button', { name: 'Settings' }).click();
    await expect(page.getByRole('dialog', { name: 'Settings' })).toBeVisible();
    await expectNoViolations(page);
  });
}

test('deletes everything and shows that nothing is left', async ({ page }) => {
  await page.goto('/');
  await ready(page);
  await page.getByRole('textbox', { name: 'Message' }).fill('Good morning!');
  await page.keyboard.press('Enter');
  await expect(page.getByRole('article')).toHaveAttribute('data-state', 'done', { timeout: 60_000 });
  await page.getByRole('button', { name: 'Settings' }).click();
  await page.getByRole('button', { name: 'Delete everything' }).click();
  await page.getByRole('button', { name: 'Yes, delete everything' }).click();
  await expect(page.getByText('nothing is left in storage')).toBeVisible();
  await page.keyboard.press('Escape');
  await expect(page.getByRole('article')).toHaveCount(0);
  await page.reload();
  await ready(page);
  await expect(page.getByText('No chats yet.')).toBeVisible();
});
