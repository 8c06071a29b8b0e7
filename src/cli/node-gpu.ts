import { create, globals } from 'webgpu';

/** Milliseconds that the event loop rests before it asks Dawn again whether the device has finished. */
const REST = 0.3;

let dawn: GPU | undefined;

/** Dawn's WebGPU for Node. It lives as long as the process: devices that outlive it crash. */
export function nodeGpu(): GPU {
  if (dawn) return dawn;
  Object.assign(globalThis, globals);
  dawn = create([]);
  void dawn.requestAdapter().then((adapter) => {
    if (adapter?.info.isFallbackAdapter) restBetweenTurns();
  });
  return dawn;
}

/**
 * While Dawn waits it takes turn after turn of the event loop by the global `setImmediate` (Node's own parts use another
 * one). Where the "GPU" is the processor, that takes a core away from the very work it waits for, so each turn begins
 * with a short rest.
 */
function restBetweenTurns(): void {
  const next = globalThis.setImmediate;
  const never = new Int32Array(new SharedArrayBuffer(4));
  const resting = <Args extends unknown[]>(turn: (...args: Args) => void, ...args: Args): NodeJS.Immediate =>
    next(() => {
      Atomics.wait(never, 0, 0, REST);
      turn(...args);
    });
  globalThis.setImmediate = Object.assign(resting, { __promisify__: next.__promisify__ });
}
