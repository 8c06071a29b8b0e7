import type { FileSource } from '../formats/tensors';
import { ThumbprintError } from '../shared/errors';

/** Files under a URL of the own origin. */
export function fetchSource(base: string): FileSource {
  return {
    async *read(path) {
      const response = await fetch(new URL(path, base)).catch((cause: unknown) => {
        throw unreachable(path, cause);
      });
      if (!response.ok || !response.body) throw unreachable(path, `HTTP ${response.status}`);
      const reader = response.body.getReader();
      try {
        for (;;) {
          const { done, value } = await reader.read().catch((cause: unknown) => {
            throw unreachable(path, cause);
          });
          if (done) return;
          yield value;
        }
      } finally {
        // Who stops reading early wants no more of it.
        await reader.cancel().catch(() => undefined);
      }
    },
  };
}

function unreachable(path: string, cause: unknown): ThumbprintError {
  return new ThumbprintError(
    'network',
    `The model's file ${path} could not be loaded. Check the connection and reload the page.`,
    { cause },
  );
}
