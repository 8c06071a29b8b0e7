import { expect, test } from 'vitest';
import { LoadingMeter } from '../../src/app/state/loading-meter';
import type { LoadingProgress } from '../../src/protocol/protocol';

const report = (loadedBytes: number, stage: LoadingProgress['stage'] = 'download'): LoadingProgress => ({
  stage,
  loadedBytes,
  totalBytes: 1000,
});

test('rate and time left from the bytes since the stage began', () => {
  const meter = new LoadingMeter();
  expect(meter.measure(report(200), 5000)).toMatchObject({ bytesPerSecond: null, secondsLeft: null });
  expect(meter.measure(report(250), 5100).bytesPerSecond).toBeNull();
  expect(meter.measure(report(600), 7000)).toMatchObject({ bytesPerSecond: 200, secondsLeft: 2 });
  expect(meter.measure(report(1000), 9000)).toMatchObject({ bytesPerSecond: 200, secondsLeft: 0 });
});

test('a new stage, or a download begun anew, is measured from its own start', () => {
  const meter = new LoadingMeter();
  meter.measure(report(400), 0);
  meter.measure(report(900), 1000);
  expect(meter.measure(report(100), 2000).bytesPerSecond).toBeNull();
  expect(meter.measure(report(200), 3000).bytesPerSecond).toBe(100);
  expect(meter.measure(report(300, 'compile'), 3500).bytesPerSecond).toBeNull();
});
