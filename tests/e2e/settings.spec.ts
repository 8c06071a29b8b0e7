import AxeBuilder from '@axe-core/playwright';
import { expect, test } from '@playwright/test';
import { ask, openApp } from './app';

test('measures the speed of the device, and chat goes on', async ({ page }) => {
  await openApp(page);
  await page.getByRole('button', { name: 'Settings' }).first().click();
  const dialog = page.getByRole('dialog');
  await dialog.getByRole('button', { name: 'Measure speed' }).click();
  await expect(dialog.getByText(/\d+ tokens a second, 33 steps/)).toBeVisible({ timeout: 60_000 });
  // Of the device's kernels the products are run most often: four a layer and the head.
  await expect(dialog.getByRole('row', { name: /^linear_row 25 / })).toBeVisible();
  expect((await new AxeBuilder({ page }).analyze()).violations).toEqual([]);
  await dialog.getByRole('row', { name: /^linear_row/ }).scrollIntoViewIfNeeded();
  await page.screenshot({ path: 'test-results/speed.png' });
  await page.keyboard.press('Escape');
  await ask(page, 'Good morning!');
});
