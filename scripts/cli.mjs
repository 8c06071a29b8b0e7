// npm run cli -- COMMAND …: runs src/cli/main.ts through Vite's module runner, so that it sees the same modules as the page.
import { createServer, createServerModuleRunner } from 'vite';
import { useSoftwareVulkan } from './lib/environment.mjs';

useSoftwareVulkan();
const server = await createServer({
  configFile: false,
  root: new URL('..', import.meta.url).pathname,
  appType: 'custom',
  logLevel: 'error',
  optimizeDeps: { noDiscovery: true },
  server: { middlewareMode: true, hmr: false, ws: false, watch: null },
});
const runner = createServerModuleRunner(server.environments.ssr, { hmr: false });
const { main } = await runner.import('/src/cli/main.ts');
const code = await main(process.argv.slice(2));
await runner.close();
await server.close();
// Dawn keeps the event loop alive.
process.exit(code);
