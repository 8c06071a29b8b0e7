import type { ExportedFile } from '../protocol/protocol';

/** Hands the user a file. */
export function download({ name, content }: ExportedFile): void {
  const url = URL.createObjectURL(new Blob([content]));
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  // The browser has begun to read it by then.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
