import { nodeGpu } from '../../node-gpu';

/** Puts Dawn's WebGPU where libraries for browsers look for one. */
export function provideNavigator(): void {
  Object.defineProperty(globalThis, 'navigator', {
    configurable: true,
    value: { gpu: nodeGpu(), userAgent: 'node' },
  });
}
