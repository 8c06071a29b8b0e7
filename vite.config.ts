import { createReadStream, existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { cp } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig, type Plugin } from 'vite';
import { VitePWA } from 'vite-plugin-pwa';

/** The model that ships: served in development, copied into the build. */
const MODEL = 'models/thumbling';
/** What the page loads of it; the model card is for people. */
const MODEL_FILES = readdirSync(MODEL).filter((file) => /\.(json|bin)$/.test(file));

function model(): Plugin {
  let out = '';
  return {
    name: 'thumbling',
    configResolved(config) {
      out = resolve(config.root, config.build.outDir, MODEL);
    },
    configureServer(server) {
      server.middlewares.use(`/${MODEL}/`, (request, response, next) => {
        const name = (request.url ?? '').split('?')[0]?.replace(/^\//, '') ?? '';
        const path = join(MODEL, name);
        if (!MODEL_FILES.includes(name) || !existsSync(path)) return next();
        response.setHeader('Content-Length', statSync(path).size);
        createReadStream(path).pipe(response);
      });
    },
    async writeBundle(options) {
      // The service worker is built with a config of its own; the page's build copies.
      if (options.dir === undefined || !resolve(options.dir).endsWith('dist')) return;
      for (const file of MODEL_FILES) await cp(join(MODEL, file), join(out, file));
    },
  };
}

/** What every answer of a server carries: public/_headers, which several hosts of static pages read as it is. */
const HEADERS: Record<string, string> = {};
for (const [, name, value] of readFileSync('public/_headers', 'utf8').matchAll(/^ +([\w-]+): (.+)$/gm)) {
  if (name !== undefined && value !== undefined) HEADERS[name] = value;
}

/**
 * Writes the content security policy into the built page too, for hosts that send no headers of ours. Development goes
 * without: there Vite puts styles into the page itself.
 */
function contentSecurityPolicy(): Plugin {
  const policy = HEADERS['Content-Security-Policy'];
  if (policy === undefined) throw new Error('public/_headers has no Content-Security-Policy: add it.');
  return {
    name: 'content-security-policy',
    apply: 'build',
    transformIndexHtml: () => [
      {
        tag: 'meta',
        attrs: {
          'http-equiv': 'Content-Security-Policy',
          // Browsers take this one from headers only, and complain about it elsewhere.
          content: policy.replace(/; frame-ancestors [^;]*/, ''),
        },
        injectTo: 'head-prepend',
      },
    ],
  };
}

export default defineConfig({
  base: './',
  plugins: [
    svelte(),
    model(),
    contentSecurityPolicy(),
    VitePWA({
      strategies: 'injectManifest',
      srcDir: 'src',
      filename: 'sw.ts',
      registerType: 'prompt',
      injectRegister: false,
      injectManifest: {
        // The plugin adds the manifest and its icons by itself.
        globPatterns: ['**/*.{js,css,html}'],
        additionalManifestEntries: MODEL_FILES.map((file) => ({
          url: `${MODEL}/${file}`,
          revision: createHash('sha256')
            .update(readFileSync(join(MODEL, file)))
            .digest('hex')
            .slice(0, 16),
        })),
      },
      manifest: {
        name: 'Thumbprint',
        short_name: 'Thumbprint',
        description: 'A language model that learns from your thumbs, on your device',
        start_url: '.',
        scope: '.',
        display: 'standalone',
        background_color: '#faf8f4',
        theme_color: '#faf8f4',
        icons: [
          { src: 'icon-192.png', sizes: '192x192', type: 'image/png' },
          { src: 'icon-512.png', sizes: '512x512', type: 'image/png' },
          { src: 'icon-maskable-512.png', sizes: '512x512', type: 'image/png', purpose: 'maskable' },
          { src: 'icon.svg', sizes: 'any', type: 'image/svg+xml' },
        ],
      },
    }),
  ],
  worker: { format: 'es' },
  preview: { headers: HEADERS },
  build: {
    target: 'es2023',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // How long the plugins took is of interest to whoever works on the build, not to whoever starts the app.
    rolldownOptions: { checks: { bundlerTimings: false } },
  },
});
