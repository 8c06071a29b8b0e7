import { expect, test } from 'vitest';
import type { EngineState } from '../../src/app/state/engine.svelte';
import { Judging } from '../../src/app/state/judging.svelte';
import type { Library } from '../../src/app/state/library.svelte';
import type { Command } from '../../src/protocol/protocol';

/** Judging with v2 in use, and what it tells an engine that fails at one kind of command. */
function judging(failing?: Command['type']): { judging: Judging; told: Command[] } {
  const told: Command[] = [];
  const tell = (command: Command): Promise<boolean> => {
    told.push(command);
    return Promise.resolve(command.type !== failing);
  };
  const library = { activeAdapter: 2 } as unknown as Library;
  return { judging: new Judging({ tell } as unknown as EngineState, library), told };
}

test('the version in use unlearns at once, another one after it has been taken up', async () => {
  const inUse = judging();
  expect(await inUse.judging.unlearn(2, 's')).toBe(true);
  expect(inUse.told).toEqual([{ type: 'unlearn', signalId: 's' }]);
  const other = judging();
  expect(await other.judging.unlearn(4, 's')).toBe(true);
  expect(other.told).toEqual([
    { type: 'use-adapter', version: 4 },
    { type: 'unlearn', signalId: 's' },
  ]);
});

test('nothing is unlearned from a version that could not be taken up', async () => {
  const { judging: stuck, told } = judging('use-adapter');
  expect(await stuck.unlearn(4, 's')).toBe(false);
  expect(told).toEqual([{ type: 'use-adapter', version: 4 }]);
});
