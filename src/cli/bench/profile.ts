import { profiled } from '../../gpu/profiler';
import { emptyAdapter } from '../../formats/adapter';
import { Generator } from '../../generation/generator';
import { AdapterSlot } from '../../model/lora';
import { createRandom } from '../../shared/random';
import { ThumbprintError } from '../../shared/errors';
import { addReferences } from '../../training/train';
import { Trainer } from '../../training/trainer';
import { DEFAULT_LORA } from '../../training/types';
import { parseOptions } from '../args';
import { openEngine } from '../engine';
import { modelHyperparameters } from '../hyperparameters';
import { log, printJson } from '../io';
import { GREEDY } from './greedy';
import { randomIds, randomSequences, randomThumbs } from './speed/timings';

const ROUNDS = 3;

/** `bench profile`: what each kernel takes of a training step, a prefill and 32 decoded tokens, without an adapter and with one. */
export async function bench(args: readonly string[]): Promise<void> {
  const { options } = parseOptions(args, { model: 'string', tokens: 'number' }, 1);
  const tokens = options.tokens ?? 40;
  const model = options.model ?? 'models/thumbling';
  const { identity, runtime } = await openEngine({ model, rank: DEFAULT_LORA.rank });
  const { gpu, config } = runtime;
  if (!gpu.device.features.has('timestamp-query')) {
    throw new ThumbprintError('unsupported', 'This device measures no time: it lacks timestamp-query.');
  }
  const slot = new AdapterSlot(gpu, runtime.layout, 'chat');
  const trainer = await Trainer.create(runtime, { rows: 512 });
  const generator = await Generator.create(runtime, slot);
  const examples = await addReferences(trainer, randomThumbs(randomSequences(config.vocab_size, tokens)));
  const random = createRandom(2);
  const prompt = (): number[] => randomIds(random, 4 * tokens, config.vocab_size);
  const cached = prompt();
  const hyperparameters = await modelHyperparameters(model);
  const adapter = emptyAdapter(config, identity.sha256, { ...DEFAULT_LORA, seed: 1 });
  const decode = () => generator.generate(cached, { sampling: { ...GREEDY, max_tokens: 32 }, seed: 0 });
  const works = [
    { name: 'train-step', loaded: null, work: () => trainer.step(examples, hyperparameters) },
    { name: 'prefill', loaded: null, work: () => generator.logits(prompt()) },
    { name: 'decode', loaded: null, work: decode },
    { name: 'decode-adapted', loaded: adapter, work: decode },
  ];
  for (const { name, loaded, work } of works) {
    slot.load(loaded);
    await work();
    const times = await profiled(gpu, work, ROUNDS);
    const total = times.reduce((sum, { ms }) => sum + ms, 0);
    printJson({ bench: 'profile', of: name, device: gpu.info.description, ms: total, kernels: times });
    for (const { kernel, dispatches, ms } of times) {
      log(
        `${name} ${kernel.padEnd(24)} ${ms.toFixed(1).padStart(8)} ms ${((100 * ms) / total).toFixed(0).padStart(3)} % ${String(dispatches).padStart(5)}`,
      );
    }
  }
}
