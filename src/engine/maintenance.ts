/**
 * What happens by itself: syncs of relaxed commits, checkpoints, and reclaiming detached subtrees.
 *
 * A checkpoint begins when the log has grown, when half of the memory budget is dirty (a quarter
 * costs several times the writes of a bulk load in random order: docs/decisions/), or after a while
 * without commits. Only one runs at a time.
 */
import { CairnError } from "../errors.ts";
import type { Frozen } from "./checkpoint.ts";
import { carryOver } from "./compaction.ts";
import type { Engine } from "./engine.ts";
import { budgetFrames } from "./engine.ts";
import { nextTurn } from "./event-loop.ts";
import type { EngineOptions, LongOptions, Timers } from "./options.ts";
import { runAsync, runSync, type Steps } from "./steps.ts";

/** What a checkpoint is written for: its images may be written for it. */
export type Occasion = "upkeep" | "compact" | "close";

const mebibyte = 1024 * 1024;
/** Pages reclaimed in one turn: about a millisecond. */
const reclaimPages = 2000;
/** A checkpoint reclaims first when more detached subtrees wait. */
const queueItemsMax = 50_000;

export class Maintenance {
  readonly #engine: Engine;
  readonly #timers: Timers | undefined;
  readonly #logBytesMax: number;
  readonly #dirtyFramesMax: number;
  readonly #idleMs: number;
  readonly #relaxedMs: number | undefined;
  #appendedAtCheckpoint = 0;
  #running: Promise<void> | undefined;
  #cancelIdle: (() => void) | undefined;
  #cancelSync: (() => void) | undefined;
  #isStopped = false;
  /** The last checkpoint is the only one that may begin: two would seal the same blobs. */
  #isClosing = false;
  /** Why the last upkeep in the background has not done all of its work. */
  failure: string | undefined;
  /** An asynchronous checkpoint is between its freeze and its root. */
  #isWriting = false;

  constructor(engine: Engine, options: EngineOptions) {
    this.#engine = engine;
    this.#timers = options.timers;
    this.#logBytesMax = options.checkpointLogBytes ?? 64 * mebibyte;
    this.#dirtyFramesMax = budgetFrames(options) / 2;
    this.#idleMs = options.checkpointIdleMs ?? 30_000;
    const { durability } = options;
    this.#relaxedMs = typeof durability === "object" ? durability.relaxed : undefined;
  }

  /** Log bytes since the last checkpoint of this open. */
  get logBytes(): number {
    return this.#engine.log.appendedBytes - this.#appendedAtCheckpoint;
  }

  /** A group was appended. */
  appended(isDurable: boolean): void {
    if (this.#isStopped) return;
    if (!isDurable && this.#relaxedMs !== undefined) this.#syncSoon(this.#relaxedMs);
    const { exports } = this.#engine.core;
    if (this.logBytes > this.#logBytesMax || exports.dirtyFrames() > this.#dirtyFramesMax) {
      this.#begin();
      // Nobody lets the event loop turn: then the checkpoint must come in between.
      if (this.logBytes > 4 * this.#logBytesMax) this.#checkpointSync();
    } else if (exports.reclaimQueue() > 0) this.#begin();
    else this.#checkpointWhenIdle();
  }

  #syncSoon(ms: number): void {
    if (this.#cancelSync !== undefined || this.#timers === undefined) return;
    this.#cancelSync = this.#timers.after(ms, () => {
      this.#cancelSync = undefined;
      this.#engine.log.sync().catch((error) => this.#engine.pipeline.poison(error));
    });
  }

  #checkpointWhenIdle(): void {
    if (this.#idleMs === 0 || this.#timers === undefined || this.#cancelIdle !== undefined) return;
    if (this.logBytes <= mebibyte) return;
    const seen = this.#engine.log.appendedBytes;
    this.#cancelIdle = this.#timers.after(this.#idleMs, () => {
      this.#cancelIdle = undefined;
      if (this.#isStopped) return;
      if (this.#engine.log.appendedBytes === seen) this.#begin();
      else this.#checkpointWhenIdle();
    });
  }

  /** Starts upkeep in the background, if none is running. */
  #begin(): void {
    if (this.#running !== undefined || this.#isStopped || this.#isClosing) return;
    this.#running = this.#upkeep()
      // After a failed write the next commit says so; anything else is tried again, and told.
      .catch((error: unknown) => this.#failed(error))
      .finally(() => {
        this.#running = undefined;
      });
  }

  #failed(error: unknown): void {
    this.failure = error instanceof Error ? error.message : String(error);
  }

  async #upkeep(): Promise<void> {
    this.failure = undefined;
    await this.#reclaimIfPossible();
    const { exports } = this.#engine.core;
    const isDue =
      this.logBytes > this.#logBytesMax ||
      exports.dirtyFrames() > this.#dirtyFramesMax ||
      this.logBytes > mebibyte;
    if (isDue && !this.#isStopped) await this.#write({});
  }

  /** A checkpoint that begins after the call, when others have ended. */
  async checkpoint(options: LongOptions, isForced = false): Promise<void> {
    throwIfAborted(options.signal);
    while (this.#running !== undefined) await this.#running;
    this.#engine.pipeline.requireHealthy();
    const run = this.#write(options, isForced);
    this.#running = run
      .catch(() => undefined)
      .finally(() => {
        this.#running = undefined;
      });
    await run;
  }

  /** Gives back the pages of detached subtrees, in slices between commits. */
  async reclaim(): Promise<void> {
    const { exports } = this.#engine.core;
    while (exports.reclaimQueue() > 0 && !this.#isStopped) {
      await this.#engine.pipeline.turn(() => this.#reclaimSome());
      await nextTurn();
    }
  }

  /** The same, but what cannot be given back because it is damaged stays, and holds nothing up. */
  async #reclaimIfPossible(): Promise<void> {
    try {
      await this.reclaim();
    } catch (error) {
      if (!(error instanceof CairnError) || error.code !== "page_corrupt") throw error;
      this.#failed(error);
    }
  }

  *#reclaimSome(): Steps<void> {
    const { core, pager } = this.#engine;
    const result = core.exports.reclaim(reclaimPages);
    if (result < 0) yield* pager.resolve(result);
  }

  async #write(
    options: LongOptions,
    isForced = false,
    occasion: Occasion = "upkeep",
  ): Promise<void> {
    const { pipeline, checkpointer, snapshots } = this.#engine;
    await this.#engine.prepare(occasion);
    snapshots.lapse();
    // The catalogue holds what the core can hand out in one piece: 65,536 items.
    if (this.#engine.core.exports.reclaimQueue() > queueItemsMax) await this.#reclaimIfPossible();
    await carryOver(this.#engine);
    const frozen = await pipeline.turn(() => this.#beginWriting(isForced));
    if (frozen === undefined) return;
    const progress = new Reports(options);
    try {
      await runAsync(checkpointer.write(frozen, false, progress.slice));
    } catch (error) {
      pipeline.poison(error);
      throw error;
    } finally {
      this.#isWriting = false;
    }
    await runAsync(checkpointer.cleanUp(frozen.epoch));
    progress.throwFailure();
  }

  /** Says so in the turn of the freeze: a synchronous commit may come before it is heard of. */
  *#beginWriting(isForced: boolean): Steps<Frozen | undefined> {
    const frozen = yield* this.#freeze(isForced);
    this.#isWriting = frozen !== undefined;
    return frozen;
  }

  // biome-ignore lint/correctness/useYield: a turn takes steps, and freezing is a single one
  *#freeze(isForced: boolean): Steps<Frozen | undefined> {
    const { pipeline, checkpointer, log, core } = this.#engine;
    const { seq, epoch, time } = pipeline;
    const isUnchanged =
      checkpointer.newest.root.seq === seq &&
      core.exports.dirtyFrames() === 0 &&
      !this.#engine.images.differFrom(checkpointer.newest.images) &&
      log.appendedBytes === this.#appendedAtCheckpoint;
    if (isUnchanged && !isForced) return undefined;
    this.#appendedAtCheckpoint = log.appendedBytes;
    return checkpointer.freeze({ seq, epoch, time });
  }

  #checkpointSync(): void {
    const { pipeline, checkpointer, storage } = this.#engine;
    if (!storage.capabilities.sync || this.#isWriting || pipeline.isApplying) return;
    const frozen = runSync(this.#freeze(false));
    if (frozen === undefined) return;
    try {
      runSync(checkpointer.write(frozen, true, () => undefined));
    } catch (error) {
      // The commit that this comes after is as durable as it was told: the next one is refused.
      pipeline.poison(error);
      return;
    }
    try {
      runSync(checkpointer.cleanUp(frozen.epoch));
    } catch (error) {
      this.#failed(error);
    }
  }

  /** No more upkeep; what is running ends by itself. */
  stop(): void {
    this.#isStopped = true;
    this.#cancelIdle?.();
    this.#cancelSync?.();
    this.#cancelIdle = undefined;
    this.#cancelSync = undefined;
  }

  /** The last checkpoint and the clean end of the log. */
  async close(): Promise<void> {
    const { readOnly, pipeline, log, clock } = this.#engine;
    this.#isClosing = true;
    while (this.#running !== undefined) await this.#running;
    if (readOnly) return this.stop();
    if (!pipeline.isPoisoned) {
      await this.#reclaimIfPossible();
      await this.#write({}, false, "close");
      await runAsync(log.close({ time: clock() }));
    }
    this.stop();
    if (pipeline.isPoisoned) this.#requireDurable();
  }

  /** What was answered before it was synced can no longer be made durable: closing says so. */
  #requireDurable(): void {
    const { published, recovery, log, pipeline } = this.#engine;
    const durable = Math.max(log.durableSeq, Number(recovery.seq));
    if (published.seq <= durable) return;
    throw new CairnError(
      "poisoned",
      `The database is closed, but commits ${durable + 1} to ${published.seq} were answered ` +
        "before they were synced, and a write or sync has failed since: a loss of power can take " +
        "them. Open the database again and look.",
      { cause: pipeline.poisonCause, details: { firstSeq: durable + 1, lastSeq: published.seq } },
    );
  }
}

/** Tells of progress; what the caller's function throws must not end a checkpoint half-way. */
class Reports {
  readonly #options: LongOptions;
  #failure: { error: unknown } | undefined;

  constructor(options: LongOptions) {
    this.#options = options;
  }

  readonly slice = (done: number, total: number): void => {
    if (this.#failure !== undefined) return;
    const progress = { phase: "checkpoint", done: Math.min(done, total), total } as const;
    try {
      this.#options.onProgress?.({ ...progress, unit: "pages" });
    } catch (error) {
      this.#failure = { error };
    }
  };

  throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }
}

export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) {
    throw new CairnError("aborted", "The operation was aborted by its signal.", {
      cause: signal.reason,
    });
  }
}
