// node scripts/icons.mjs: the icons that install prompts want, drawn from public/icon.svg.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { chromium } from '@playwright/test';
import { enterProject } from './lib/project.mjs';

enterProject();
const svg = readFileSync('public/icon.svg', 'utf8');
/** Platforms cut a maskable icon to their own shape: the ground fills all of it, the drawing keeps to the middle. */
const maskable = svg.replace(/ rx="\d+"/, '').replace('scale(1)', 'scale(0.78)');
const executablePath = existsSync('/usr/bin/chromium') ? '/usr/bin/chromium' : undefined;
const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
for (const [name, size, source] of [
  ['icon-192.png', 192, svg],
  ['icon-512.png', 512, svg],
  ['icon-maskable-512.png', 512, maskable],
]) {
  const page = await browser.newPage({ viewport: { width: size, height: size } });
  await page.goto(
    `data:text/html,<style>*{margin:0}svg{width:100vw;height:100vh;display:block}</style>${encodeURIComponent(source)}`,
  );
  writeFileSync(`public/${name}`, await page.screenshot({ omitBackground: true }));
}
await browser.close();
