import { type Page, test } from '@playwright/test';
import { mkdirSync, writeFileSync } from 'node:fs';
import { median } from '../../../src/cli/bench/speed/rounds';
import { openApp } from '../../e2e/app';

const ROUNDS = 5;
const OUT = new URL('../evidence/', import.meta.url);

test('speed of the app', async ({ browser }) => {
  const context = await browser.newContext();
  const page = await context.newPage();
  const first = await timed(() => openApp(page));
  await page.evaluate(() => navigator.serviceWorker.ready.then(() => undefined));
  const again: number[] = [];
  for (let round = 0; round < ROUNDS; round++) again.push(await timed(() => openApp(page)));
  await page.getByRole('button', { name: 'Settings' }).first().click();
  const rounds: { msPerToken: number; kernels: Record<string, number> }[] = [];
  // The first one warms up.
  for (let round = 0; round <= ROUNDS; round++) {
    const measured = await measure(page);
    if (round > 0) rounds.push(measured);
  }
  const figures = {
    device: await page.getByRole('dialog').locator('[data-device]').textContent(),
    browser: browser.version(),
    rounds: ROUNDS,
    seconds_to_ready: { first_visit: first, again: median(again) },
    ms_per_token: median(rounds.map(({ msPerToken }) => msPerToken)),
    ms_per_token_by_kernel: Object.fromEntries(
      Object.keys(rounds[0]?.kernels ?? {}).map((kernel) => [
        kernel,
        median(rounds.map(({ kernels }) => kernels[kernel] ?? NaN)),
      ]),
    ),
  };
  console.log(JSON.stringify(figures));
  mkdirSync(OUT, { recursive: true });
  writeFileSync(new URL('speed-web.json', OUT), `${JSON.stringify(figures, null, 1)}\n`);
  writeFileSync(new URL('speed-web.md', OUT), markdownOf(figures));
});

interface Figures {
  device: string | null;
  browser: string;
  rounds: number;
  seconds_to_ready: { first_visit: number; again: number };
  ms_per_token: number;
  ms_per_token_by_kernel: Record<string, number>;
}

function markdownOf(figures: Figures): string {
  const { device, browser, rounds, seconds_to_ready, ms_per_token, ms_per_token_by_kernel } = figures;
  const rows = [
    [
      'the page, from its address to the first message, first visit',
      `${seconds_to_ready.first_visit.toFixed(1)} s`,
    ],
    ['the same later', `${seconds_to_ready.again.toFixed(1)} s`],
    ['a token', `${ms_per_token.toFixed(1)} ms`],
    ...Object.entries(ms_per_token_by_kernel).map(([kernel, ms]) => [
      `of it ${kernel}`,
      `${ms.toFixed(2)} ms`,
    ]),
  ];
  return `# Speed in the browser

Written by \`npm run bench:web\` in Chromium ${browser} on ${device}: medians of ${rounds} rounds of what Settings → This device →
Measure speed finds. Peers stand in speed.md, on another driver of the same machine.

| | |
| --- | --- |
${rows.map((cells) => `| ${cells.join(' | ')} |`).join('\n')}
`;
}

/** What “Measure speed” finds. */
async function measure(page: Page): Promise<{ msPerToken: number; kernels: Record<string, number> }> {
  const dialog = page.getByRole('dialog');
  await dialog.getByRole('button', { name: 'Measure speed' }).click();
  await dialog.getByRole('button', { name: 'Measuring…' }).waitFor();
  await dialog.getByRole('button', { name: 'Measure speed' }).waitFor();
  const milliseconds = async (name: string): Promise<[string, number][]> =>
    dialog
      .locator(`[${name}]`)
      .evaluateAll(
        (elements, attribute) =>
          elements.map((element): [string, number] => [
            element.querySelector('th')?.textContent ?? '',
            Number(element.getAttribute(attribute)),
          ]),
        name,
      );
  const [[, msPerToken] = ['', NaN]] = await milliseconds('data-ms-per-token');
  return { msPerToken, kernels: Object.fromEntries(await milliseconds('data-ms')) };
}

/** Seconds. */
async function timed(work: () => Promise<void>): Promise<number> {
  const started = performance.now();
  await work();
  return (performance.now() - started) / 1000;
}
