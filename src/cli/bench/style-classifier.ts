import { createRandom } from '../../shared/random';
import { type Style, type StyledPrompt, STYLES } from './styles';

/** Hashed n-grams: a power of two, so that a mask finds the bucket. */
const BUCKETS = 2 ** 14;
const LONGEST_NGRAM = 4;
/** After the n-grams: bias, logarithm of the words, words, numbered items. */
const FEATURES = BUCKETS + 4;
const EPOCHS = 8;
/** Of AdaGrad (Duchi et al. 2011): each weight's steps shrink with what it has already moved. */
const LEARNING_RATE = 0.2;
/** L2, on the weights that a text touches. */
const DECAY = 1e-4;

/** A text as the indices and values of its features other than 0. */
interface Features {
  index: Int32Array;
  value: Float64Array;
}

/** Tells styles apart. */
export interface StyleClassifier {
  classify: (reply: string) => Style;
  /** Share of the held-out replies that it names rightly; chance is 1/6. */
  heldOutAccuracy: number;
}

/**
 * Multinomial logistic regression on hashed character n-grams (1 to 4) and length. It learns from the `train` split
 * and is measured on the `held` one, so its errors are known before it judges what a model writes.
 */
export function trainStyleClassifier(
  data: Record<'train' | 'held', readonly StyledPrompt[]>,
  seed: number,
): StyleClassifier {
  const train = labelled(data.train).map(({ reply, label }) => ({ features: featuresOf(reply), label }));
  const weights = new Float64Array(STYLES.length * FEATURES);
  const squares = new Float64Array(weights.length);
  const random = createRandom(seed);
  for (let epoch = 0; epoch < EPOCHS; epoch++) {
    for (const { features, label } of random.shuffle(train)) learn(weights, squares, features, label);
  }
  const classify = (reply: string): Style => {
    const scores = logits(weights, featuresOf(reply));
    return STYLES[scores.indexOf(Math.max(...scores))] ?? STYLES[0];
  };
  const held = labelled(data.held);
  const right = held.filter(({ reply, label }) => classify(reply) === STYLES[label]).length;
  return { classify, heldOutAccuracy: right / held.length };
}

function labelled(prompts: readonly StyledPrompt[]): { reply: string; label: number }[] {
  return prompts.flatMap(({ replies }) => STYLES.map((style, label) => ({ reply: replies[style], label })));
}

/** One step of AdaGrad on the cross-entropy of one text. */
function learn(weights: Float64Array, squares: Float64Array, features: Features, label: number): void {
  const scores = logits(weights, features);
  const largest = Math.max(...scores);
  const exponentials = scores.map((score) => Math.exp(score - largest));
  const sum = exponentials.reduce((total, exponential) => total + exponential, 0);
  exponentials.forEach((exponential, style) => {
    const error = exponential / sum - (style === label ? 1 : 0);
    features.index.forEach((feature, i) => {
      const at = style * FEATURES + feature;
      const weight = weights[at] ?? 0;
      const gradient = error * (features.value[i] ?? 0) + DECAY * weight;
      const square = (squares[at] ?? 0) + gradient ** 2;
      squares[at] = square;
      // A text's own error may round to 0 before anything has moved.
      if (square > 0) weights[at] = weight - (LEARNING_RATE * gradient) / Math.sqrt(square);
    });
  });
}

function logits(weights: Float64Array, { index, value }: Features): number[] {
  return STYLES.map((_, style) => {
    let score = 0;
    index.forEach((feature, i) => {
      score += (weights[style * FEATURES + feature] ?? 0) * (value[i] ?? 0);
    });
    return score;
  });
}

/** n-gram counts, damped by a logarithm and scaled to length 1, then what is known of the length. */
function featuresOf(reply: string): Features {
  const text = `^${reply.trim().toLowerCase()}$`;
  const counts = new Map<number, number>();
  for (let start = 0; start < text.length; start++) {
    // FNV-1a, going on from each n-gram to the next longer one.
    let hash = 0x811c9dc5;
    for (let end = start; end < Math.min(text.length, start + LONGEST_NGRAM); end++) {
      hash = Math.imul(hash ^ text.charCodeAt(end), 0x01000193);
      const bucket = (hash ^ (hash >>> 15)) & (BUCKETS - 1);
      counts.set(bucket, (counts.get(bucket) ?? 0) + 1);
    }
  }
  const damped = [...counts.values()].map((count) => 1 + Math.log(count));
  const norm = Math.hypot(...damped);
  const words = reply.split(/\s+/).filter(Boolean).length;
  const items = reply.match(/(^|\s)\d[.)]\s/g)?.length ?? 0;
  return {
    index: Int32Array.from([...counts.keys(), BUCKETS, BUCKETS + 1, BUCKETS + 2, BUCKETS + 3]),
    value: Float64Array.from([
      ...damped.map((count) => count / norm),
      1,
      Math.log1p(words) / 4,
      words / 50,
      Math.min(items, 3) / 3,
    ]),
  };
}
