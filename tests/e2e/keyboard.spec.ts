/** Everything by keyboard, on one page. Once the page is set up, no pointer is used. */
import { expect, type Page, test } from '@playwright/test';
import { field, lastReply, makeItRamble, openApp, writing } from './app';

test.describe.configure({ mode: 'serial' });

let page: Page;

test.beforeAll(async ({ browser }) => {
  page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
  await openApp(page);
  await makeItRamble(page);
  await field(page).focus();
});
test.afterAll(() => page.close());

interface Focus {
  /** Empty: nothing has the focus. */
  name: string;
  visible: boolean;
  inDialog: boolean;
}

const focus = (): Promise<Focus> =>
  page.evaluate(() => {
    const element = document.activeElement;
    if (!(element instanceof HTMLElement) || element === document.body)
      return { name: '', visible: false, inDialog: false };
    const labelled = document.getElementById(element.getAttribute('aria-labelledby') ?? '');
    // The message field is outlined by its form.
    const outlined = [element, element.closest('form')].some((candidate) => {
      const style = candidate && getComputedStyle(candidate);
      return (
        style && (style.outlineStyle !== 'none' || (candidate !== element && style.boxShadow !== 'none'))
      );
    });
    const { top, bottom } = element.getBoundingClientRect();
    return {
      name: element.getAttribute('aria-label') ?? (labelled ?? element).innerText.trim(),
      visible: outlined && bottom > 0 && top < innerHeight,
      inDialog: element.closest('dialog[open]') !== null,
    };
  });

async function expectFocus(name: string): Promise<void> {
  await expect.poll(async () => (await focus()).name).toBe(name);
}

async function tabTo(name: string | RegExp): Promise<void> {
  const passed: string[] = [];
  while (passed.length < 60) {
    await page.keyboard.press('Tab');
    const now = await focus();
    if (typeof name === 'string' ? now.name === name : name.test(now.name)) return;
    passed.push(now.name);
  }
  throw new Error(`Tab does not reach ${String(name)}, only ${passed.join(', ')}`);
}

async function press(name: string | RegExp, key = 'Enter'): Promise<void> {
  await tabTo(name);
  await page.keyboard.press(key);
}

async function stop(): Promise<void> {
  await writing(page);
  await page.keyboard.press('Escape');
  await expect(lastReply(page)).toHaveAttribute('data-state', 'stopped');
}

test('Enter sends, Shift + Enter begins a line, Esc stops', async () => {
  await page.keyboard.type('Tell me');
  await page.keyboard.press('Shift+Enter');
  await page.keyboard.type('a story.');
  await page.keyboard.press('Enter');
  await stop();
  await expect(page.getByRole('group', { name: 'Your message 1' })).toContainText('Tell me\na story.');
  await expect(field(page)).toBeFocused();
  await expect(field(page)).toHaveValue('');
});

test('thumbs are pressed, exchanged and taken back', async () => {
  const good = page.getByRole('button', { name: 'Good reply' });
  const bad = page.getByRole('button', { name: 'Bad reply' });
  await press('Good reply', 'Space');
  await expect(good).toHaveAttribute('aria-pressed', 'true');
  await press('Bad reply');
  await expect(bad).toHaveAttribute('aria-pressed', 'true');
  await expect(good).toHaveAttribute('aria-pressed', 'false');
  await page.keyboard.press('Space');
  await expect(bad).toHaveAttribute('aria-pressed', 'false');
  await expectFocus('Bad reply');
});

test('branches are begun and walked, and the focus stays with the walker', async () => {
  await press('Regenerate');
  await expect(field(page)).toBeFocused();
  await stop();
  await press('Regenerate');
  await stop();
  await expect(page.getByText('3/3')).toBeVisible();
  await press('Previous version');
  await expect(page.getByText('2/3')).toBeVisible();
  await expectFocus('Previous version');
  await page.keyboard.press('Enter');
  await expect(page.getByText('1/3')).toBeVisible();
  await expectFocus('Next version');
});

test('a reply is edited, and the focus returns', async () => {
  await press('Edit reply');
  await expect(page.getByRole('textbox', { name: 'Edited reply' })).toBeFocused();
  await page.keyboard.press('Escape');
  await expectFocus('Edit reply');
  await page.keyboard.press('Enter');
  await page.keyboard.press('ControlOrMeta+a');
  await page.keyboard.type('A fox slept.');
  await page.keyboard.press('ControlOrMeta+Enter');
  await expect(page.getByText('Edited by you')).toBeVisible();
  await expectFocus('Edit reply');
  await press('Undo edit');
  await expect(page.getByText('Edited by you')).toBeHidden();
  await expectFocus('Edit reply');
});

test('a chat is renamed, and the focus returns', async () => {
  await press(/^Rename/);
  await page.keyboard.type('Foxes');
  await page.keyboard.press('Enter');
  await expect(page.getByRole('button', { name: 'Foxes', exact: true })).toBeFocused();
});

for (const opener of ['Compare', 'Settings', 'Delete “Foxes”']) {
  test(`the dialog behind ${opener} keeps the focus and gives it back`, async () => {
    await press(opener);
    const dialog = page.getByRole('dialog');
    await expect(dialog).toBeVisible();
    for (const key of ['Tab', 'Shift+Tab']) {
      for (let presses = 0; presses < 8; presses++) {
        await page.keyboard.press(key);
        const { name, inDialog, visible } = await focus();
        // Between its last and its first control a dialog lets the browser's own have the focus.
        if (name !== '') expect({ name, inDialog, visible }).toEqual({ name, inDialog: true, visible: true });
      }
    }
    await page.keyboard.press('Escape');
    await expect(dialog).toBeHidden();
    await expectFocus(opener);
    await page.keyboard.press('Enter');
    await expectFocus('Close');
    await page.keyboard.press('Enter');
    await expect(dialog).toBeHidden();
    await expectFocus(opener);
  });
}

test('Tab reaches everything in the order of the page, and shows where it is', async () => {
  // With a thumb waiting and a draft, all buttons can be pressed.
  await press('Bad reply');
  await press('Message');
  await page.keyboard.type('And then?');
  await expect(page.getByRole('button', { name: 'Send' })).toBeEnabled();
  await expect(page.getByRole('button', { name: 'Train now' })).toBeEnabled();
  const all = await page
    .locator('button:enabled, a[href], input:enabled:not([hidden]), textarea:enabled, [tabindex="0"]')
    .evaluateAll((elements) =>
      elements.map((element) => element.getAttribute('aria-label') ?? element.textContent.trim()),
    );
  for (const key of ['Tab', 'Shift+Tab']) {
    while ((await focus()).name !== '') await page.keyboard.press(key);
    const reached: string[] = [];
    while (reached.length < all.length) {
      await page.keyboard.press(key);
      const { name, visible } = await focus();
      expect({ name, visible }).toEqual({ name, visible: true });
      reached.push(name);
    }
    // Past the last, the browser's own controls have the focus, which Chromium leaves out now and then.
    await page.keyboard.press(key);
    expect(['', reached[0]]).toContain((await focus()).name);
    expect(reached).toEqual(key === 'Tab' ? all : all.toReversed());
  }
});

test('learning opens as a page, and the chat is as it was when one comes back', async () => {
  await press('Open as a page');
  await expectFocus('Learning');
  await press('Back to the chat');
  await expect(field(page)).toBeFocused();
  await expect(field(page)).toHaveValue('And then?');
  await page.goBack();
  await expectFocus('Learning');
  await page.goBack();
  await expect(field(page)).toBeFocused();
});

test('on a phone, the drawers open by keyboard and give the focus back', async () => {
  await page.setViewportSize({ width: 390, height: 844 });
  for (const opener of ['Chats', 'Learning']) {
    await press(opener);
    await expect(page.getByRole('dialog', { name: opener })).toBeVisible();
    await page.keyboard.press('Escape');
    await expect(page.getByRole('dialog')).toBeHidden();
    await expectFocus(opener);
  }
});
