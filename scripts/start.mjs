// npm start: installs what is missing, builds, serves, and prints the address of the working app.
// --port N, or PORT, asks for a port; the next free one is taken when it is in use.
// Old versions of Node lack parseArgs: importing it by name would fail before they are told that they are too old.
import util from 'node:util';
import { checkNode, installPackages } from './lib/install.mjs';
import { enterProject } from './lib/project.mjs';

checkNode();
enterProject();
const port = wantedPort();
await installPackages();
// Only now do the packages exist.
const { build, preview } = await import('vite');
await build({ logLevel: 'warn' });
const server = await preview({ preview: { port, strictPort: false, host: 'localhost' }, logLevel: 'warn' });
const address = server.resolvedUrls?.local[0];
const answer = await fetch(address);
if (!answer.ok) {
  console.error(`The app was built, but ${address} answers ${answer.status}.`);
  process.exit(1);
}
console.log(`Thumbprint runs at ${address}  (Ctrl-C ends it)`);

function wantedPort() {
  try {
    const { values } = util.parseArgs({ options: { port: { type: 'string' } } });
    const text = values.port ?? process.env.PORT ?? '4173';
    const number = Number(text);
    if (Number.isInteger(number) && number > 0 && number < 65_536) return number;
    console.error(`The port must be a whole number from 1 to 65535, not "${text}".`);
  } catch (error) {
    console.error(error.message);
  }
  process.exit(2);
}
