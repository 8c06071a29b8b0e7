// npm test: installs what the tests need, then runs all of them. --only check|unit|e2e runs a part.
import util from 'node:util';
import { installBrowsers } from './lib/browsers.mjs';
import { useSoftwareVulkan } from './lib/environment.mjs';
import { checkNode, installPackages } from './lib/install.mjs';
import { enterProject } from './lib/project.mjs';
import { bin, run } from './lib/run.mjs';

const PARTS = {
  check: [['node', ['scripts/check.mjs']]],
  unit: [[bin('vitest'), ['run']]],
  e2e: [
    [bin('vite'), ['build', '--logLevel', 'warn']],
    [bin('playwright'), ['test']],
  ],
};

checkNode();
enterProject();
const parts = wantedParts();
await installPackages();
// Reading the code needs neither a browser nor a driver.
if (parts.some((part) => part !== 'check')) await installBrowsers();
useSoftwareVulkan();
for (const part of parts) {
  for (const [command, args] of PARTS[part]) await run(command, args);
}

function wantedParts() {
  const all = Object.keys(PARTS);
  try {
    const { only } = util.parseArgs({ options: { only: { type: 'string' } } }).values;
    if (only === undefined) return all;
    if (all.includes(only)) return [only];
    console.error(`--only takes one of ${all.join(', ')}, not "${only}".`);
  } catch (error) {
    console.error(error.message);
  }
  process.exit(2);
}
