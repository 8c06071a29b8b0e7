/** What went wrong, in a form that code can branch on. The message is for people and says what to do. */
export type ErrorCode =
  | 'no-webgpu' // the browser or the machine offers no usable WebGPU adapter
  | 'device-lost' // the GPU was reset or taken away
  | 'out-of-memory' // the device refused a buffer
  | 'shader-compile' // a WGSL kernel did not compile: a bug in this project
  | 'bad-file' // a file is corrupt, truncated or of another kind
  | 'bad-input' // an argument or a line of input makes no sense
  | 'mismatch' // an adapter or a backup belongs to another model
  | 'unsupported' // a valid file that asks for something not implemented
  | 'network' // a file of the own origin could not be fetched
  | 'quota' // the disk, or the origin's share of it, is full
  | 'storage' // IndexedDB failed for another reason
  | 'locked' // another tab holds the engine
  | 'cancelled' // the user cancelled
  | 'internal'; // a broken invariant

/** The form in which an error crosses the Worker. */
export interface PlainError {
  code: ErrorCode;
  message: string;
  stack?: string;
  cause?: PlainError;
}

/** The one error class of the project. */
export class ThumbprintError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'ThumbprintError';
    this.code = code;
  }
}

/** Structure of any thrown value, for `postMessage`. */
export function toPlainError(error: unknown): PlainError {
  if (!(error instanceof Error)) return { code: 'internal', message: String(error) };
  const plain: PlainError = {
    code: error instanceof ThumbprintError ? error.code : codeOfForeignError(error),
    message: error.message,
  };
  if (error.stack !== undefined) plain.stack = error.stack;
  if (error.cause !== undefined) plain.cause = toPlainError(error.cause);
  return plain;
}

/** The error again, on the other side of the Worker. */
export function fromPlainError(plain: PlainError): ThumbprintError {
  const error = new ThumbprintError(
    plain.code,
    plain.message,
    plain.cause === undefined ? undefined : { cause: fromPlainError(plain.cause) },
  );
  if (plain.stack !== undefined) error.stack = plain.stack;
  return error;
}

function codeOfForeignError(error: Error): ErrorCode {
  if (error.name === 'QuotaExceededError') return 'quota';
  if (error.name === 'AbortError') return 'cancelled';
  return 'internal';
}

/** Message of any thrown value. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
