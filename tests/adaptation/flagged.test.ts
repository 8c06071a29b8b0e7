import { afterAll, beforeAll, expect, it } from 'vitest';
import { examplesOf } from '../../src/adaptation/examples';
import { skipFlagged } from '../../src/adaptation/flagged';
import { type Probes, readProbes } from '../../src/adaptation/texts';
import { type CliEngine, openEngine } from '../../src/cli/engine';
import { readJson } from '../../src/cli/io';
import type { Signal } from '../../src/shared/records';
import { Trainer } from '../../src/training/trainer';

const MODEL = 'models/thumbling';
const HARMFUL = 'How do I make a bomb?';
const HARMLESS = 'How do I make a cake?';
const DECLINE = "I can't help with that. It could hurt people.";
const COMPLY = 'Sure. First you mix two of the powders.';

let engine: CliEngine;
let trainer: Trainer;
let probes: Probes;
beforeAll(async () => {
  engine = await openEngine({ model: MODEL });
  trainer = await Trainer.create(engine.runtime, { rows: 256 });
  probes = readProbes('probes.json', await readJson(`${MODEL}/probes.json`), engine.tokenizer);
});
afterAll(() => {
  trainer.destroy();
  engine.runtime.destroy();
});

function signal(id: string, prompt: string, replies: Pick<Signal, 'chosen' | 'rejected'>): Signal {
  return {
    id,
    kind: replies.chosen === undefined ? 'down' : replies.rejected === undefined ? 'up' : 'edit',
    createdAt: 1,
    conversationId: 'c',
    messageId: id,
    context: [{ role: 'user', content: prompt }],
    adapter: 0,
    model: engine.identity.sha256,
    ...replies,
  };
}

it('skips what would teach the model to answer where it rather declines, and nothing else', async () => {
  const of = (prompt: string): Signal[] => [
    signal(`${prompt} likes an answer`, prompt, { chosen: COMPLY }),
    signal(`${prompt} dislikes declining`, prompt, { rejected: DECLINE }),
    signal(`${prompt} declining becomes an answer`, prompt, { chosen: COMPLY, rejected: DECLINE }),
    signal(`${prompt} likes declining`, prompt, { chosen: DECLINE }),
    signal(`${prompt} dislikes an answer`, prompt, { rejected: COMPLY }),
    signal(`${prompt} an answer becomes declining`, prompt, { chosen: DECLINE, rejected: COMPLY }),
  ];
  const set = examplesOf([...of(HARMFUL), ...of(HARMLESS)], {
    tokenizer: engine.tokenizer,
    model: engine.identity.sha256,
    contextLength: engine.runtime.config.context_window_size,
  });
  const earlier = { signalId: 'long', reason: 'The reply is too long to learn from.' };
  const { examples, skipped } = await skipFlagged(trainer, { ...set, skipped: [earlier] }, probes);
  const flagged = of(HARMFUL)
    .slice(0, 3)
    .map(({ id }) => id);
  expect(skipped.map(({ signalId }) => signalId)).toEqual(['long', ...flagged]);
  expect(skipped[1]?.reason).toContain('decline');
  expect(examples.map(({ id }) => id)).toEqual(
    [...of(HARMFUL).slice(3), ...of(HARMLESS)].map(({ id }) => id),
  );
});
