import { describe, expect, it } from 'vitest';
import { gateChart } from '../../../src/cli/bench/gate-chart';
import { gateCsv, gateMarkdown, type GateRow } from '../../../src/cli/bench/gate-report';
import { relabel, type SimulatedSignal } from '../../../src/cli/bench/styles';

const row = (changes: Partial<GateRow>): GateRow => ({
  style: 'list',
  signals: 'pairs',
  labels: 'honest',
  k: 20,
  seed: 1,
  kept: true,
  scale: 1,
  reason: '',
  figures: [
    { name: 'unseen_gain', before: 0.5, after: 0.9, limit: 0.05, p: 0.001234, count: 20, passed: true },
    { name: 'anchor_bits_per_token', before: 4, after: 4.05, limit: 0.08, count: 64, passed: true },
  ],
  training_seconds: 10,
  gate_seconds: 5,
  device: 'a device',
  ...changes,
});
const refused = row({
  labels: 'coin',
  kept: false,
  figures: [{ name: 'unseen_gain', before: 0.5, after: 0.5, limit: 0.05, p: 0.6, count: 20, passed: false }],
});

describe('the report of the gate', () => {
  it('has a line an update, with what was measured', () => {
    const [header, line] = gateCsv([row({})]).split('\n');
    expect(header).toMatch(/^style,signals,labels,k,seed,kept,scale,p,unseen_gain,/);
    expect(line).toBe('list,pairs,honest,20,1,true,1,0.0012,0.9,,,,,,,,,4.05,,,,,');
  });

  it('counts what was kept, and what the rest failed by', () => {
    const report = gateMarkdown([row({}), row({ scale: 0.5, gate_seconds: 9 }), refused], {
      command: 'x',
      missing: [{ style: 'warm', signals: 'pairs', labels: 'coin', k: 20, seed: 2 }],
    });
    // Wilson's interval of 2 of 2 and of 0 of 1; the mean and the largest time.
    expect(report).toMatch(
      '| honest | pairs | 20 | 2 of 2 (1 at less than full strength) | 34–100 % | – | 0.70 (0.90) |',
    );
    expect(report).toMatch('| coin | pairs | 20 | 0 of 1 | 0–79 % | unseen_gain 1 | 0.50 (0.50) |');
    expect(report).toMatch('- pairs, coin, K = 20: warm (2)');
    // Honest users only; forgetting as a difference.
    expect(report).toMatch('| unseen_gain | 0.900 | 0.900 | 0.900 |');
    expect(report).toMatch('| anchor_bits_per_token | 0.050 | 0.050 | 0.050 |');
  });
});

describe('the plot of the gate', () => {
  const untested = row({ labels: 'coin', kept: false, figures: [] });
  const svg = gateChart([row({}), refused, untested]);
  const dots = [...svg.matchAll(/<circle cx="([\d.]+)" cy="([\d.]+)" r="3.5" fill-opacity="([01])"/g)].map(
    ([, x, y, filled]) => ({ x: Number(x), y: Number(y), filled }),
  );

  it('has a dot for each update that was tested, filled where it was kept', () => {
    expect(dots.map(({ filled }) => filled)).toEqual(['1', '0']);
    expect(svg).toContain('>honest</text>');
    expect(svg).toContain('>1 of 2 tested</text>');
    expect(svg).not.toMatch(/NaN|undefined/);
  });

  it('draws what is likelier chance higher, on either side of the limit', () => {
    const limit = Number(/y1="([\d.]+)" y2="[\d.]+" stroke="#222"/.exec(svg)?.[1]);
    expect(svg).toContain('>limit 0.05</text>');
    const [kept, refusedDot] = dots;
    expect(kept?.y).toBeGreaterThan(limit);
    expect(refusedDot?.y).toBeLessThan(limit);
    expect(refusedDot?.x).toBeGreaterThan(kept?.x ?? Infinity);
  });
});

describe('a simulated user', () => {
  const signals = Array.from({ length: 400 }, (_, i): SimulatedSignal =>
    i % 2 === 0 ? { prompt: '', chosen: 'a', rejected: 'b' } : { prompt: '', reply: 'a', up: true },
  );
  const turned = (labels: Parameters<typeof relabel>[1]): number =>
    relabel(signals, labels, 3).filter((signal) => ('up' in signal ? !signal.up : signal.chosen === 'b'))
      .length;

  it('judges as they mean it, by a coin, or one in five the wrong way round', () => {
    expect(turned('honest')).toBe(0);
    expect(turned('coin')).toBeGreaterThan(160);
    expect(turned('coin')).toBeLessThan(240);
    expect(turned('flipped')).toBeGreaterThan(55);
    expect(turned('flipped')).toBeLessThan(105);
  });
});
