/** The records that storage keeps, the engine writes and the page shows. Times are milliseconds since 1970. */

export type Role = 'system' | 'user' | 'assistant';

/** One turn as a chat template takes it. */
export interface ChatTurn {
  role: Role;
  content: string;
}

export interface SamplingSettings {
  /** 0 is greedy. */
  temperature: number;
  /** 0 switches it off. */
  top_k: number;
  /** 1 switches it off. */
  top_p: number;
  /** 0 switches it off. */
  min_p: number;
  /** 1 switches it off (Keskar et al. 2019, CTRL). */
  repetition_penalty: number;
  /** Same seed, same model, same adapter, same prompt: same text. Null draws a new seed for each reply. */
  seed: number | null;
  max_tokens: number;
}

export interface Conversation {
  id: string;
  title: string;
  createdAt: number;
  updatedAt: number;
  /** The leaf of the branch on screen. */
  headId: string | null;
}

export type MessageState = 'streaming' | 'done' | 'stopped' | 'failed';

/** A node of the conversation's tree: siblings are branches. */
export interface Message {
  id: string;
  conversationId: string;
  parentId: string | null;
  role: Role;
  content: string;
  createdAt: number;
  state: MessageState;
  /** Only on replies. */
  reply?: ReplyDetails;
  /** Only on failed replies. */
  error?: string;
}

export interface ReplyDetails {
  /** Version of the adapter that wrote it; 0 is the base model. */
  adapter: number;
  /** sha-256 of the base model. */
  model: string;
  sampling: SamplingSettings;
  /** The seed really used. */
  seed: number;
  tokenIds: number[];
  /** It did not end by itself: it was stopped, or as long as a reply may be. */
  cut?: true;
  promptTokens: number;
  /** Prompt tokens that had to be computed; the rest was in the KV cache. */
  prefilledTokens: number;
  /** Oldest turns left out because the context was full. */
  droppedTurns: number;
  tokensPerSecond: number;
}

export type SignalKind = 'up' | 'down' | 'edit' | 'choose';

/** What the user said of a reply. Append-only: withdrawing writes `withdrawnAt`. */
export interface Signal {
  id: string;
  kind: SignalKind;
  createdAt: number;
  withdrawnAt?: number;
  conversationId: string;
  /** The reply judged (for `edit` the original, for `choose` the one preferred). */
  messageId: string;
  /** Turns before the reply, so that the signal outlives its conversation. */
  context: ChatTurn[];
  /** The reply that is liked: absent for `down`. At least one of the two is there. */
  chosen?: string;
  /** The reply that is disliked: absent for `up`, and for the edit of an empty reply. */
  rejected?: string;
  /** Which of the two was cut off: where it breaks off is not to be learned as an end. */
  cut?: { chosen?: true; rejected?: true };
  /** Adapter version that wrote the judged reply. */
  adapter: number;
  /** sha-256 of the base model that wrote it. */
  model: string;
  /**
   * Base log-probabilities (natural, sum over reply tokens, end token included unless the reply was cut), filled by the
   * first training with a model: `model` where that is not the one that wrote the reply.
   */
  reference?: { model?: string; chosen?: number; rejected?: number };
}

/**
 * What a gate may measure, in the order of a receipt. `trained_…`: measured on the signals trained on, while there are too
 * few to hold some back. `unseen_gain`: of the judgements that training has not seen, the share that became surer.
 * `unseen_brier`: the mean squared error of its probabilities of them.
 * `own_kl_per_token`: nats by which the candidate's predictions of the judged replies differ from the base's.
 * `length_ratio`: expected length of the candidate's replies beside the base's.
 */
export const GATE_FIGURES = [
  'unseen_gain',
  'unseen_brier',
  'held_out_accuracy',
  'held_out_margin',
  'trained_accuracy',
  'trained_margin',
  'held_out_brier',
  'trained_brier',
  'earlier_accuracy',
  'anchor_bits_per_token',
  'own_kl_per_token',
  'entropy_ratio',
  'length_ratio',
  'decline_log_odds',
  'correct_log_odds',
] as const;

export interface GateFigure {
  name: (typeof GATE_FIGURES)[number];
  before: number;
  after: number;
  /** Largest harm allowed; of `unseen_gain` the largest `p`. */
  limit: number;
  /** How likely it is by chance, where that is tested. */
  p?: number;
  /** How many items were measured. */
  count: number;
  passed: boolean;
}

export interface SkippedSignal {
  signalId: string;
  reason: string;
}

/** Enough to explain an update and to repeat it. */
export interface Receipt {
  id: string;
  createdAt: number;
  decision: 'kept' | 'refused' | 'cancelled' | 'failed' | 'imported';
  /** One sentence for people. */
  reason: string;
  model: string;
  parentVersion: number;
  /** Given only when kept. */
  version?: number;
  /** Signals trained on. */
  signalIds: string[];
  /** Signals kept from training, which judged the candidate. */
  heldOutIds: string[];
  /** Signals that cannot be learned from, and why. */
  skipped: SkippedSignal[];
  seed: number;
  hyperparameters: Record<string, number>;
  /** Per step. */
  losses: number[];
  margins: number[];
  /** By how many nats a token the liked replies were likelier than under the base. Absent in older receipts. */
  chosen?: number[];
  /** Most tokens of each step's micro-batches, which decide in what order gradients are added up. */
  rows?: number[];
  /** sha-256 of the candidate's safetensors, kept or not. */
  candidate?: string;
  figures: GateFigure[];
  /** Factor on what was trained that the figures were measured at; 1 when absent. */
  scale?: number;
  /** Of each signal that was new, the margin in nats by which the version before would have agreed with it. */
  predictions?: Record<string, number>;
  /** Signals from before the user's taste changed, which counted less. */
  outdatedIds?: string[];
  /** Training and gate. */
  seconds: number;
  /** Of these, the gate's. */
  gateSeconds?: number;
  /** The graphics processor, as it calls itself. */
  device?: string;
  /** sha-256 of the model's texts of which some were rehearsed and others judged it: `textsSha256`. */
  textsSha256?: string;
}

/** A number of a receipt beside the one found by repeating the update; null where there is none. */
export interface Difference {
  what: string;
  then: number | null;
  now: number | null;
}

/** What an update has come to when it was repeated. */
export interface Repetition {
  /**
   * `identical`: the candidate bit for bit, and every number. `within-tolerance`: all numbers about the same, as another
   * device finds them. `different`: another update.
   */
  verdict: 'identical' | 'within-tolerance' | 'different';
  sameDecision: boolean;
  /** Numbers that are not the same, the largest relative difference first. */
  differences: Difference[];
}

/** A kept adapter. Version 0, the base, has no record. */
export interface AdapterRecord {
  version: number;
  /** Given by the user. */
  name?: string;
  parentVersion: number;
  createdAt: number;
  model: string;
  rank: number;
  lora_alpha: number;
  /** PEFT safetensors. */
  bytes: ArrayBuffer;
  sha256: string;
  receiptId: string;
}

/** What the page needs of an adapter: the record without its bytes. */
export type AdapterSummary = Omit<AdapterRecord, 'bytes'> & { byteLength: number };

/** State of an update that has begun: enough to go on after a reload from the last finished step. */
export interface TrainingCheckpoint {
  model: string;
  parentVersion: number;
  signalIds: string[];
  heldOutIds: string[];
  /** Those that it does not learn from. */
  skipped?: SkippedSignal[];
  seed: number;
  hyperparameters: Record<string, number>;
  step: number;
  losses: number[];
  margins: number[];
  chosen?: number[];
  rows?: number[];
  /** LoRA arena, AdamW moments and the moving average of the arena, f32, in arena order. */
  parameters: ArrayBuffer;
  firstMoments: ArrayBuffer;
  secondMoments: ArrayBuffer;
  /** Absent in what earlier versions of the app saved. */
  averages?: ArrayBuffer;
  startedAt: number;
}

export interface Settings {
  sampling: SamplingSettings;
  systemPrompt: string;
  /** New signals that start an update. */
  trainAfter: number;
  /** Off: only "Train now" trains. */
  autoTrain: boolean;
  adapterScale: number;
}

export const DEFAULT_SETTINGS: Settings = {
  sampling: {
    temperature: 0.4,
    top_k: 40,
    top_p: 0.9,
    min_p: 0.1,
    repetition_penalty: 1.1,
    seed: null,
    max_tokens: 160,
  },
  systemPrompt: '',
  trainAfter: 4,
  autoTrain: true,
  adapterScale: 1,
};

/** What was measured of the device. */
export interface DeviceRecord {
  /** Device and kernels that it holds for. */
  key: string;
  forms: unknown;
}
