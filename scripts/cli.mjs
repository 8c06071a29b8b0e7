// npm run cli -- COMMAND …: runs src/cli/main.ts through Vite's module runner, so that it sees the same modules as the page.
import { createServer, createServerModuleRunner } from 'vite';
import { useSoftwareVulkan } from './lib/environment.mjs';
import { PROJECT } from './lib/project.mjs';

// Before Dawn is loaded: it reads the environment once.
useSoftwareVulkan();
const server = await createServer({
  configFile: false,
  root: PROJECT,
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
// What is still on its way into a pipe would be lost.
await new Promise((resolve) => process.stdout.write('', resolve));
// Dawn keeps the event loop alive.
process.exit(code);
