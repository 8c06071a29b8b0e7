import type { FileSource } from '../formats/tensors';
import { ThumbprintError } from '../shared/errors';

/** Files under a URL of the own origin. */
export function fetchSource(base: string): FileSource {
  return {
    async read(path, onBytes) {
      const response = await fetch(new URL(path, base)).catch((cause: unknown) => {
        throw unreachable(path, cause);
      });
      if (!response.ok || !response.body) throw unreachable(path, `HTTP ${response.status}`);
      const chunks: Uint8Array[] = [];
      let size = 0;
      const reader = response.body.getReader();
      for (;;) {
        const { done, value } = await reader.read().catch((cause: unknown) => {
          throw unreachable(path, cause);
        });
        if (done) break;
        chunks.push(value);
        size += value.byteLength;
        onBytes?.(size);
      }
      const bytes = new Uint8Array(size);
      let at = 0;
      for (const chunk of chunks) {
        bytes.set(chunk, at);
        at += chunk.byteLength;
      }
      return bytes;
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
