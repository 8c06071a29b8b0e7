/** Rendering of replies in a real Chromium: sanitizing needs a DOM. */
import { expect, test, type Page } from '@playwright/test';
import type { Block } from '../../src/app/markdown/render';
import { openModule } from './fixtures';

type MarkdownModule = typeof import('./modules/markdown');

async function render(page: Page, markdown: string, growing = false): Promise<Block[]> {
  return page.evaluate(
    ({ markdown, growing }) => {
      const { underTest } = globalThis as unknown as { underTest: MarkdownModule };
      return underTest.renderBlocks(markdown, growing);
    },
    { markdown, growing },
  );
}

async function htmlOf(page: Page, markdown: string): Promise<string> {
  return (await render(page, markdown)).map((block) => (block.kind === 'html' ? block.html : '')).join('');
}

test.beforeEach(async ({ page }) => {
  await openModule(page, './modules/markdown.ts');
});

test('what a model writes can neither run, style, load nor navigate', async ({ page }) => {
  const html = await htmlOf(
    page,
    [
      '<script>alert(1)</script>',
      '<img src=x onerror=alert(1)>',
      'inline <b onclick="alert(1)" style="position:fixed">bold</b>',
      '[bad](javascript:alert(1)) [data](data:text/html,x)',
      '![tracker](https://elsewhere.example/pixel.png)',
      '![" onmouseover="alert(1)](https://elsewhere.example/"><iframe>)',
    ].join('\n\n'),
  );
  const found = await page.evaluate((inner) => {
    const root = new DOMParser().parseFromString(inner, 'text/html').body;
    const elements = [...root.querySelectorAll('*')];
    return {
      tags: [...new Set(elements.map(({ localName }) => localName))].sort(),
      attributes: [...new Set(elements.flatMap((element) => element.getAttributeNames()))].sort(),
      links: [...root.querySelectorAll('a[href]')].map((link) => link.getAttribute('href')),
      text: root.textContent,
    };
  }, html);
  expect(found.tags).toEqual(['a', 'p']);
  expect(found.attributes).toEqual(['href', 'rel', 'target']);
  for (const link of found.links) expect(link).toMatch(/^https:/);
  expect(found.text).toContain('<script>alert(1)</script>');
});

test('lists, tables, headings and links become what they are', async ({ page }) => {
  const html = await htmlOf(
    page,
    '# One\n\n3. a\n4. **b**\n\n| x |\n|---|\n| 1 |\n\n[site](https://example.org)',
  );
  expect(html).toContain('<h3>One</h3>');
  expect(html).toContain('<ol start="3">');
  expect(html).toContain('<strong>b</strong>');
  expect(html).toContain('<td>1</td>');
  expect(html).toMatch(/<a href="https:\/\/example.org"[^>]*rel="noopener noreferrer"/);
});

test('code is a block of its own, as written', async ({ page }) => {
  expect(await render(page, 'Look:\n\n```js title\nif (a < b) {}\n```')).toEqual([
    { kind: 'html', html: '<p>Look:</p>\n' },
    { kind: 'code', language: 'js', code: 'if (a < b) {}' },
  ]);
});

test('what is still being written is closed for the moment', async ({ page }) => {
  expect(await render(page, 'This is **bold', true)).toEqual([
    { kind: 'html', html: '<p>This is <strong>bold</strong></p>\n' },
  ]);
  expect(await render(page, 'This is **bold', false)).toEqual([
    { kind: 'html', html: '<p>This is **bold</p>\n' },
  ]);
});

test('code in a known language is coloured by spans alone', async ({ page }) => {
  const [coloured, unknown] = await page.evaluate(async () => {
    const { underTest } = globalThis as unknown as { underTest: MarkdownModule };
    const html = await underTest.highlight('const a = "<img src=x>";', 'javascript');
    return [underTest.sanitizeCode(html ?? ''), await underTest.highlight('x', 'klingon')];
  });
  expect(coloured).toContain('<span class="hljs-keyword">const</span>');
  expect(coloured).toContain('&lt;img');
  expect(coloured).not.toContain('<img');
  expect(unknown).toBeNull();
});
