import { describe, it } from 'vitest';
import { adamw, gradNorm, NORM_GROUPS } from '../../src/kernels/adamw';
import { adamwState, adamwStep, type AdamWSettings } from '../reference/adamw';
import { HashRandom } from '../reference/random';
import { norm } from '../reference/vector';
import { expectRows, FLOAT32, KernelBench, randomRows, UNTOUCHED } from '../support/kernel';

const bench = await KernelBench.open();

const SETTINGS: AdamWSettings = {
  lr: 0.01,
  beta1: 0.9,
  beta2: 0.999,
  eps: 1e-8,
  weight_decay: 0.1,
  clip: 1e9,
};
/** Floats behind the arena. */
const REST = 64;
const STEPS = 3;

/** Values in front of REST that belong to nobody. */
function withRest(values: ArrayLike<number>): Float32Array<ArrayBuffer> {
  const all = new Float32Array(values.length + REST).fill(UNTOUCHED);
  all.set(values);
  return all;
}

// A workgroup updates 256 parameters; all groups together square 8192 gradients at once.
describe.each([
  [4, 1],
  [132, 3],
  [1028, 1],
  [8260, 5],
])('an arena of %i parameters in %i layers', (size, layers) => {
  const random = new HashRandom(size);

  it.each([
    ['as they are', 1e9, 0],
    ['clipped', 0.5, 0.85],
  ])('takes steps along the gradients %s', async (_, clip, ema_decay) => {
    const settings = { ...SETTINGS, clip, ema_decay, layers: { count: layers, decay: 0.6 } };
    const state = adamwState(randomRows(random, 1, size));
    let storage = {
      partials: withRest(new Float32Array(NORM_GROUPS)),
      parameters: withRest(state.parameters),
      gradients: withRest([]),
      firstMoments: withRest(state.firstMoments),
      secondMoments: withRest(state.secondMoments),
      averages: withRest(state.averages),
    };
    for (let step = 1; step <= STEPS; step++) {
      // Of very different magnitude from parameter to parameter.
      const gradients = randomRows(random, 1, size).map((g, i) => Math.fround(g * 10 ** (-i % 3)));
      const { lr, beta1, beta2, eps, weight_decay } = settings;
      const shares = [1 - beta1, 1 - beta2];
      const corrections = [1 - beta1 ** step, 1 - beta2 ** step];
      const average = (1 - ema_decay) / (1 - ema_decay ** step);
      const result = await bench.run({
        storage: { ...storage, gradients: withRest(gradients) },
        uniforms: {
          uniform: Float32Array.of(
            lr,
            ...shares,
            eps,
            weight_decay,
            clip,
            ...corrections,
            0.6,
            average,
            0,
            0,
          ),
        },
        size: {},
        dispatches: ({ uniform, ...arena }) => [
          gradNorm({ size, ...arena }),
          adamw({ size, layers, uniform, ...arena }),
        ],
      });
      storage = result;
      const gradientNorm = adamwStep(state, gradients, settings);
      const partials = Float64Array.from(result.partials.subarray(0, NORM_GROUPS), Math.sqrt);
      const behind = result.partials.subarray(NORM_GROUPS);
      expectRows(Float32Array.of(norm(partials), ...behind), [gradientNorm], 'norm');
      expectRows(result.gradients, new Float64Array(size), 'gradients', { ...FLOAT32, allowZero: true });
      expectRows(result.parameters, state.parameters, 'parameters');
      expectRows(result.firstMoments, state.firstMoments, 'first moments');
      expectRows(result.secondMoments, state.secondMoments, 'second moments');
      expectRows(result.averages, state.averages, 'averages');
    }
  });
});
