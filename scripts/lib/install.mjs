import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { run } from './run.mjs';

const LEAST_NODE = [20, 19];
/** The digest of the package-lock.json that node_modules was installed from. */
const STAMP = 'node_modules/.thumbprint-lock';

/** Stops with a clear message on a Node that is too old. */
export function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major > LEAST_NODE[0] || (major === LEAST_NODE[0] && minor >= LEAST_NODE[1])) return;
  console.error(
    `Thumbprint needs Node ${LEAST_NODE.join('.')} or newer; this is ${process.version}. See https://nodejs.org`,
  );
  process.exit(1);
}

/** Installs the packages when they are missing or do not match package-lock.json. Runs in the project's folder. */
export async function installPackages() {
  const wanted = createHash('sha256').update(readFileSync('package-lock.json')).digest('hex');
  if (existsSync(STAMP) && readFileSync(STAMP, 'utf8') === wanted) return;
  console.error('Installing packages …');
  await run('npm', ['ci']);
  writeFileSync(STAMP, wanted);
}
