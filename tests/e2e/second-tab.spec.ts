/** One engine at a time: who has it, and how it changes hands. */
import AxeBuilder from '@axe-core/playwright';
import { type BrowserContext, expect, type Page, test } from '@playwright/test';
import { ask, field, lastReply, makeItRamble, openApp, waitForPhase, writing } from './app';
import { openModule } from './fixtures';

type LockModule = typeof import('./modules/tab-lock');

/** A tab that takes the lock, and what has happened to it since, in order. */
interface LockTab {
  events: string[];
  take(takeOver: boolean, patienceMs?: number): Promise<string>;
  finish(): void;
}

async function lockTab(context: BrowserContext): Promise<Page> {
  const page = await context.newPage();
  await openModule(page, './modules/tab-lock.ts');
  await page.evaluate(() => {
    const { underTest } = globalThis as unknown as { underTest: LockModule };
    const events: string[] = [];
    const tab: LockTab = {
      events,
      finish: () => undefined,
      take: (takeOver, patienceMs = 60_000) =>
        underTest
          .holdTabLock({
            takeOver,
            patienceMs,
            onStolen: () => events.push('stolen'),
            giveWay: () => {
              events.push('asked');
              return new Promise((resolve) => (tab.finish = resolve));
            },
          })
          .then(
            () => (events.push('held'), 'held'),
            (error: { code: string }) => error.code,
          ),
    };
    Object.assign(globalThis, { tab });
  });
  return page;
}

const take = (page: Page, takeOver: boolean, patienceMs?: number): Promise<string> =>
  page.evaluate(([over, patience]) => (globalThis as unknown as { tab: LockTab }).tab.take(over, patience), [
    takeOver,
    patienceMs,
  ] as const);

const events = (page: Page): Promise<string[]> =>
  page.evaluate(() => (globalThis as unknown as { tab: LockTab }).tab.events);

test('the lock is refused, then given once its holder has finished', async ({ context }) => {
  const [first, second] = [await lockTab(context), await lockTab(context)];
  expect(await take(first, false)).toBe('held');
  expect(await take(second, false)).toBe('locked');
  expect(await events(first)).toEqual(['held']);

  const taking = take(second, true);
  await expect.poll(() => events(first)).toEqual(['held', 'asked']);
  expect(await events(second)).toEqual([]);
  await first.evaluate(() => (globalThis as unknown as { tab: LockTab }).tab.finish());
  expect(await taking).toBe('held');
  expect(await events(first)).toEqual(['held', 'asked']);
});

test('a holder that does not answer loses the lock, and is told', async ({ context }) => {
  const [first, second] = [await lockTab(context), await lockTab(context)];
  expect(await take(first, false)).toBe('held');
  expect(await take(second, true, 200)).toBe('held');
  await expect.poll(() => events(first)).toEqual(['held', 'asked', 'stolen']);
});

async function expectNotice(page: Page): Promise<void> {
  await expect(page.getByText('Thumbprint is open in another tab.')).toBeVisible({ timeout: 30_000 });
  await expect(field(page)).toBeDisabled();
  for (const button of await page.getByRole('button', { name: /Good reply|Regenerate|^Rename/ }).all())
    await expect(button).toBeDisabled();
}

async function useHere(page: Page): Promise<void> {
  await page.bringToFront();
  await page.getByRole('button', { name: 'Use it here instead' }).focus();
  await page.keyboard.press('Enter');
}

test('the engine goes to the tab that asks for it, with all that was under way', async ({ context }) => {
  test.setTimeout(5 * 60_000);
  const first = await context.newPage();
  await openApp(first);
  await ask(first, 'Good morning!');
  await makeItRamble(first);

  const second = await context.newPage();
  await second.goto('/');
  await expectNotice(second);
  await expect(second.getByRole('article')).toHaveCount(1);
  for (const [colorScheme, width, height] of [
    ['light', 390, 844],
    ['dark', 1280, 800],
  ] as const) {
    await second.setViewportSize({ width, height });
    await second.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    expect((await new AxeBuilder({ page: second }).include('main').analyze()).violations).toEqual([]);
    await second.screenshot({ path: `test-results/second-tab-${colorScheme}.png` });
  }

  // A reply being written is kept as far as it got, and both tabs show the same.
  await first.bringToFront();
  await field(first).fill('Tell me a story.');
  await first.keyboard.press('Enter');
  await writing(first);
  await useHere(second);
  await expectNotice(first);
  await expect(lastReply(first)).toHaveAttribute('data-state', 'stopped');
  await waitForPhase(second, /ready/);
  await expect(field(second)).toBeFocused();
  await expect(second.getByRole('article')).toHaveCount(2);
  await expect(lastReply(second)).toHaveAttribute('data-state', 'stopped');
  const text = (page: Page): Promise<string> => lastReply(page).innerText();
  expect(await text(second)).toBe(await text(first));

  // An update goes on from the step it had reached.
  await second.getByRole('button', { name: 'Bad reply' }).last().click();
  await second.getByRole('button', { name: 'Train now' }).click();
  await expect(second.getByText(/Step [1-9] of/)).toBeVisible({ timeout: 2 * 60_000 });
  await useHere(first);
  await expectNotice(second);
  await expect(first.getByText(/Step \d+ of/)).toHaveText(/Step [1-9]/, { timeout: 60_000 });
  await waitForPhase(first, /training/);
  await expect(first.getByText('No update yet.')).toBeVisible();
  await expect(first.getByRole('button', { name: 'Bad reply' }).last()).toHaveAttribute(
    'aria-pressed',
    'true',
  );

  // Where asking was in vain the lock is stolen, and that ends the engine at once.
  await second.evaluate(() => {
    void navigator.locks.request('thumbprint-engine', { steal: true }, () => new Promise(() => undefined));
  });
  await expectNotice(first);
});
