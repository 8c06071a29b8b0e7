import { describe, expect, it } from 'vitest';
import { type SpeedFigures, speedMarkdown } from '../../../src/cli/bench/speed/report';
import { compete, median, Times } from '../../../src/cli/bench/speed/rounds';

const FIGURES: SpeedFigures = {
  device: 'a device',
  processor: '2 × a processor',
  products: [
    {
      model: 'small',
      narrow: 256,
      wide: 704,
      what: 'product',
      rows: 1,
      ms: {
        ours: 1,
        'onnxruntime-web webgpu, accuracy 0': 5,
        'onnxruntime-web wasm, accuracy 0': 2.5,
        'onnxruntime-web wasm, accuracy 4': 2,
      },
    },
    {
      model: 'small',
      narrow: 256,
      wide: 704,
      what: 'input gradient',
      rows: 64,
      ms: { ours: 2, 'jax-js f32': 9 },
    },
  ],
  decoding: [
    {
      model: 'small',
      parameters: 5.5e6,
      ms: { ours: 5, 'ours, keys and values in f16': 4, 'onnxruntime-web wasm, accuracy 0': 9 },
      dispatches: 33,
      layers: 6,
      adapters: [
        { rank: 4, ratio: 1.04, bytes: 0.1 },
        { rank: 8, ratio: 1.2, bytes: 0.2 },
      ],
      trainingBytes: 30e6,
    },
  ],
  loop: {
    copyBytesPerSecond: 12e9,
    token: 4,
    swap: 5,
    step: 720,
    forward: 200,
    stepPerForward: 3.6,
    unsharedPerShared: 1.5,
    reply: 5,
    whileTraining: 1.2,
  },
};

describe('the report on speed', () => {
  const lines = speedMarkdown(FIGURES, 'npm run bench -- speed').split('\n');
  const goal = (start: string): string | undefined => lines.find((line) => line.startsWith(`| ${start}`));

  it.each([
    // Beside the fastest of those that compute alike.
    ['small, one row: product | onnxruntime-web, f32', '2.50 × | ≥ 3 × | missed'],
    ['small, one row: product | onnxruntime-web, int8 input', '2.00 × | ≥ 1.3 × | met'],
    ['small, 64 rows: input gradient', 'jax-js | 4.50 × | ≥ 2 × | met'],
    ['small: decoding', '2.25 × | ≥ 2 × | met'],
    ['small: dispatches a token', '33.00 | ≤ 40 | met'],
    ['small: token with an adapter of rank 4', '10 % more bytes | 1.04 | ≤ 1.05 | met'],
    ['small: token with an adapter of rank 8', '20 % more bytes | 1.20 | ≤ 1.08 | missed'],
    ['another adapter', '5.00 ms | ≤ 4.00 ms | missed'],
    ['training step', '3.60 | ≤ 3.6 | met'],
    ['prompts shared by a pair', '1.50 × | ≥ 1.3 × | met'],
    ['token while training', '1.20 | ≤ 1.3 | met'],
  ])('says of "%s" that it is %s', (what, verdict) => {
    expect(goal(what)).toContain(verdict);
  });

  it('leaves the cells of those empty that did not take part', () => {
    expect(lines).toContain(
      '|  | ours | onnxruntime-web webgpu, accuracy 0 | onnxruntime-web wasm, accuracy 0 | onnxruntime-web wasm, accuracy 4 | jax-js f32 |',
    );
    expect(lines).toContain('| small, 704 × 256, 64 rows: input gradient | 2.00 |  |  |  | 9.00 |');
  });
});

it('lets contestants take turns and answers the medians of all rounds but the first', async () => {
  const order: string[] = [];
  const answers = [100, 3, 1, 2];
  const times = await compete(
    [
      {
        name: 'a',
        run: () =>
          Promise.resolve(order.push('a') && answers[order.filter((name) => name === 'a').length - 1]),
      },
      { name: 'b', run: () => Promise.resolve(void order.push('b')) },
    ],
    3,
    0,
  );
  expect(order.join('')).toBe('abababab');
  expect(times.of('a')).toBe(2);
  expect(times.of('b')).toBeLessThan(50);
  expect(Object.keys(times.medians())).toEqual(['a', 'b']);
  expect(median([])).toBeNaN();
  // Each round by itself: a slow one slows both.
  const rounds = new Times(
    new Map([
      ['one', [2, 20, 4]],
      ['other', [1, 5, 2]],
    ]),
  );
  expect(rounds.ratio('one', 'other')).toBe(2);
});

it('lets those that take no time have ten times as many turns', async () => {
  let turns = 0;
  await compete([{ name: 'a', run: () => Promise.resolve(turns++) }], 1);
  expect(turns).toBe(11);
});
