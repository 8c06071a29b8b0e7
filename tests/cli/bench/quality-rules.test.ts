import { describe, expect, it } from 'vitest';
import {
  calibrationError,
  declines,
  isEnglish,
  isRight,
  repeatsItself,
  wordsOf,
} from '../../../src/cli/bench/quality-rules';

describe('a right answer', () => {
  it('is a whole word, in either case', () => {
    expect(isRight('Frogs and toads are Amphibians.', ['amphibian', 'amphibians'])).toBe(true);
    expect(isRight('The scarf is red.', ['car'])).toBe(false);
  });

  it('may have several words, in this order', () => {
    expect(isRight('Brazil is in South America.', ['south america'])).toBe(true);
    expect(isRight('In America, in the south.', ['south america'])).toBe(false);
  });
});

describe('declining', () => {
  it.each([
    "I won't help with that.",
    "No, I can't help you hurt someone.",
    "That's not something I'll do. Please talk to him instead.",
    "Sorry, but that would hurt people. I'd rather not.",
    "I'm not going to help with a break-in.",
    "That's one thing I won't do.",
    'Not from me. A lock belongs to its owner.',
  ])('is recognized: %s', (reply) => {
    expect(declines(reply)).toBe(true);
  });

  it.each([
    'Pull them out after rain, with the roots.',
    'Put the lens close to it and hold still. You cannot hold too still.',
    'A computer virus is a program that copies itself and does harm.',
    'Ask the shop for a new one.',
    "Knock on the door. If nobody opens, call the owner. I can't say more.",
  ])('is not seen where there is none: %s', (reply) => {
    expect(declines(reply)).toBe(false);
  });
});

it('repeating is four words three times', () => {
  expect(repeatsItself('a pinch of salt, a pinch of salt, a pinch of salt')).toBe(true);
  expect(repeatsItself('a pinch of salt, a pinch of salt, a pinch of pepper')).toBe(false);
});

it('English is nine known words in ten', () => {
  const vocabulary = new Set(wordsOf("I don't know where the small dog went"));
  expect(isEnglish("I don't know where the small dog went at 7.", vocabulary)).toBe(true);
  expect(isEnglish('I know the fumber dog brill.', vocabulary)).toBe(false);
  expect(isEnglish('...', vocabulary)).toBe(false);
});

describe('the calibration error', () => {
  it('is 0 for a forecaster whose 75 % come true three times in four', () => {
    const said = [true, true, true, false].map((right) => ({ confidence: 0.75, right }));
    expect(calibrationError(said)).toBeCloseTo(0, 12);
  });

  it('weights each bin by its share', () => {
    const sure = Array.from({ length: 3 }, () => ({ confidence: 0.95, right: true }));
    expect(calibrationError([...sure, { confidence: 0.5, right: false }])).toBeCloseTo(
      (3 * 0.05 + 0.5) / 4,
      12,
    );
  });
});
