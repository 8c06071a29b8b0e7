// npm run check: format, lint, types, who imports whom, dead code. Everything runs; one failure fails the whole.
import { bin, capture } from './lib/run.mjs';
import { enterProject } from './lib/project.mjs';

// The slowest first: they run two at a time.
const CHECKS = [
  ['eslint', ['--max-warnings', '0', '.']],
  // It has been seen green without checking anything: tsc runs beside it.
  ['svelte-check', ['--fail-on-warnings', '--output', 'human']],
  ['tsc', ['--noEmit']],
  ['depcruise', ['--config', '.dependency-cruiser.cjs', 'src', 'tests']],
  ['prettier', ['--check', '--log-level', 'warn', '.']],
  ['knip', ['--no-progress']],
];
const AT_ONCE = 2;

enterProject();
const waiting = [...CHECKS];
const failed = [];

async function work() {
  for (let check = waiting.shift(); check; check = waiting.shift()) {
    const [command, args] = check;
    const { code, output } = await capture(bin(command), args);
    console.log(`${code === 0 ? 'passed' : 'FAILED'}  ${command}`);
    if (code === 0) continue;
    failed.push(command);
    console.log(`${output.trim()}\n`);
  }
}

await Promise.all(Array.from({ length: AT_ONCE }, work));
if (failed.length > 0) {
  console.error(`Failed: ${failed.join(', ')}`);
  process.exit(1);
}
