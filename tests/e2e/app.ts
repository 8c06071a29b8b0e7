/** What several specs do with the app. */
import { expect, type Locator, type Page } from '@playwright/test';

export async function waitForPhase(page: Page, phase: RegExp, timeout = 120_000): Promise<void> {
  await expect(page.getByRole('status').and(page.locator('[data-phase]'))).toHaveAttribute(
    'data-phase',
    phase,
    { timeout },
  );
}

/** Opens the page and waits for the model. */
export async function openApp(page: Page): Promise<void> {
  await page.goto('/');
  await waitForPhase(page, /ready/);
}

export function field(page: Page): Locator {
  return page.getByRole('textbox', { name: 'Message' });
}

export function lastReply(page: Page): Locator {
  return page.getByRole('article').last();
}

/** Asks and waits for the whole reply. */
export async function ask(page: Page, text: string): Promise<void> {
  await field(page).fill(text);
  await page.getByRole('button', { name: 'Send' }).click();
  await expect(lastReply(page)).toHaveAttribute('data-state', /done|stopped/, { timeout: 60_000 });
}

/** Waits until a reply is in the middle of being written. */
export async function writing(page: Page): Promise<void> {
  await expect(lastReply(page).and(page.locator('[data-state=streaming]'))).toContainText(/\w/);
}

/** Any word may come next, but hardly the end, which has been there in the question: replies to be interrupted. */
export async function makeItRamble(page: Page): Promise<void> {
  await page.getByRole('button', { name: 'Settings' }).first().click();
  const dialog = page.getByRole('dialog');
  const wild = {
    Temperature: '2',
    'Top-k': '0',
    'Top-p': '1',
    'Min-p': '0',
    'Repetition penalty': '1.5',
    'Longest reply': '900',
  };
  for (const [name, value] of Object.entries(wild)) await dialog.getByLabel(name).fill(value);
  await page.keyboard.press('Escape');
  await expect(dialog).toBeHidden();
}
