import { klPerToken } from '../model/divergence';
import type { Sequence } from '../model/packed-batch';
import { createRandom } from '../shared/random';
import { judgedReply, judgementsOf, sequencesOf } from './examples';
import type { Trainer } from './trainer';
import type { Hyperparameters, StepResult, TrainingExample } from './types';

/**
 * The examples of a step: epochs of a seeded shuffle, cut into batches. A pure function of its arguments, so that a
 * resumed update goes on exactly as it would have.
 */
export function batchAt<T>(examples: readonly T[], batchSize: number, seed: number, step: number): T[] {
  const size = Math.min(batchSize, examples.length);
  const perEpoch = Math.ceil(examples.length / size);
  const epoch = Math.floor(step / perEpoch);
  const order = createRandom(seed + epoch * 0x9e3779b1).shuffle(examples.map((_, index) => index));
  const start = (step % perEpoch) * size;
  // The last batch of an epoch is filled from its beginning.
  return Array.from({ length: size }, (_, i) => examples[order[(start + i) % order.length] ?? 0]).filter(
    (example): example is T => example !== undefined,
  );
}

/** The examples of a step, with their share of rehearsal. */
function stepExamples(
  examples: readonly TrainingExample[],
  rehearsal: readonly TrainingExample[],
  hyperparameters: Hyperparameters,
  seed: number,
  step: number,
): TrainingExample[] {
  const batch = batchAt(examples, hyperparameters.batch_size, seed, step);
  if (rehearsal.length === 0 || hyperparameters.rehearsal === 0) return batch;
  const recalled = batchAt(rehearsal, hyperparameters.rehearsal, seed + 1, step);
  return [...batch, ...recalled.map((example) => ({ ...example, weight: hyperparameters.rehearsal_weight }))];
}

/** Fills in the base model's log-probabilities where they are missing. */
export async function addReferences(
  trainer: Trainer,
  examples: readonly TrainingExample[],
): Promise<TrainingExample[]> {
  const missing = examples.filter((example) => example.kind !== 'text' && example.reference === undefined);
  const scores = await trainer.score(missing.flatMap(sequencesOf), 'base');
  let next = 0;
  const take = (): number => scores[next++]?.logprob ?? NaN;
  return examples.map((example) => {
    if (example.kind === 'text' || example.reference !== undefined) return example;
    if (example.kind === 'thumb') return { ...example, reference: take() };
    return { ...example, reference: { chosen: take(), rejected: take() } };
  });
}

/** Texts as training examples. */
export function rehearsalExamples(texts: readonly Sequence[]): TrainingExample[] {
  return texts.map(({ prompt, reply }, index) => ({
    kind: 'text',
    id: `rehearsal ${index}`,
    prompt: [...prompt],
    reply: [...reply],
  }));
}

export interface TrainHooks {
  /** Texts of the model's own training: `hyperparameters.rehearsal` of them join every step. */
  rehearsal?: readonly TrainingExample[];
  /** After every step, with the results of all so far. */
  onStep?: (results: readonly StepResult[]) => void | Promise<void>;
  signal?: AbortSignal;
  /** Steps done before an interruption. */
  done?: readonly StepResult[];
  /** `rows` of each step of the training that is to be repeated. */
  rows?: readonly number[];
}

/**
 * How far the predictions have moved is measured on the last judged replies, before each of the first steps, which are
 * the largest, and every other of the rest: it costs a third of a step.
 */
const KL_REPLIES = 4;
const KL_FIRST = 4;

/**
 * Replies that the user likes may not become less likely than under the base by more than this, in nats a token. Preference
 * losses only ask for a difference, and can lower both sides of a pair (Pal et al. 2024).
 */
const LEAST_CHOSEN = -0.1;

/** KL(adapted ‖ base) of the predictions of the last judged replies, in nats a token. */
export async function judgedKl(
  trainer: Trainer,
  examples: readonly TrainingExample[],
  count = KL_REPLIES,
): Promise<number> {
  return klPerToken(await trainer.compare(judgementsOf(examples).slice(-count).map(judgedReply)));
}

/**
 * Runs the steps of an update that are not done yet, and answers the results of all. Stops early once the mean margin of
 * two steps in a row passes `margin_stop`, as what is learned already is only overlearned, once the liked replies of two
 * steps in a row are less likely than under the base, or once the predictions have moved by `kl_stop`. A training that is repeated takes as many steps as it did. What it leaves in the trainer is the moving
 * average of the steps.
 * @throws the signal's reason when cancelled.
 */
export async function runSteps(
  trainer: Trainer,
  examples: readonly TrainingExample[],
  hyperparameters: Hyperparameters,
  seed: number,
  hooks: TrainHooks = {},
): Promise<StepResult[]> {
  const results: StepResult[] = [...(hooks.done ?? [])];
  const lastTwo = (is: (result: StepResult) => boolean): boolean =>
    results.length >= 2 && results.slice(-2).every(is);
  const learned = (): boolean => lastTwo(({ margin }) => margin > hyperparameters.margin_stop);
  const worse = (): boolean => !hooks.rows && lastTwo(({ chosen }) => chosen < LEAST_CHOSEN);
  const moved = async (step: number): Promise<boolean> =>
    !hooks.rows &&
    step > 0 &&
    (step <= KL_FIRST || step % 2 === 0) &&
    Number.isFinite(hyperparameters.kl_stop) &&
    (await judgedKl(trainer, examples)) > hyperparameters.kl_stop;
  const steps = Math.min(hyperparameters.steps, hooks.rows?.length ?? Infinity);
  for (let step = results.length; step < steps && !learned() && !worse(); step++) {
    hooks.signal?.throwIfAborted();
    if (await moved(step)) break;
    const result = await trainer.step(
      stepExamples(examples, hooks.rehearsal ?? [], hyperparameters, seed, step),
      {
        ...hyperparameters,
        // Decays linearly: the last steps settle what the first ones found.
        learning_rate: hyperparameters.learning_rate * (1 - step / hyperparameters.steps),
      },
      hooks.rows?.[step],
    );
    results.push(result);
    await hooks.onStep?.(results);
  }
  trainer.average();
  return results;
}
