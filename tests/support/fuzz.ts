import { ThumbprintError } from '../../src/shared/errors';
import { createRandom } from '../../src/shared/random';

/**
 * Feeds damaged copies of a file to a parser: bytes changed, cut off, repeated. Each must give a result or a
 * ThumbprintError; how often each happened is answered, so that a test can tell that both do.
 */
export async function fuzz(
  bytes: Uint8Array<ArrayBuffer>,
  rounds: number,
  parse: (damaged: Uint8Array<ArrayBuffer>) => unknown,
): Promise<{ accepted: number; refused: number }> {
  const random = createRandom(20_26);
  const outcome = { accepted: 0, refused: 0 };
  for (let round = 0; round < rounds; round++) {
    let damaged = bytes.slice();
    // Most of the damage goes where the structure is: at the front.
    const reach = random.int(2) === 0 ? damaged.length : Math.min(damaged.length, 2048);
    for (let n = random.int(4); n >= 0; n--) damaged[random.int(reach)] = random.int(256);
    if (random.int(3) === 0) damaged = damaged.slice(0, random.int(damaged.length));
    try {
      await parse(damaged);
      outcome.accepted++;
    } catch (error) {
      if (!(error instanceof ThumbprintError)) throw error;
      outcome.refused++;
    }
  }
  return outcome;
}
