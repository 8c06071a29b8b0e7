import { describe, expect, it } from 'vitest';
import { switchChart, switchCsv, switchMarkdown, type SwitchRow } from '../../../src/cli/bench/switch-report';

const row = (changes: Partial<SwitchRow>): SwitchRow => ({
  from: 'list',
  to: 'short',
  signals: 'pairs',
  detector: 'on',
  seed: 1,
  given: 4,
  kept: true,
  scale: 1,
  reason: 'Kept.',
  outdated: 0,
  accuracy_from: 0.9,
  accuracy_to: 0.4,
  device: 'a device',
  ...changes,
});

const ROWS = [
  row({ accuracy_to: 0.85 }),
  row({ given: 12, accuracy_to: 0.7 }),
  row({ given: 16, accuracy_to: 0.81, outdated: 8 }),
  row({ given: 20, accuracy_to: 0.9, outdated: 8 }),
  row({ seed: 2, given: 20, accuracy_to: 0.7 }),
  row({ detector: 'off', given: 20, accuracy_to: 0.5 }),
];

describe('the report on users who change their mind', () => {
  it('counts the signals of the new taste alone', () => {
    const missing = [{ from: 'list', to: 'short', signals: 'pairs', detector: 'off', seed: 2 }] as const;
    const text = switchMarkdown(ROWS, { command: 'npm run cli', before: 8, missing });
    expect(text).toContain('- pairs, detector off: list to short (2)');
    expect(text).toContain('| list | short | pairs | on | 8, – | 8, – | 0.800 |');
    expect(text).toContain('| list | short | pairs | off | – | – | 0.500 |');
  });

  it('has one CSV line an update', () => {
    const lines = switchCsv(ROWS).trimEnd().split('\n');
    expect(lines).toHaveLength(ROWS.length + 1);
    expect(lines[3]).toBe('list,short,pairs,on,1,16,true,1,8,0.9,0.81');
  });

  it('draws both tastes, and where they change', () => {
    const svg = switchChart(ROWS, 8);
    expect(svg.match(/<polyline/g)).toHaveLength(4);
    expect(svg).toContain('>new taste</text>');
    expect(svg).not.toMatch(/NaN|undefined/);
  });
});
