import { spawn } from 'node:child_process';
import { join } from 'node:path';

/** On Windows npm and the packages' commands are command files, which need a shell. */
const shell = process.platform === 'win32';

/** Path of a command that a package brings. */
export function bin(command) {
  return join('node_modules', '.bin', command);
}

/** Runs a command with this process's streams. Ends this process with its exit code when it fails. */
export async function run(command, args) {
  const child = spawn(command, args, { stdio: 'inherit', shell });
  const code = await exitCode(child);
  if (code === 0) return;
  console.error(`${command} ${args.join(' ')} failed.`);
  process.exit(code);
}

/** Runs a command; answers its exit code and what it printed, both streams in the order they came. */
export async function capture(command, args) {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], shell });
  const chunks = [];
  child.stdout.on('data', (chunk) => chunks.push(chunk));
  child.stderr.on('data', (chunk) => chunks.push(chunk));
  const code = await exitCode(child, (error) => chunks.push(Buffer.from(`${error.message}\n`)));
  return { code, output: Buffer.concat(chunks).toString() };
}

function exitCode(child, onError = (error) => console.error(error.message)) {
  return new Promise((resolve) => {
    child.on('error', (error) => {
      onError(error);
      resolve(1);
    });
    // Not 'exit': the last output may still be on its way then.
    child.on('close', (code) => resolve(code ?? 1));
  });
}
