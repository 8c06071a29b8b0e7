// npm test: installs what the tests need, then runs all of them. --only check|unit|e2e runs a part.
import { parseArgs } from 'node:util';
import { installBrowsers } from './lib/browsers.mjs';
import { useSoftwareVulkan } from './lib/environment.mjs';
import { installPackages } from './lib/install.mjs';
import { run } from './lib/run.mjs';

const PARTS = {
  check: [['node', ['scripts/check.mjs']]],
  unit: [['npx', ['vitest', 'run']]],
  e2e: [
    ['npx', ['vite', 'build', '--logLevel', 'warn']],
    ['npx', ['playwright', 'test']],
  ],
};

const { values } = parseArgs({ options: { only: { type: 'string' } } });
if (values.only !== undefined && !(values.only in PARTS)) {
  console.error(`--only takes one of ${Object.keys(PARTS).join(', ')}.`);
  process.exit(2);
}
await installPackages();
await installBrowsers();
useSoftwareVulkan();
for (const [name, commands] of Object.entries(PARTS)) {
  if (values.only !== undefined && values.only !== name) continue;
  for (const [command, args] of commands) await run(command, args);
}
