import { readReceiptFile } from '../formats/receipt-file';
import type { FileSource } from '../formats/tensors';
import type { Command, EngineEvent, Snapshot } from '../protocol/protocol';
import { required } from '../shared/assert';
import { messageOf, ThumbprintError, toPlainError } from '../shared/errors';
import { DEFAULT_SETTINGS, type Repetition, type Settings, type Signal } from '../shared/records';
import { versionWithout, waitingSignals } from '../shared/signals';
import type { Storage } from '../storage/database';
import { Chat } from './chat';
import { DeviceTurns } from './device-turns';
import { hasNews } from './draft';
import { exportAdapter, exportReceipt, importAdapter, openReceipt, receiptFile } from './exchange';
import { Judgements } from './judgements';
import { adapterOf, describe, type ModelHost, openModel } from './model-host';
import { measureSpeed } from './speed';
import { idleStatus } from './status';
import { type UpdateEnd, Updates } from './updates';

export interface EngineDependencies {
  webgpu: GPU | undefined;
  /** The model's folder. */
  source: FileSource;
  storage: Storage;
  post: (event: EngineEvent) => void;
}

interface Running {
  host: ModelHost;
  chat: Chat;
  judgements: Judgements;
  updates: Updates;
}

/** The whole engine, without a page: answers commands, posts events. */
export class Engine {
  private readonly storage: Storage;
  private readonly post: (event: EngineEvent) => void;
  private readonly dependencies: EngineDependencies;
  private readonly turns = new DeviceTurns();
  private running: Running | null = null;
  private settings: Settings = DEFAULT_SETTINGS;
  private active = 0;
  /** How the last update ended, until something else happens. */
  private lastEnd: UpdateEnd | null = null;
  /** Commands, replies and updates under way. */
  private readonly work = new Set<Promise<unknown>>();
  private closed = false;

  constructor(dependencies: EngineDependencies) {
    this.dependencies = dependencies;
    this.storage = dependencies.storage;
    this.post = dependencies.post;
  }

  /** Does what a command says and answers it. @throws ThumbprintError */
  async handle(command: Command): Promise<unknown> {
    if (this.closed) throw new ThumbprintError('cancelled', 'Another tab is taking the engine over.');
    return this.track(this.execute(command));
  }

  /**
   * Ends all work in a way that loses nothing, so that another engine can go on: a reply is stored as far as it got, an
   * update leaves its last checkpoint. Device and storage stay open: they end with the Worker.
   */
  async close(): Promise<void> {
    this.closed = true;
    // A command under way may still begin a reply or an update.
    while (this.work.size > 0) {
      this.running?.chat.stop();
      this.running?.updates.suspend();
      await Promise.allSettled(this.work);
    }
  }

  private async track<T>(work: Promise<T>): Promise<T> {
    this.work.add(work);
    try {
      return await work;
    } finally {
      this.work.delete(work);
    }
  }

  private async execute(command: Command): Promise<unknown> {
    switch (command.type) {
      case 'start':
        return this.start();
      case 'send':
        this.lastEnd = null;
        return this.open().chat.send(command.conversationId, command.parentId, command.text);
      case 'regenerate':
        this.lastEnd = null;
        return this.open().chat.regenerate(command.messageId);
      case 'stop':
        this.open().chat.stop();
        return undefined;
      case 'compare':
        return this.open().chat.compare(command.question, command.version);
      case 'signal':
        return this.judged(await this.open().judgements.thumb(command.messageId, command.kind));
      case 'edit':
        return this.edit(command.messageId, command.text);
      case 'withdraw':
        await this.storage.updateSignal(command.signalId, { withdrawnAt: Date.now() });
        await this.open().updates.reconsider();
        await this.announce();
        return this.idle(false);
      case 'unlearn':
        return this.unlearn(command.signalId);
      case 'train-now':
        return this.trainNow();
      case 'pause-training':
      case 'resume-training':
        this.open().updates.pause(command.type === 'pause-training');
        return undefined;
      case 'cancel-training':
        this.open().updates.cancel();
        return undefined;
      case 'export-receipt':
        return exportReceipt(this.storage, command.receiptId);
      case 'open-receipt':
        return openReceipt(this.open().host, command.text);
      case 'repeat-receipt':
        return this.repeat(command.source);
      case 'export-adapter':
        return exportAdapter(this.storage, this.open().host, command.version);
      case 'import-adapter':
        return this.importAdapter(command.files);
      case 'name-adapter':
        await this.storage.nameAdapter(command.version, command.name);
        return this.announce();
      case 'delete-adapter':
        return this.deleteAdapter(command.version);
      case 'use-adapter':
        this.untrained();
        return this.switchAdapter(command.version);
      case 'settings':
        this.settings = await this.storage.saveSettings({ ...this.settings, ...command.settings });
        await this.useScale();
        return this.announce();
      case 'measure-speed':
        return measureSpeed(this.open().host, this.turns);
      case 'select-branch':
        return this.changeConversation(command.conversationId, { headId: command.headId });
      case 'rename-conversation':
        return this.changeConversation(command.conversationId, { title: command.title });
      case 'delete-conversation':
        await this.storage.deleteConversation(command.conversationId);
        return this.announce();
      case 'delete-everything':
        return this.deleteEverything();
      default:
        return command satisfies never;
    }
  }

  private open(): Running {
    if (!this.running) throw new ThumbprintError('bad-input', 'The model is still loading.');
    return this.running;
  }

  /** While an update runs, what it builds on must not change. */
  private untrained(): Running {
    const running = this.open();
    if (running.updates.progress) {
      throw new ThumbprintError('bad-input', 'An update is being trained. Wait for it, or cancel it first.');
    }
    return running;
  }

  private async start(): Promise<Snapshot> {
    if (this.running) return this.snapshot();
    this.settings = await this.storage.loadSettings();
    this.post({ type: 'phase', phase: 'loading', detail: 'Loading the model.' });
    const host = await openModel(this.dependencies.webgpu, this.dependencies, (progress) =>
      this.post({ type: 'loading', progress }),
    );
    void host.gpu.lost.then((error) => {
      this.post({ type: 'error', error: toPlainError(error) });
      this.post({ type: 'phase', phase: 'error', detail: error.message });
    });
    const { storage, turns, post } = this;
    const updates = new Updates({ storage, host, turns, post, onChange: () => this.afterUpdate() });
    const chat = new Chat({
      storage,
      host,
      turns,
      post,
      settings: () => this.settings,
      activeAdapter: () => this.active,
      track: (work) => void this.track(work),
      onIdle: () => void this.idle(),
    });
    const judgements = new Judgements(storage, chat, host.identity.sha256);
    this.running = { host, chat, judgements, updates };
    await this.endInterruptedReplies();
    await this.loadActive();
    await this.idle(false);
    if (!this.closed) void this.resumeUpdate();
    return this.snapshot();
  }

  /** A reply that a closed tab cut off is marked as such: there is one at most, in the conversation changed last. */
  private async endInterruptedReplies(): Promise<void> {
    const [last] = await this.storage.listConversations();
    if (!last) return;
    for (const message of await this.storage.messagesOf(last.id)) {
      if (message.state === 'streaming') await this.storage.putMessage({ ...message, state: 'stopped' });
    }
  }

  /**
   * Puts the active adapter into the chat's slot, after the reply being written; one that cannot be used is left aside,
   * and said so.
   */
  private async loadActive(): Promise<void> {
    const { host } = this.open();
    await this.turns.foreground(async () => {
      this.active = await this.storage.activeVersion();
      const record = this.active === 0 ? undefined : await this.storage.adapter(this.active);
      try {
        host.slot.load(record ? await adapterOf(host, record) : null);
      } catch (error) {
        host.slot.load(null);
        this.active = 0;
        this.post({ type: 'error', error: toPlainError(error) });
      }
    });
    await this.useScale();
  }

  private async useScale(): Promise<void> {
    const { running } = this;
    if (!running) return;
    await this.turns.foreground(() => {
      running.host.slot.scale = this.settings.adapterScale;
      return Promise.resolve();
    });
  }

  private async switchAdapter(version: number): Promise<void> {
    await this.storage.setActive(version);
    await this.loadActive();
    this.lastEnd = null;
    await this.announce();
    await this.idle(false);
  }

  private async deleteAdapter(version: number): Promise<void> {
    if (version === this.active || this.open().updates.progress) {
      throw new ThumbprintError('bad-input', 'This version is in use. Use another one before you delete it.');
    }
    await this.storage.deleteAdapter(version);
    await this.announce();
  }

  private async importAdapter(files: Parameters<typeof importAdapter>[2]): Promise<{ version: number }> {
    const { host } = this.untrained();
    const receipt = await importAdapter(this.storage, host, files);
    this.post({ type: 'receipt', receipt });
    await this.switchAdapter(receipt.version);
    return { version: receipt.version };
  }

  private async edit(messageId: string, text: string): Promise<{ signalId: string }> {
    const { signal, message } = await this.open().judgements.edit(messageId, text);
    // The edited text stands in the chat, and in the context of what follows, as a branch of its own.
    this.post({ type: 'message', message });
    await this.changeConversation(message.conversationId, { headId: message.id });
    return this.judged(signal);
  }

  private async judged({ id }: Signal): Promise<{ signalId: string }> {
    this.lastEnd = null;
    // It may have taken the place of an earlier one.
    await this.open().updates.reconsider();
    await this.announce();
    await this.idle();
    return { signalId: id };
  }

  private async trainNow(): Promise<void> {
    await this.update(() => this.open().updates.run());
  }

  private async unlearn(signalId: string): Promise<void> {
    this.untrained();
    await this.storage.updateSignal(signalId, { withdrawnAt: Date.now() });
    const [receipts, stored] = await Promise.all([this.storage.listReceipts(), this.storage.listAdapters()]);
    const version = versionWithout(receipts, stored, this.active, signalId);
    if (version !== this.active) await this.switchAdapter(version);
    else await this.announce();
    if (await hasNews(this.storage, this.open().host)) await this.trainNow();
    else await this.idle(false);
  }

  private async resumeUpdate(): Promise<void> {
    const checkpoint = await this.storage.loadCheckpoint();
    if (!checkpoint) return;
    if (checkpoint.model !== this.open().host.identity.sha256) return this.storage.clearCheckpoint();
    this.post({ type: 'loading', progress: { stage: 'resume', loadedBytes: 0, totalBytes: 0 } });
    await this.update(() => this.open().updates.run(checkpoint)).catch((error: unknown) => {
      this.post({ type: 'error', error: toPlainError(error) });
    });
  }

  private async repeat(source: { receiptId: string } | { text: string }): Promise<Repetition> {
    const { updates } = this.open();
    const file =
      'text' in source ? readReceiptFile(source.text) : await receiptFile(this.storage, source.receiptId);
    try {
      return await this.training(() => updates.repeat(file));
    } finally {
      // What was judged meanwhile.
      await this.idle();
    }
  }

  /** Runs an update and tells how it ended. */
  private async update(run: () => Promise<UpdateEnd>): Promise<void> {
    await this.training(async () => {
      this.lastEnd = await run();
    });
  }

  /** Trains; while it runs the status line says so. */
  private async training<T>(run: () => Promise<T>): Promise<T> {
    const end = this.track(run());
    this.postTraining();
    try {
      return await end;
    } finally {
      await this.idle(false);
    }
  }

  private postTraining(): void {
    this.post({ type: 'phase', phase: 'training', detail: this.open().updates.detail });
  }

  /** After an update: chat uses what is active now. */
  private async afterUpdate(): Promise<void> {
    const version = await this.storage.activeVersion();
    if (version !== this.active) await this.loadActive();
    await this.announce();
  }

  /** Nothing is being written: says what comes next, and begins an update when enough has been judged. */
  private async idle(mayTrain = true): Promise<void> {
    const { chat, updates } = this.open();
    if (chat.isWriting) return;
    if (updates.progress) {
      this.postTraining();
      return;
    }
    const [signals, receipts] = await Promise.all([this.storage.listSignals(), this.storage.listReceipts()]);
    const waiting = waitingSignals(signals, receipts, this.open().host.identity.sha256).length;
    const missing = Math.max(0, this.settings.trainAfter - waiting);
    if (mayTrain && !this.closed && this.settings.autoTrain && missing === 0) {
      void this.trainNow().catch((error: unknown) => {
        this.post({ type: 'phase', phase: 'error', detail: messageOf(error) });
      });
      return;
    }
    this.post(idleStatus(this.lastEnd, waiting, this.settings.autoTrain ? missing : 0));
  }

  private async changeConversation(id: string, changes: { headId?: string; title?: string }): Promise<void> {
    const conversation = await this.storage.getConversation(id);
    if (!conversation) throw new ThumbprintError('bad-input', 'That conversation is no longer there.');
    const changed = { ...conversation, ...changes };
    await this.storage.putConversation(changed);
    this.post({ type: 'conversation', conversation: changed });
  }

  private async deleteEverything(): Promise<void> {
    const { chat, updates } = this.open();
    chat.stop();
    updates.cancel();
    await this.storage.deleteEverything();
    this.settings = await this.storage.loadSettings();
    this.lastEnd = null;
    await this.loadActive();
    await this.announce();
    await this.idle(false);
  }

  private async announce(): Promise<void> {
    if (this.running) this.post({ type: 'snapshot', snapshot: await this.snapshot() });
  }

  private async snapshot(): Promise<Snapshot> {
    const { host } = required(this.running, 'engine');
    const { storage } = this;
    const [adapters, receipts, signals, conversations] = await Promise.all([
      storage.listAdapters(),
      storage.listReceipts(),
      storage.listSignals(),
      storage.listConversations(),
    ]);
    return {
      ...describe(host),
      activeAdapter: this.active,
      adapters,
      receipts,
      signals,
      settings: this.settings,
      conversations,
    };
  }
}
