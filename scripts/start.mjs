// npm start: installs what is missing, builds, serves, and prints the address of the working app.
import { parseArgs } from 'node:util';
import { installPackages } from './lib/install.mjs';

const { values } = parseArgs({ options: { port: { type: 'string' } } });
const port = Number(values.port ?? process.env.PORT ?? 4173);

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
