/** An update, a roll-back, and its judgement unlearned: what is taken back is in no adapter that is used afterwards. */
import { readFile } from 'node:fs/promises';
import { type Download, expect, type Page, test } from '@playwright/test';
import { readReceiptFile } from '../../src/formats/receipt-file';
import { ask, openApp, waitForPhase } from './app';

const UPDATED = 8 * 60_000;

async function change(page: Page, label: string, value: string): Promise<void> {
  await page.getByRole('button', { name: 'Settings' }).first().click();
  await page.getByRole('dialog').getByLabel(label).fill(value);
  await page.keyboard.press('Escape');
}

async function edit(page: Page, prompt: string, reply: string): Promise<void> {
  await page.getByRole('button', { name: 'New chat' }).first().click();
  await ask(page, prompt);
  await page.getByRole('button', { name: 'Edit reply' }).last().click();
  await page.getByRole('textbox', { name: 'Edited reply' }).fill(reply);
  await page.getByRole('button', { name: 'Save edit' }).click();
  await expect(page.getByText('Edited · waiting').first()).toBeVisible();
}

async function expectUpdate(page: Page): Promise<void> {
  await waitForPhase(page, /training/, 30_000);
  await waitForPhase(page, /updated|refused|error/, UPDATED);
  await waitForPhase(page, /updated/, 1000);
}

async function exported(page: Page): Promise<string> {
  const saving = page.waitForEvent('download');
  await page.getByRole('button', { name: 'Export receipt' }).click();
  return readFile(await (await saving).path(), 'utf8');
}

/** Gives the page a file through the field that takes such. */
function choose(page: Page, accept: string, name: string, content: Buffer | string): Promise<void> {
  const buffer = Buffer.from(content);
  return page
    .locator(`input[accept*="${accept}"]`)
    .setInputFiles({ name, buffer, mimeType: 'application/octet-stream' });
}

test('a judgement is unlearned together with the version that learned it', async ({ page, browser }) => {
  test.setTimeout(3 * UPDATED);
  await page.setViewportSize({ width: 1280, height: 900 });
  await openApp(page);
  await change(page, 'Temperature', '0');
  await edit(page, 'What is rain?', 'Water from clouds.');
  await page.getByRole('button', { name: 'Train now' }).first().click();
  await expectUpdate(page);
  await edit(page, 'Tell me about dogs.', 'Loyal friends.');

  // Back to the base, which knows of nothing, and forward again.
  const use = (version: string) => page.getByRole('button', { name: `Use ${version}`, exact: true });
  await page.getByRole('link', { name: 'Adapters' }).click();
  await page.getByRole('button', { name: 'Roll back to Base' }).click();
  await use('v1').click();
  await expect(page.getByRole('button', { name: 'Roll back to Base' })).toBeEnabled();
  await page.getByRole('link', { name: 'Back to the chat' }).click();

  await page.getByRole('button', { name: /^Unlearn: Edited “Water from clouds/ }).click();
  const dialog = page.getByRole('dialog', { name: 'Unlearn this?' });
  await expect(dialog).toContainText('Goes back to the base');
  await dialog.getByRole('button', { name: 'Unlearn', exact: true }).click();
  await expectUpdate(page);
  const unlearned = await exported(page);
  const { receipt, signals, learned, parent } = readReceiptFile(unlearned);
  expect(receipt).toMatchObject({ version: 2, parentVersion: 0 });
  expect(signals.map(({ chosen }) => chosen)).toEqual(['Loyal friends.']);
  expect(learned).toEqual([]);
  expect(parent).toBeNull();
  await expect(page.getByText('Edited · withdrawn')).toBeVisible();

  // What was learned moves to another device, or back here: the weights alone are enough.
  await page.getByRole('link', { name: 'Adapters' }).click();
  const downloads: Download[] = [];
  page.on('download', (download) => downloads.push(download));
  await page.getByRole('button', { name: 'Export v2 as PEFT' }).click();
  await expect
    .poll(() => downloads.map((download) => download.suggestedFilename()).toSorted())
    .toEqual(['adapter_config.json', 'adapter_model.safetensors']);
  const weights = downloads.find((download) => download.suggestedFilename().endsWith('.safetensors'));
  const bytes = await readFile((await weights?.path()) ?? '');
  await choose(page, 'safetensors', 'mine.safetensors', bytes);
  await expect(use('v2')).toBeEnabled();
  await page.getByRole('button', { name: 'Receipt of v3' }).click();
  await expect(page.getByRole('dialog', { name: 'Receipt' })).toContainText('Imported from mine.safetensors');
  await page.keyboard.press('Escape');
  await choose(page, 'safetensors', 'broken.safetensors', bytes.subarray(0, 1000));
  await expect(page.getByRole('alert').getByText('its header is cut off')).toBeVisible();
  const foreign = bytes.toString('latin1').replace(receipt.model, 'f'.repeat(64)).replace('"LORA', '"LOHA');
  await choose(page, 'safetensors', 'foreign.safetensors', Buffer.from(foreign, 'latin1'));
  // Both at once.
  await expect(page.getByRole('alert')).toContainText(
    `its type is LOHA, not LORA; it was trained on model ${'f'.repeat(12)}, this is ${receipt.model.slice(0, 12)}`,
  );

  await page.getByRole('button', { name: 'Name v2' }).click();
  await page.getByRole('textbox', { name: 'Name of v2' }).fill('dogs');
  await page.keyboard.press('Enter');
  await expect(page.getByText('v2 · dogs')).toBeVisible();
  await page.getByRole('button', { name: 'Delete v1' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
  await expect(use('v1')).toHaveCount(0);
  await expect(page.getByRole('button', { name: 'Delete v3' })).toBeDisabled();

  // A browser that never saw the judgement comes to the same adapter: nothing of it was left in there.
  const stranger = await (await browser.newContext()).newPage();
  await page.close();
  await openApp(stranger);
  const opened = stranger.getByRole('dialog', { name: 'Receipt' });
  await choose(stranger, 'json', 'cut.json', unlearned.slice(0, 500));
  await expect(stranger.getByRole('alert')).toContainText('This receipt cannot be read');
  await choose(stranger, 'json', 'foreign.json', unlearned.replaceAll(receipt.model, 'f'.repeat(64)));
  await expect(opened).toContainText(`it is of the base model ${'f'.repeat(12)}`);
  await expect(opened.getByRole('button', { name: 'Repeat it here' })).toHaveCount(0);
  await stranger.keyboard.press('Escape');
  await choose(stranger, 'json', 'mine.json', unlearned);
  await opened.getByRole('button', { name: 'Repeat it here' }).click();
  await expect(opened).toContainText('Repeated: the same decision from the same candidate, bit for bit.', {
    timeout: UPDATED,
  });
});
