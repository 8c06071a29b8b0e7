/** A new identifier that sorts by time of creation: 9 base-36 digits of milliseconds, 10 of randomness. */
export function newId(now: number = Date.now()): string {
  const random = crypto.getRandomValues(new Uint8Array(10));
  let tail = '';
  for (const byte of random) tail += (byte % 36).toString(36);
  return now.toString(36).padStart(9, '0') + tail;
}
