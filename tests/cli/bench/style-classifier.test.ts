import { beforeAll, describe, expect, it } from 'vitest';
import { trainStyleClassifier, type StyleClassifier } from '../../../src/cli/bench/style-classifier';
import { readStyles, type StyledPrompt, STYLES } from '../../../src/cli/bench/styles';
import { createRandom } from '../../../src/shared/random';

let data: Record<'train' | 'held', StyledPrompt[]>;
let classifier: StyleClassifier;

beforeAll(async () => {
  data = await readStyles('models/recipe/data/thumbling_styles.jsonl.gz');
  classifier = trainStyleClassifier(data, 1);
});

describe('the style classifier', () => {
  it('names styles of prompts it has never seen', () => {
    expect(classifier.heldOutAccuracy).toBeGreaterThan(0.8);
  });

  it('knows the plain cases', () => {
    expect(classifier.classify('1. Open the window. 2. Let the air in. 3. Close it again.')).toBe('list');
    expect(classifier.classify('Yes, at noon.')).toBe('short');
  });

  it('is the same for the same seed', () => {
    const again = trainStyleClassifier(data, 1);
    const texts = data.held.flatMap(({ replies }) => Object.values(replies));
    expect(texts.map(again.classify)).toEqual(texts.map(classifier.classify));
  });

  it('finds nothing where there is nothing: shuffled labels leave chance', () => {
    const random = createRandom(7);
    const shuffled = data.train.map(({ prompt, replies }): StyledPrompt => {
      const texts = random.shuffle(STYLES.map((style) => replies[style]));
      return { prompt, replies: { ...replies, ...Object.fromEntries(STYLES.map((s, i) => [s, texts[i]])) } };
    });
    const lost = trainStyleClassifier({ train: shuffled, held: data.held }, 1);
    expect(lost.heldOutAccuracy).toBeLessThan(0.35);
  });
});
