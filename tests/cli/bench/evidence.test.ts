import { describe, expect, it } from 'vitest';
import { JUDGED, PERSONALIZED, SWITCHED } from '../../../src/cli/bench/evidence';
import { nameOf } from '../../../src/cli/bench/users';

describe('all evidence', () => {
  const count = (of: (typeof PERSONALIZED)[number]['labels']): number =>
    PERSONALIZED.filter(({ style, labels }) => style !== 'shorter' && labels === of).length;

  it('trains users of six styles, with both signals, six counts of them and three seeds', () => {
    expect(count('honest')).toBe(6 * 2 * 6 * 3);
    expect([count('flipped'), count('coin')]).toEqual([6 * 2 * 3, 6 * 2 * 3]);
    expect(PERSONALIZED.filter(({ style }) => style === 'shorter')).toHaveLength(2 * 3);
    expect(PERSONALIZED.filter(({ labels, k }) => labels !== 'honest' && k !== 20)).toEqual([]);
  });

  it('judges seven seeds of each label, and follows one change of mind with and without the detector', () => {
    expect(JUDGED).toHaveLength(6 * 3 * 7);
    expect(JUDGED.every(({ signals, k }) => signals === 'pairs' && k === 20)).toBe(true);
    expect(SWITCHED).toHaveLength(2 * 3);
  });

  it('has no user twice', () => {
    for (const users of [PERSONALIZED, JUDGED]) expect(new Set(users.map(nameOf)).size).toBe(users.length);
  });
});
