import AxeBuilder from '@axe-core/playwright';
import { expect, test } from '@playwright/test';

const PHONE = { width: 390, height: 844 };
const DESKTOP = { width: 1280, height: 800 };

for (const colorScheme of ['light', 'dark'] as const) {
  for (const [name, viewport] of Object.entries({ PHONE, DESKTOP })) {
    test(`axe finds nothing: ${colorScheme}, ${name.toLowerCase()}`, async ({ page }) => {
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
      await page.setViewportSize(viewport);
      await page.goto('/');
      await expect(page.locator('[data-phase]')).toHaveAttribute('data-phase', 'ready', { timeout: 120_000 });
      expect((await new AxeBuilder({ page }).analyze()).violations).toEqual([]);
      await page.getByRole('textbox', { name: 'Message' }).fill('Good morning!');
      await page.keyboard.press('Enter');
      await expect(page.getByRole('article')).toHaveAttribute('data-state', 'done', { timeout: 60_000 });
      expect((await new AxeBuilder({ page }).analyze()).violations).toEqual([]);
      await page.screenshot({ path: `test-results/chat-${colorScheme}-${name.toLowerCase()}.png` });
      await page.goto('/#learning');
      await expect(page.getByRole('heading', { name: 'Learning' })).toBeFocused();
      expect((await new AxeBuilder({ page }).analyze()).violations).toEqual([]);
    });
  }
}
