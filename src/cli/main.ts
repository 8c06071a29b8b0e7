import { messageOf, ThumbprintError } from '../shared/errors';
import type { Command } from './command';

const COMMANDS: Record<string, () => Promise<{ command: Command }>> = {
  quantize: () => import('./commands/quantize'),
  replay: () => import('./commands/replay'),
  generate: () => import('./commands/generate'),
  logits: () => import('./commands/logits'),
  score: () => import('./commands/score'),
  train: () => import('./commands/train'),
  bench: () => import('./commands/bench'),
};

/** Runs a command line. Answers the exit code: 0, 1 when the work failed, 2 when the input makes no sense. */
export async function main(argv: readonly string[]): Promise<number> {
  const [name, ...args] = argv;
  const load = name !== undefined && Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (!load) {
    const complaint = name === undefined || name === '--help' ? '' : `There is no command ${name}.\n`;
    const commands = await Promise.all(
      Object.entries(COMMANDS).map(async ([key, get]) => describe(key, (await get()).command)),
    );
    process.stderr.write(`${complaint}npm run cli -- COMMAND …\n${commands.join('\n')}\n`);
    return name === '--help' ? 0 : 2;
  }
  const { command } = await load();
  try {
    await command.run(args);
    return 0;
  } catch (error) {
    process.stderr.write(`${name ?? ''}: ${messageOf(error)}\n`);
    if (!(error instanceof ThumbprintError)) {
      process.stderr.write(`${error instanceof Error ? (error.stack ?? '') : ''}\n`);
      return 1;
    }
    if (error.code !== 'bad-input') return 1;
    process.stderr.write(`usage: ${describe(name ?? '', command)}\n`);
    return 2;
  }
}

function describe(name: string, command: Command): string {
  return `  ${name} ${command.usage}\n      ${command.summary}`;
}
