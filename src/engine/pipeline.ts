/**
 * The writer pipeline: commits, one after another, in groups.
 *
 * Commits that arrive while a group is being written and synced form the next group. For each
 * commit of a group: an epoch is begun, its effects are decided if they depend on the newest state,
 * and applied; a failure rolls back that commit alone. Then the group goes to the log as one frame,
 * is synced if anybody asked for it, and is published: until then readers see the state before it,
 * so nobody acts on what a crash could take back.
 *
 * After a failed append or sync the outcome of the group is unknown. Everything is refused from
 * then on; reopening decides.
 */
import { CairnError } from "../errors.ts";
import type { Applier } from "./applier.ts";
import { commitHeaderBytes, writeCommitHeader } from "./log/commit.ts";
import { EffectBuffer, type EffectMark } from "./log/effect-buffer.ts";
import type { LogWriter } from "./log/writer.ts";
import { runAsync, runSync, type Steps } from "./steps.ts";

/** When a commit is answered: once readers see it, or once it survives a loss of power. */
export type Finality = "visible" | "durable";

/** The answer to a commit. */
export interface Receipt {
  /** The commit's number, one more than that of the commit before. */
  readonly seq: bigint;
  /** It survives a loss of power. */
  readonly durable: boolean;
  /** Commit time, Unix milliseconds. */
  readonly time: number;
}

export interface CommitOptions {
  /** When the commit is answered; the database's durability decides by default. */
  readonly finality?: Finality;
  /** Ends the commit before it has begun; never afterwards. */
  readonly signal?: AbortSignal;
}

/** What a commit that decides at its turn is told. */
export interface Turn {
  readonly time: number;
  readonly seq: number;
  /**
   * May be set by what decides: it is called when the commit is in the trees, before the next one
   * decides, and never when it has failed. It must not throw.
   */
  applied?: (() => void) | undefined;
}

export type Decide<R> = (effects: EffectBuffer, turn: Turn) => Steps<R>;

/** A published state. */
export interface Published {
  readonly epoch: number;
  readonly seq: number;
  readonly time: number;
}

export interface PipelineSetup {
  readonly applier: Applier;
  readonly log: LogWriter;
  readonly clock: () => number;
  /** Finality when the commit says nothing. */
  readonly finality: Finality;
  readonly recovered: Published;
  readonly keyBytesMax: number;
  /** A commit is in the trees, before it is published or the next one is begun. */
  readonly applied?: (state: Published) => void;
  readonly publish: (state: Published) => void;
  /** A group was appended. */
  readonly appended: (isDurable: boolean) => void;
  readonly poisoned: (cause: unknown) => void;
}

interface Commit {
  /** Where its effects lie in the group's buffer, unless it decides. */
  readonly start: number;
  readonly end: number;
  readonly decide: Decide<unknown> | undefined;
  readonly isDurable: boolean;
  readonly signal: AbortSignal | undefined;
  resolve: (outcome: Outcome) => void;
  reject: (error: unknown) => void;
  outcome: Outcome | undefined;
  receipt: MutableReceipt | undefined;
}

interface MutableReceipt {
  seq: bigint;
  durable: boolean;
  time: number;
}

export interface Outcome {
  readonly receipt: Receipt | undefined;
  readonly result: unknown;
  /** Records that deletions have removed. */
  readonly removed: number;
}

interface Group {
  readonly effects: EffectBuffer;
  commits: Commit[];
}

interface Task {
  readonly run: () => Steps<unknown>;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

export class Pipeline {
  readonly #setup: PipelineSetup;
  #open: Group;
  #spare: Group;
  readonly #decided: EffectBuffer;
  /** Effects behind it were begun but not submitted. */
  #submitted: EffectMark = { length: 0, count: 0 };
  readonly #tasks: Task[] = [];
  #isRunning = false;
  /** An epoch may be open: nothing else may touch the trees. */
  #isApplying = false;
  /** A group is in the log, and readers see it only after the sync that is under way. */
  #isSyncing = false;
  #poison: CairnError | undefined;
  #idle: (() => void)[] = [];
  #payload: Uint8Array;
  #payloadView: DataView;
  #payloadBytes = 0;
  /** Newest applied commit, published or not. */
  seq: number;
  epoch: number;
  time: number;
  #published: number;

  constructor(setup: PipelineSetup) {
    this.#setup = setup;
    this.seq = setup.recovered.seq;
    this.epoch = setup.recovered.epoch;
    this.time = setup.recovered.time;
    this.#published = setup.recovered.epoch;
    const { keyBytesMax } = setup;
    this.#open = { effects: new EffectBuffer({ keyBytesMax }), commits: [] };
    this.#spare = { effects: new EffectBuffer({ keyBytesMax }), commits: [] };
    this.#decided = new EffectBuffer({ keyBytesMax });
    this.#payload = new Uint8Array(8192);
    this.#payloadView = new DataView(this.#payload.buffer);
  }

  /** Where the effects of the next `submit` go. */
  begin(): EffectBuffer {
    const { effects } = this.#open;
    if (effects.length !== this.#submitted.length) effects.cutBack(this.#submitted);
    return effects;
  }

  submit(options: CommitOptions | undefined): Promise<Outcome> {
    return this.#enqueue(undefined, options);
  }

  submitDeciding(decide: Decide<unknown>, options: CommitOptions | undefined): Promise<Outcome> {
    this.begin();
    return this.#enqueue(decide, options);
  }

  /** Commits everything that waits, this commit last, in this turn. */
  submitSync(decide: Decide<unknown> | undefined, options: CommitOptions | undefined): Outcome {
    if (decide !== undefined) this.begin();
    if (this.#isApplying) throw busy();
    const commit = this.#add(decide, options, ignore, ignore);
    // A commit whose group could not be written has an outcome too: what counts is the refusal.
    let failure: { error: unknown } | undefined;
    commit.reject = (error) => {
      failure ??= { error };
    };
    while (this.#open.commits.length > 0) runSync(this.#process(true));
    if (failure !== undefined) throw failure.error;
    return commit.outcome as Outcome;
  }

  /** Runs steps between groups, when no epoch is open. */
  turn<T>(run: () => Steps<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#tasks.push({ run, resolve: resolve as (value: unknown) => void, reject });
      this.#schedule();
    });
  }

  /** The same in this turn; only where nothing is open. */
  turnSync<T>(run: () => Steps<T>): T {
    if (this.#isApplying) throw busy();
    this.#isApplying = true;
    try {
      return runSync(run());
    } finally {
      this.#isApplying = false;
    }
  }

  get isApplying(): boolean {
    return this.#isApplying;
  }

  /** Resolves when everything that was submitted has ended. */
  async idle(): Promise<void> {
    while (this.#isRunning || this.#open.commits.length > 0 || this.#tasks.length > 0) {
      await new Promise<void>((resolve) => this.#idle.push(resolve));
    }
  }

  requireHealthy(): void {
    if (this.#poison !== undefined) throw poisoned(this.#poison);
  }

  get isPoisoned(): boolean {
    return this.#poison !== undefined;
  }

  /** Why everything is refused; undefined while it is not. */
  get poisonCause(): unknown {
    return this.#poison;
  }

  /** Something could not be written: nothing more is, until the database is opened again. */
  poison(cause: unknown): void {
    const isFirst = this.#poison === undefined;
    const error = asCairnError(cause);
    this.#poison ??= error;
    if (isFirst) this.#setup.poisoned(error);
  }

  #enqueue(
    decide: Decide<unknown> | undefined,
    options: CommitOptions | undefined,
  ): Promise<Outcome> {
    return new Promise<Outcome>((resolve, reject) => {
      this.#add(decide, options, resolve, reject);
      this.#schedule();
    });
  }

  #add(
    decide: Decide<unknown> | undefined,
    options: CommitOptions | undefined,
    resolve: (outcome: Outcome) => void,
    reject: (error: unknown) => void,
  ): Commit {
    const start = this.#submitted.length;
    this.#submitted = this.#open.effects.mark();
    const end = this.#submitted.length;
    const finality = options?.finality ?? this.#setup.finality;
    const commit: Commit = {
      start,
      end,
      decide,
      isDurable: finality === "durable",
      signal: options?.signal,
      resolve,
      reject,
      outcome: undefined,
      receipt: undefined,
    };
    this.#open.commits.push(commit);
    return commit;
  }

  #schedule(): void {
    if (this.#isRunning) return;
    this.#isRunning = true;
    queueMicrotask(() => this.#run());
  }

  async #run(): Promise<void> {
    try {
      for (;;) {
        if (this.#tasks.length > 0) await this.#runTask();
        else if (this.#open.commits.length > 0) await runAsync(this.#process(false));
        else break;
      }
    } finally {
      this.#isRunning = false;
      const waiting = this.#idle;
      this.#idle = [];
      for (const resolve of waiting) resolve();
    }
  }

  async #runTask(): Promise<void> {
    const task = this.#tasks.shift();
    if (task === undefined) return;
    try {
      task.resolve(await runAsync(this.#applying(task.run)));
    } catch (error) {
      task.reject(error);
    }
  }

  /** Ends in the turn in which the steps end: a synchronous commit may come before the next one. */
  *#applying<T>(run: () => Steps<T>): Steps<T> {
    this.#isApplying = true;
    try {
      return yield* run();
    } finally {
      this.#isApplying = false;
    }
  }

  /** One group, from the open buffer to its receipts. */
  *#process(isSync: boolean): Steps<void> {
    const group = this.#open;
    this.#open = this.#spare;
    this.#submitted = this.#open.effects.mark();
    const firstSeq = this.seq + 1;
    this.#payloadBytes = 0;
    let needsSync = false;
    this.#isApplying = true;
    try {
      for (const commit of group.commits) {
        yield* this.#applyOne(group, commit);
        if (commit.receipt !== undefined && commit.isDurable) needsSync = true;
      }
      if (this.seq >= firstSeq) yield* this.#append(firstSeq);
    } catch (error) {
      this.#fail(group, error);
      return;
    } finally {
      this.#isApplying = false;
      this.#spare = group;
      group.effects.reset();
    }
    const commits = group.commits;
    group.commits = [];
    const state = { epoch: this.epoch, seq: this.seq, time: this.time };
    // A group whose sync is under way is not to be seen yet, and these commits have seen it.
    if (isSync && this.#isSyncing) needsSync = true;
    if (needsSync) {
      try {
        yield* this.#sync(isSync);
      } catch (error) {
        this.#fail({ effects: group.effects, commits }, error);
        return;
      }
    }
    if (state.seq >= firstSeq || needsSync) this.#publish(state, needsSync);
    settle(commits, needsSync);
  }

  *#sync(isSync: boolean): Steps<void> {
    if (isSync) {
      this.#setup.log.syncSync();
      return;
    }
    this.#isSyncing = true;
    try {
      yield this.#setup.log.sync();
    } finally {
      this.#isSyncing = false;
    }
  }

  /** Applies one commit in an epoch of its own, and adds it to the payload. */
  *#applyOne(group: Group, commit: Commit): Steps<void> {
    const { applier, clock } = this.#setup;
    let isOpen = false;
    try {
      this.requireHealthy();
      commit.signal?.throwIfAborted();
      const seq = this.seq + 1;
      const time = Math.max(this.time, clock());
      let effects: Uint8Array;
      let result: unknown;
      const turn: Turn = { time, seq, applied: undefined };
      const epoch = applier.begin();
      isOpen = true;
      if (commit.decide === undefined) {
        effects = group.effects.bytes.subarray(commit.start, commit.end);
      } else {
        this.#decided.reset();
        result = yield* commit.decide(this.#decided, turn);
        effects = this.#decided.bytes;
      }
      let removed = 0;
      if (effects.length > 0) {
        removed = yield* applier.apply(effects, seq);
        applier.commit(epoch);
        this.#addToPayload(effects, seq, time);
        this.seq = seq;
        this.epoch = epoch;
        this.time = time;
        this.#setup.applied?.({ epoch, seq, time });
        commit.receipt = { seq: BigInt(seq), durable: false, time };
        turn.applied?.();
      } else applier.rollback();
      isOpen = false;
      commit.outcome = { receipt: commit.receipt, result, removed };
    } catch (error) {
      // A trap leaves the core's memory as it was in the middle of something.
      if (applier.hasTrapped) this.poison(error);
      else if (isOpen) applier.rollback();
      commit.reject(
        commit.signal?.aborted && error === commit.signal.reason ? aborted(error) : error,
      );
    }
  }

  #addToPayload(effects: Uint8Array, seq: number, time: number): void {
    const at = this.#payloadBytes;
    const end = at + commitHeaderBytes + effects.length;
    if (end > this.#payload.length) {
      const grown = new Uint8Array(Math.max(end, this.#payload.length * 2));
      grown.set(this.#payload.subarray(0, at));
      this.#payload = grown;
      this.#payloadView = new DataView(grown.buffer);
    }
    const header = { seq, time, idempotencyBytes: 0, effectsBytes: effects.length };
    writeCommitHeader(this.#payloadView, at, header);
    this.#payload.set(effects, at + commitHeaderBytes);
    this.#payloadBytes = end;
  }

  *#append(firstSeq: number): Steps<void> {
    const { log } = this.#setup;
    const payload = this.#payload.subarray(0, this.#payloadBytes);
    const info = { firstSeq, lastSeq: this.seq, durableSeq: log.durableSeq, time: this.time };
    yield* log.append(payload, info);
    if (this.#payload.length > 4 << 20) {
      this.#payload = new Uint8Array(8192);
      this.#payloadView = new DataView(this.#payload.buffer);
    }
  }

  /** The group is in the log, so it is answered, even if it cannot be shown any more. */
  #publish(state: Published, isDurable: boolean): void {
    try {
      // A synchronous commit may have published a later state while this group's sync was under
      // way. What else could not be written meanwhile takes nothing from this group.
      if (!this.#setup.applier.hasTrapped && state.epoch > this.#published) {
        this.#published = state.epoch;
        this.#setup.publish(state);
      }
      this.#setup.appended(isDurable);
    } catch (error) {
      this.poison(error);
    }
  }

  /**
   * Nobody can tell whether the group is in the log: it and everything after it is refused. Commits
   * without an outcome were refused before, or the core has trapped before their turn.
   */
  #fail(group: Group, cause: unknown): void {
    const error = asCairnError(cause);
    for (const commit of group.commits) {
      commit.reject(commit.outcome === undefined ? error : outcomeUnknown(error));
    }
    group.commits = [];
    this.poison(error);
  }
}

function settle(commits: readonly Commit[], isDurable: boolean): void {
  for (const commit of commits) {
    if (commit.outcome === undefined) continue;
    if (commit.receipt !== undefined) commit.receipt.durable = isDurable;
    commit.resolve(commit.outcome);
  }
}

/** What a storage has thrown, as the error that callers are promised. */
function asCairnError(cause: unknown): CairnError {
  if (cause instanceof CairnError) return cause;
  return new CairnError("storage_failed", String(cause), { cause });
}

function ignore(): void {
  // The synchronous form looks at the commit itself.
}

function busy(): CairnError {
  return new CairnError(
    "synchronous_unavailable",
    "Cannot commit in this turn: another commit is waiting for the storage. Use the awaited form.",
  );
}

function poisoned(cause: CairnError): CairnError {
  return new CairnError(
    "poisoned",
    "Cannot go on with this handle: an earlier write or sync failed, and nobody can tell what " +
      "reached the medium. Close the database and open it again; recovery decides.",
    { cause },
  );
}

function outcomeUnknown(cause: CairnError): CairnError {
  return new CairnError(
    "outcome_unknown",
    "The commit was being written when the storage failed: it may or may not be in the log. " +
      "Close the database, open it again, and look.",
    { cause },
  );
}

function aborted(reason: unknown): CairnError {
  return new CairnError("aborted", "The commit was aborted by its signal before it began.", {
    cause: reason,
  });
}
