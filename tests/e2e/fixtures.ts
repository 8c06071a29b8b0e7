import { fileURLToPath } from 'node:url';
import type { Page } from '@playwright/test';
import { build } from 'vite';

/** Never resolved: every request to it is answered by the test. `https` makes it a secure context. */
export const MODULE_ORIGIN = 'https://module.test';

const bundles = new Map<string, Promise<string>>();

/**
 * Opens an empty page whose `window.underTest` is the namespace of a module of this project, bundled on the fly. So a
 * module that needs a browser is tested in one, without putting anything for tests into the app.
 *
 * @param entry Path of the module from tests/e2e.
 * @param scripts More scripts to serve from the same origin, by file name; they can import `/module.js`.
 */
export async function openModule(
  page: Page,
  entry: string,
  scripts: Record<string, string> = {},
): Promise<void> {
  const html = `<!doctype html><title>Module under test</title>
    <script type="module">import * as module from '/module.js'; globalThis.underTest = module;</script>`;
  const code = await bundled(entry);
  await page.context().route(`${MODULE_ORIGIN}/**`, (route) => {
    const path = new URL(route.request().url()).pathname.slice(1);
    const script = path === 'module.js' ? code : scripts[path];
    return script === undefined
      ? route.fulfill({ contentType: 'text/html', body: html })
      : route.fulfill({ contentType: 'text/javascript', body: script });
  });
  await page.goto(`${MODULE_ORIGIN}/`);
  await page.waitForFunction(() => 'underTest' in globalThis);
}

function bundled(entry: string): Promise<string> {
  const known = bundles.get(entry);
  if (known !== undefined) return known;
  const bundling = bundle(fileURLToPath(new URL(entry, import.meta.url)));
  bundles.set(entry, bundling);
  return bundling;
}

async function bundle(file: string): Promise<string> {
  const result = await build({
    configFile: false,
    publicDir: false,
    logLevel: 'error',
    build: {
      write: false,
      minify: false,
      lib: { entry: file, formats: ['es'], fileName: 'module' },
      rolldownOptions: { output: { codeSplitting: false } },
    },
  });
  const outputs = Array.isArray(result) ? result : [result];
  for (const output of outputs) {
    if (!('output' in output)) continue;
    for (const chunk of output.output) if (chunk.type === 'chunk') return chunk.code;
  }
  throw new Error(`Bundling ${file} gave no code`);
}
