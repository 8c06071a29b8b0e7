import { spawn } from 'node:child_process';

/** On Windows npm and npx are command files, which need a shell. */
const shell = process.platform === 'win32';

/** Runs a command with this process's streams. Ends this process with its exit code when it fails. */
export async function run(command, args) {
  const code = await tryRun(command, args);
  if (code === 0) return;
  console.error(`${command} ${args.join(' ')} failed.`);
  process.exit(code);
}

/** Runs a command; answers its exit code. */
export function tryRun(command, args) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { stdio: 'inherit', shell });
    child.on('error', (error) => {
      console.error(error.message);
      resolve(1);
    });
    child.on('exit', (code) => resolve(code ?? 1));
  });
}
