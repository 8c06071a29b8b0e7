import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folder of the project. */
export const PROJECT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** Lets a script be called from any folder. */
export function enterProject() {
  process.chdir(PROJECT);
}
