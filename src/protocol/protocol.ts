/** The language between the page and the engine's Worker. Commands are answered once; events arrive at any time. */
import type { PlainError } from '../shared/errors';
import type {
  AdapterSummary,
  ChatTurn,
  Conversation,
  Message,
  Receipt,
  Repetition,
  Settings,
  Signal,
} from '../shared/records';

/** What versions are compared by: the question before a reply, or turns of their own, to which the system prompt comes. */
export type Question = { messageId: string } | { turns: readonly ChatTurn[] };

export type Command =
  /**
   * Opens storage, the device, the model; resumes an interrupted update. Answered when ready. Fails with `locked` when
   * another tab runs the engine, unless it is to be taken over.
   */
  | { type: 'start'; takeOver?: boolean }
  | { type: 'send'; conversationId: string | null; parentId: string | null; text: string }
  /** A sibling of the reply, written anew. */
  | { type: 'regenerate'; messageId: string }
  | { type: 'stop' }
  /** What a version answers, not stored; 0 is the base. */
  | { type: 'compare'; question: Question; version: number }
  | { type: 'signal'; messageId: string; kind: 'up' | 'down' }
  | { type: 'edit'; messageId: string; text: string }
  | { type: 'withdraw'; signalId: string }
  /** Withdraws it, goes back to the last version that has not learned it, and learns the rest anew from there. */
  | { type: 'unlearn'; signalId: string }
  /** Which branch is on screen. */
  | { type: 'select-branch'; conversationId: string; headId: string }
  | { type: 'rename-conversation'; conversationId: string; title: string }
  | { type: 'delete-conversation'; conversationId: string }
  | { type: 'train-now' }
  | { type: 'pause-training' }
  | { type: 'resume-training' }
  | { type: 'cancel-training' }
  /** An update as a file from which it can be repeated. */
  | { type: 'export-receipt'; receiptId: string }
  /** Reads such a file, to show it. */
  | { type: 'open-receipt'; text: string }
  /** Trains and judges once more what the receipt tells of, one stored here or one on file; nothing is stored. */
  | { type: 'repeat-receipt'; source: { receiptId: string } | { text: string } }
  /** The two files of a PEFT adapter. */
  | { type: 'export-adapter'; version: number }
  /** A new version from the files of a PEFT adapter, and its use. */
  | { type: 'import-adapter'; files: { name: string; bytes: Uint8Array<ArrayBuffer> }[] }
  /** An empty name takes the name away. */
  | { type: 'name-adapter'; version: number; name: string }
  /** Its receipt stays. Not the one in use. */
  | { type: 'delete-adapter'; version: number }
  /** Roll back or forward; 0 is the base. */
  | { type: 'use-adapter'; version: number }
  | { type: 'settings'; settings: Partial<Settings> }
  /** Times a reply that is not shown, and each kernel in it. */
  | { type: 'measure-speed' }
  /** Forgets chats, signals, adapters and settings. */
  | { type: 'delete-everything' };

/** What each command answers; commands not named answer nothing. */
export interface Answers {
  start: Snapshot;
  send: { conversationId: string; userMessageId: string; replyId: string };
  regenerate: { replyId: string };
  compare: { text: string; adapter: number };
  signal: { signalId: string };
  edit: { signalId: string };
  'export-receipt': ExportedFile;
  'open-receipt': OpenedReceipt;
  /** With ten differences at most. */
  'repeat-receipt': Repetition;
  'export-adapter': ExportedFile[];
  'import-adapter': { version: number };
  'measure-speed': SpeedReport;
}

/** How fast the device writes. */
export interface SpeedReport {
  msPerToken: number;
  dispatchesPerToken: number;
  /** Bytes of the weights, all of which a token reads. */
  weightBytes: number;
  /** Bytes a second that the device reads and writes when it only copies. */
  copyBytesPerSecond: number;
  /** By token, the dearest kernel first; null where the device measures no time. */
  kernels: { kernel: string; dispatches: number; ms: number }[] | null;
}

/** The receipt of a file. */
export interface OpenedReceipt {
  receipt: Receipt;
  /** Why it cannot be repeated with this model: a sentence that names every reason. */
  mismatch: string | null;
}

/** A file for the user to keep. */
export interface ExportedFile {
  name: string;
  content: string | ArrayBuffer;
}

export type AnswerOf<T extends Command['type']> = T extends keyof Answers ? Answers[T] : undefined;

export type Phase = 'loading' | 'ready' | 'generating' | 'training' | 'updated' | 'refused' | 'error';

export interface LoadingProgress {
  /** What is being done, for people. */
  stage: 'device' | 'download' | 'compile' | 'resume';
  loadedBytes: number;
  totalBytes: number;
}

export interface TrainingProgress {
  step: number;
  steps: number;
  loss: number;
  /** Mean implicit reward margin of the step's examples. */
  margin: number;
  secondsLeft: number | null;
  paused: boolean;
  /** Shown before the first step and after the last. */
  stage: 'reference' | 'training' | 'gate';
}

/** All that the page shows beside the messages of the open conversation. */
export interface Snapshot {
  model: { name: string; sha256: string; parameters: number; bytes: number; contextLength: number };
  device: { description: string; features: string[] };
  activeAdapter: number;
  adapters: AdapterSummary[];
  receipts: Receipt[];
  signals: Signal[];
  settings: Settings;
  conversations: Conversation[];
}

export type EngineEvent =
  /** The status line. `detail` is a finished sentence. */
  | { type: 'phase'; phase: Phase; detail: string }
  | { type: 'loading'; progress: LoadingProgress }
  | { type: 'snapshot'; snapshot: Snapshot }
  | { type: 'conversation'; conversation: Conversation }
  /** A message was written or has changed; the whole of it. */
  | { type: 'message'; message: Message }
  /** More text of a streaming message. */
  | { type: 'delta'; messageId: string; text: string }
  | { type: 'training'; progress: TrainingProgress | null }
  /** An update ended. */
  | { type: 'receipt'; receipt: Receipt }
  /** Another tab has taken the engine over. The last event: the Worker has ended. */
  | { type: 'displaced' }
  /** Something failed outside a command. */
  | { type: 'error'; error: PlainError };

export interface CommandEnvelope {
  id: number;
  command: Command;
}

export type WorkerMessage =
  | { type: 'answer'; id: number; value: unknown }
  | { type: 'failure'; id: number; error: PlainError }
  | { type: 'event'; event: EngineEvent };
