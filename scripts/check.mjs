// npm run check: format, lint, types, who imports whom, dead code. Everything runs; one failure fails the whole.
import { tryRun } from './lib/run.mjs';

const CHECKS = [
  ['prettier', ['--check', '--log-level', 'warn', '.']],
  ['eslint', ['--max-warnings', '0', '.']],
  ['tsc', ['--noEmit']],
  // It has been seen green without checking anything: tsc runs beside it.
  ['svelte-check', ['--fail-on-warnings', '--output', 'human']],
  ['depcruise', ['--config', '.dependency-cruiser.cjs', 'src', 'tests']],
  ['knip', []],
];

const failed = [];
for (const [command, args] of CHECKS) {
  if ((await tryRun('npx', ['--no-install', command, ...args])) !== 0) failed.push(command);
}
if (failed.length > 0) {
  console.error(`Failed: ${failed.join(', ')}`);
  process.exit(1);
}
