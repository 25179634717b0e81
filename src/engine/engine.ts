/**
 * The engine: durable trees of bytes over a storage. It knows nothing of keyspaces, codecs or TTL
 * policy; the layers above give trees a meaning through their descriptors.
 */
import type { Core, PackedKeys } from "../../bindings/core.ts";
import { recordFlags, status } from "../../bindings/status.ts";
import { CairnError } from "../errors.ts";
import type { Awaitable, Claim, Storage } from "../storage/port.ts";
import type { Applier } from "./applier.ts";
import { backup } from "./backup.ts";
import { Checkpointer } from "./checkpoint.ts";
import { compact } from "./compaction.ts";
import type { Decode, DecodeRecord } from "./decode.ts";
import type { FoldResult, Gathered, Gathering, Program } from "./fold.ts";
import { History } from "./history.ts";
import { type ImageKeeper, Images } from "./images.ts";
import type { EffectBuffer } from "./log/effect-buffer.ts";
import { LogWriter } from "./log/writer.ts";
import { Maintenance, type Occasion } from "./maintenance.ts";
import type {
  Durability,
  EngineOptions,
  EngineStats,
  LongOptions,
  RecoveryReport,
} from "./options.ts";
import type { Pager } from "./pager.ts";
import {
  type CommitOptions,
  type Decide,
  type Finality,
  type Outcome,
  Pipeline,
  type Published,
  type Receipt,
} from "./pipeline.ts";
import { keyBytesMax, type Range, Reader } from "./reader.ts";
import { type Recovered, random64 } from "./recovery.ts";
import type { Columns, Rows } from "./rows.ts";
import { type Snapshot, Snapshots } from "./snapshots.ts";
import { runAsync, runSync, type Steps } from "./steps.ts";
import type { TreeInfo, Trees } from "./trees.ts";
import { type VerifyReport, verify } from "./verify.ts";

/** Keys of internal trees may be this much longer than those of the API. */
const internalKeyBytes = 16;
const leaseMsDefault = 60_000;

/**
 * What a read sees: the newest published state, a snapshot, or inside `decide` the newest of all.
 */
export type At = Snapshot | "newest" | undefined;

export interface EngineParts {
  readonly storage: Storage;
  readonly claim: Claim;
  readonly recovered: Recovered;
  readonly options: EngineOptions;
  readonly clock: () => number;
  readonly random: (bytes: Uint8Array) => void;
  readonly report: RecoveryReport;
}

export class Engine {
  readonly storage: Storage;
  readonly clock: () => number;
  readonly readOnly: boolean;
  readonly recovery: RecoveryReport;
  /** The parts that upkeep works on; not for the layers above. */
  readonly core: Core;
  readonly pager: Pager;
  readonly forest: Trees;
  readonly applier: Applier;
  readonly checkpointer: Checkpointer;
  readonly images: Images;
  /** Who keeps images. */
  readonly keepers: Set<ImageKeeper> = new Set();
  readonly pipeline: Pipeline;
  readonly snapshots: Snapshots;
  readonly log: LogWriter;
  readonly maintenance: Maintenance;
  readonly claim: Claim;
  /**
   * Of this open. The claim's own number, unless somebody has deleted the lock folder: then claims
   * count from 1 again, but what is written must still come after all that was.
   */
  readonly generation: number;
  readonly #reader: Reader;
  readonly #options: EngineOptions;
  #published: Published;
  #isClosed = false;
  #closing: Promise<void> | undefined;
  /** As the storage has told last; 0 before an asynchronous one has answered. */
  #usedBytes = 0;

  constructor(parts: EngineParts) {
    const { storage, claim, recovered, options, clock, random } = parts;
    this.storage = storage;
    this.claim = claim;
    const isOurs = options.readOnly === true || parts.report.outcome === "created";
    this.generation = Math.max(claim.generation, recovered.generation + (isOurs ? 0 : 1));
    this.clock = clock;
    this.readOnly = options.readOnly ?? false;
    this.recovery = parts.report;
    this.core = recovered.core;
    this.pager = recovered.pager;
    this.forest = recovered.trees;
    this.applier = recovered.applier;
    this.#options = options;
    this.#published = recovered.state;
    this.#reader = new Reader(this.pager, this.forest);
    const { retain } = options;
    const history = retain === undefined ? undefined : new History(this.core, retain);
    history?.add(recovered.state);
    this.snapshots = new Snapshots(this.core, clock, history);
    this.log = this.#openLog(recovered, random);
    const { newest, older } = recovered.roots;
    this.images = new Images({
      storage,
      checksum: this.core.checksum,
      databaseId: newest.root.databaseId,
      generation: this.generation,
      random64: () => random64(random),
      newest: newest.images,
      rooted: [...newest.images, ...older.images],
    });
    this.checkpointer = new Checkpointer({
      storage,
      pager: this.pager,
      trees: this.forest,
      log: this.log,
      images: this.images,
      check: () => claim.check(),
      generation: this.generation,
      random64: () => random64(random),
      roots: recovered.roots,
    });
    this.pipeline = new Pipeline({
      applier: this.applier,
      log: this.log,
      clock,
      finality: finalityOf(options.durability),
      recovered: recovered.state,
      keyBytesMax: keyBytesMax + internalKeyBytes,
      ...(history === undefined ? {} : { applied: (state) => history.add(state) }),
      publish: (state) => this.#publish(state),
      appended: (isDurable) => this.maintenance.appended(isDurable),
      poisoned: () => this.maintenance.stop(),
    });
    this.maintenance = new Maintenance(this, options);
    this.core.onTrap = (error) => this.pipeline.poison(error);
    this.pager.onPressure = () => this.snapshots.lapseOldest();
    this.pager.onWriteFailed = (error) => this.pipeline.poison(error);
    this.snapshots.onRelease = () => this.forest.forgetDropped();
    if (history !== undefined) history.onRelease = this.snapshots.onRelease;
  }

  #openLog(recovered: Recovered, random: (bytes: Uint8Array) => void): LogWriter {
    const { core, tail, roots } = recovered;
    const end = tail?.end ?? roots.newest.root.position;
    const { segmentBytes, frameBytesMax } = this.#options;
    const { first, max } = segmentBytes ?? {};
    return new LogWriter({
      storage: this.storage,
      checksum: core.checksum,
      databaseId: roots.newest.root.databaseId,
      generation: this.generation,
      random32: () => Number(random64(random) & 0xffff_ffffn),
      staging: () => core.output,
      recovered: { end, segments: tail?.segments ?? [] },
      check: () => this.claim.check(),
      options: {
        ...(first === undefined ? {} : { firstBytes: first }),
        ...(max === undefined ? {} : { maxBytes: max }),
        ...(frameBytesMax === undefined ? {} : { frameBytesMax }),
      },
    });
  }

  #publish(state: Published): void {
    const { exports } = this.core;
    if (exports.pinEpoch(state.epoch) < 0) throw this.pager.failure(status.tableFull);
    exports.unpinEpoch(this.#published.epoch);
    this.#published = state;
    this.forest.publish(state.epoch);
  }

  /** The newest state that readers see. */
  get published(): Published {
    return this.#published;
  }

  // ---- catalogue

  /** The trees of the newest published state. */
  trees(): IterableIterator<TreeInfo> {
    return this.forest.seenAt(this.#published.epoch);
  }
  /** The trees of the newest applied commit; for use in `decide`, and by upkeep. */
  newestTrees(): IterableIterator<TreeInfo> {
    return this.forest.all();
  }
  /** A tree of the newest applied commit. */
  tree(id: number): TreeInfo | undefined {
    return this.forest.get(id);
  }
  /** An id for a new tree; for use in `decide`. */
  nextTreeId(): number {
    return this.forest.take();
  }

  // ---- writes

  /** Where the effects of the next `submit` are encoded; drops what was not submitted. */
  beginCommit(): EffectBuffer {
    this.#requireWritable();
    return this.pipeline.begin();
  }

  /** Commits what was encoded since `beginCommit`. */
  async submit(options?: CommitOptions): Promise<Receipt> {
    this.#requireWritable();
    return receiptOf(await this.pipeline.submit(options));
  }

  submitSync(options?: CommitOptions): Receipt {
    this.#requireSynchronous();
    this.#requireWritable();
    return receiptOf(this.pipeline.submitSync(undefined, options));
  }

  /**
   * A commit whose effects are decided at its turn, when it sees the newest state (`at: "newest"`).
   * Throwing in `decide` ends that commit alone.
   */
  async commit<R>(
    decide: Decide<R>,
    options?: CommitOptions,
  ): Promise<{ receipt: Receipt | undefined; result: R; removed: number }> {
    this.#requireWritable();
    const outcome = await this.pipeline.submitDeciding(decide, options);
    return outcome as { receipt: Receipt | undefined; result: R; removed: number };
  }

  commitSync<R>(
    decide: Decide<R>,
    options?: CommitOptions,
  ): { receipt: Receipt | undefined; result: R; removed: number } {
    this.#requireWritable();
    this.#requireSynchronous();
    const outcome = this.pipeline.submitSync(decide, options);
    return outcome as { receipt: Receipt | undefined; result: R; removed: number };
  }

  // ---- reads

  /** A value, at once where its pages are resident or the storage is synchronous. */
  read<T>(
    tree: number,
    key: Uint8Array | string,
    at: At,
    now: number,
    decode: DecodeRecord<T>,
  ): Awaitable<T | undefined> {
    const epoch = this.#epochOf(at);
    const core = this.core;
    const keyLength = core.writeKey(key, 0, keyBytesMax + internalKeyBytes);
    const flags = core.exports.getCopied(tree, epoch, keyLength, now);
    if (flags >= 0 && (flags & recordFlags.overflow) === 0) {
      return decode(core.bytes, core.valueAddress, core.valueBytes, core);
    }
    if (flags === status.notFound) return undefined;
    const steps = this.#pinned(epoch, this.#reader.read(tree, key, epoch, now, decode));
    return this.storage.capabilities.sync ? runSync(steps) : runAsync(steps);
  }

  readSync<T>(
    tree: number,
    key: Uint8Array | string,
    at: At,
    now: number,
    decode: DecodeRecord<T>,
  ): T | undefined {
    const epoch = this.#epochOf(at);
    const core = this.core;
    const keyLength = core.writeKey(key, 0, keyBytesMax + internalKeyBytes);
    const flags = core.exports.getCopied(tree, epoch, keyLength, now);
    if (flags >= 0 && (flags & recordFlags.overflow) === 0) {
      return decode(core.bytes, core.valueAddress, core.valueBytes, core);
    }
    if (flags === status.notFound) return undefined;
    return runSync(this.#pinned(epoch, this.#reader.read(tree, key, epoch, now, decode)));
  }

  *readSteps<T>(
    tree: number,
    key: Uint8Array | string,
    at: At,
    now: number,
    decode: DecodeRecord<T>,
  ): Steps<T | undefined> {
    const epoch = this.#epochOf(at);
    return yield* this.#pinned(epoch, this.#reader.read(tree, key, epoch, now, decode));
  }

  *readManySteps<T>(
    tree: number,
    keys: readonly (Uint8Array | string)[],
    at: At,
    now: number,
    decode: Decode<T>,
  ): Steps<(T | undefined)[]> {
    const epoch = this.#epochOf(at);
    return yield* this.#pinned(epoch, this.#reader.readMany(tree, keys, epoch, now, decode));
  }

  /** The first key that has a record (`isPresent`), or has none; -1 for none. Ignores expiry. */
  *findSteps(tree: number, keys: PackedKeys, at: At, isPresent: boolean): Steps<number> {
    const epoch = this.#epochOf(at);
    return yield* this.#pinned(epoch, this.#reader.find(tree, keys, epoch, isPresent));
  }

  /** The seqs of the records' last changes; undefined where there is no record. */
  *readSeqsSteps(
    tree: number,
    keys: readonly (Uint8Array | string)[],
    at: At,
    now: number,
  ): Steps<(number | undefined)[]> {
    const epoch = this.#epochOf(at);
    return yield* this.#pinned(epoch, this.#reader.readSeqs(tree, keys, epoch, now));
  }

  /** One batch of rows; see {@link Rows}. */
  *scanSteps(
    tree: number,
    range: Range,
    at: At,
    now: number,
    limit: number,
    columns: Columns,
  ): Steps<Rows> {
    const epoch = this.#epochOf(at);
    return yield* this.#pinned(epoch, this.#reader.scan(tree, range, epoch, now, limit, columns));
  }

  /** Gathers over the table rows of a range; see {@link Reader.fold}. */
  *foldSteps(tree: number, range: Range, at: At, program: Program): Steps<FoldResult | undefined> {
    const epoch = this.#epochOf(at);
    return yield* this.#pinned(epoch, this.#reader.fold(tree, range, epoch, program));
  }

  /** Gathers columns of the first table rows of a range; see {@link Reader.gather}. */
  *gatherSteps<T>(
    tree: number,
    range: Range,
    at: At,
    gathering: Gathering,
    decode: Decode<T>,
  ): Steps<Gathered<T> | undefined> {
    const epoch = this.#epochOf(at);
    const steps = this.#reader.gather(tree, range, epoch, gathering, decode);
    return yield* this.#pinned(epoch, steps);
  }

  /** The records that the entries of an index lead to; see {@link Reader.readEntries}. */
  *readEntriesSteps(
    index: number,
    range: Range,
    at: At,
    limit: number,
    keyAt: (bytes: Uint8Array, at: number) => number,
    tree: number,
    take: Decode<void>,
  ): Steps<{ readonly entries: number; readonly resume: Uint8Array | undefined }> {
    const epoch = this.#epochOf(at);
    const steps = this.#reader.readEntries(index, range, epoch, limit, keyAt, tree, take);
    return yield* this.#pinned(epoch, steps);
  }

  *countRangeSteps(
    tree: number,
    low: Uint8Array | string,
    high: Uint8Array | string,
    at: At,
  ): Steps<number> {
    const epoch = this.#epochOf(at);
    return yield* this.#pinned(epoch, this.#reader.countRange(tree, low, high, epoch));
  }

  /** Records of a tree, expired ones included until they are swept. */
  records(tree: number, at?: At): number {
    return this.core.exports.treeRecords(tree, this.#epochOf(at));
  }

  /**
   * Lends a value without copying it. The view is good until `fn` returns, whatever `fn` does with
   * the database meanwhile.
   */
  viewSync<T>(
    tree: number,
    key: Uint8Array | string,
    at: At,
    now: number,
    fn: (bytes: Uint8Array) => T,
  ): T | undefined {
    const epoch = this.#epochOf(at);
    return runSync(this.#pinned(epoch, this.#reader.view(tree, key, epoch, now, fn)));
  }

  view<T>(
    tree: number,
    key: Uint8Array | string,
    at: At,
    now: number,
    fn: (bytes: Uint8Array) => T,
  ): Awaitable<T | undefined> {
    const epoch = this.#epochOf(at);
    const steps = this.#pinned(epoch, this.#reader.view(tree, key, epoch, now, fn));
    return this.storage.capabilities.sync ? runSync(steps) : runAsync(steps);
  }

  /** Keeps the epoch while a read waits for pages. */
  *#pinned<T>(epoch: number, steps: Steps<T>): Steps<T> {
    if (epoch === 0) return yield* steps;
    const { exports } = this.core;
    exports.pinEpoch(epoch);
    try {
      return yield* steps;
    } finally {
      exports.unpinEpoch(epoch);
    }
  }

  #epochOf(at: At): number {
    if (this.#isClosed) throw closed();
    if (at === undefined) return this.#published.epoch;
    return at === "newest" ? 0 : this.snapshots.use(at);
  }

  /** Leases a state: the newest, that of the last checkpoint, or one at a seq that is kept. */
  snapshot(options: { at?: bigint | "checkpoint"; leaseMs?: number } = {}): Snapshot {
    if (this.#isClosed) throw closed();
    const { seq, time } = this.#published;
    const { at = BigInt(seq), leaseMs = leaseMsDefault } = options;
    const wanted = at === "checkpoint" ? this.checkpointer.newest.root.seq : Number(at);
    const epoch = this.#epochAt(wanted);
    if (epoch !== undefined) return this.snapshots.take(epoch, wanted, leaseMs, time);
    throw new CairnError(
      "seq_garbage_collected",
      `Cannot read at seq ${wanted}: the newest is ${seq}, the last checkpoint is at ` +
        `${this.checkpointer.newest.root.seq}, and nobody holds a snapshot of that one. Take a ` +
        "snapshot while the state is the newest, or open the database with the option retain.",
      { details: { found: at, newest: seq } },
    );
  }

  /** The epoch of a seq that can still be read. */
  #epochAt(seq: number): number | undefined {
    const { published, snapshots } = this;
    if (seq === published.seq) return published.epoch;
    if (seq > published.seq) return undefined;
    const kept = snapshots.epochOf(seq) ?? snapshots.history?.find(seq, this.clock());
    if (kept !== undefined) return kept;
    return seq === this.checkpointer.newest.root.seq ? this.forest.rooted : undefined;
  }

  /** The earliest commit that somebody may still read at, now or later. */
  get oldestReadableSeq(): number {
    const { history, oldestSeq } = this.snapshots;
    const newest = this.#published.seq;
    const kept = Math.min(oldestSeq ?? newest, history?.oldestSeq ?? newest);
    return Math.min(kept, this.checkpointer.newest.root.seq);
  }

  // ---- upkeep

  /** Lets those who keep images write them, before a checkpoint that is to name them. */
  async prepare(occasion: Occasion): Promise<void> {
    for (const keeper of this.keepers) await keeper.prepare(occasion);
  }

  /**
   * Changes pages without changing what they say, between commits, in an epoch of its own. Nothing
   * goes to the log: after a crash the pages are simply where they were.
   */
  move<T>(change: () => Steps<T>): Promise<T> {
    return this.pipeline.turn(() => this.#move(change));
  }

  *#move<T>(change: () => Steps<T>): Steps<T> {
    const { pipeline } = this;
    pipeline.requireHealthy();
    const epoch = this.applier.begin();
    let result: T;
    try {
      result = yield* change();
    } catch (error) {
      this.applier.rollback();
      throw error;
    }
    this.applier.commit(epoch);
    pipeline.epoch = epoch;
    this.#publish({ epoch, seq: pipeline.seq, time: pipeline.time });
    return result;
  }

  /** Makes everything that was committed so far durable. */
  async flush(): Promise<void> {
    this.#requireWritable();
    await this.pipeline.idle();
    try {
      await this.log.sync();
    } catch (error) {
      this.pipeline.poison(error);
      throw error;
    }
  }

  /** Writes a checkpoint now. */
  async checkpoint(options: LongOptions = {}): Promise<void> {
    this.#requireWritable();
    await this.maintenance.checkpoint(options);
  }

  /**
   * Rewrites trees densely and gives space back; deleted bytes are gone from the medium afterwards.
   */
  async compact(options: LongOptions = {}): Promise<void> {
    this.#requireWritable();
    await compact(this, options);
  }

  /** Checks every page, key order, checksum and reference. */
  async verify(options: LongOptions = {}): Promise<VerifyReport> {
    if (this.#isClosed) throw closed();
    return await verify(this, options);
  }

  /** Copies a consistent state to another storage, which is an ordinary database afterwards. */
  async backup(target: Storage, options: LongOptions = {}): Promise<void> {
    if (this.#isClosed) throw closed();
    await backup(this, target, options);
  }

  stats(): EngineStats {
    if (this.#isClosed) throw closed();
    const { exports, bytes } = this.core;
    let live = 0;
    for (const number of this.pager.numbers()) live += exports.livePages(number);
    const used = this.storage.usedBytes();
    if (typeof used === "number") this.#usedBytes = used;
    else {
      // Answered the next time; nobody waits for it, so it may fail when the storage is closed.
      used.then(
        (bytesUsed) => {
          this.#usedBytes = bytesUsed;
        },
        () => undefined,
      );
    }
    const usedBytes = this.#usedBytes;
    const liveBytes = live * 4096;
    return {
      seq: BigInt(this.#published.seq),
      durableSeq: BigInt(this.log.durableSeq),
      checkpointSeq: BigInt(this.checkpointer.newest.root.seq),
      generation: this.generation,
      trees: [...this.trees()].length,
      memory: {
        budgetBytes: this.recovery.memoryBudget,
        frameBytes: exports.frameCount() * 4096,
        residentBytes: exports.residentPages() * 4096,
        dirtyBytes: exports.dirtyFrames() * 4096,
        wasmBytes: bytes.length,
      },
      storage: {
        usedBytes,
        blobs: this.pager.blobs.size,
        liveBytes,
        reclaimableBytes: Math.max(0, usedBytes - liveBytes),
        logBytes: this.maintenance.logBytes,
      },
      pagesRead: this.pager.pagesRead,
      pagesWritten: this.pager.pagesWritten,
      snapshots: this.snapshots.count,
      upkeepFailure: this.maintenance.failure,
    };
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /**
   * Ends everything, writes a checkpoint, closes the log cleanly, and lets go of the storage. No
   * commit begins after the call; reads are answered until it ends.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await this.pipeline.idle();
    try {
      if (!this.core.hasTrapped) this.snapshots.releaseAll();
      await this.maintenance.close();
    } finally {
      this.#isClosed = true;
      this.maintenance.stop();
      await this.log.settled();
      try {
        await this.storage.close();
      } finally {
        await this.claim.release();
      }
    }
  }

  /**
   * Before anything is applied: a commit must not end halfway because the storage answers later.
   */
  #requireSynchronous(): void {
    if (this.storage.capabilities.sync) return;
    throw new CairnError(
      "synchronous_unavailable",
      "Cannot commit in one turn: this storage answers asynchronously. Use the awaited form.",
    );
  }

  #requireWritable(): void {
    if (this.#closing !== undefined) throw closed();
    if (this.readOnly) {
      throw new CairnError(
        "read_only",
        "Cannot write: the database was opened with readOnly. Open it without.",
      );
    }
    this.pipeline.requireHealthy();
  }
}

function receiptOf(outcome: Outcome): Receipt {
  if (outcome.receipt !== undefined) return outcome.receipt;
  throw new CairnError(
    "argument_invalid",
    "Cannot commit nothing: a commit needs at least one effect.",
  );
}

function finalityOf(durability: Durability | undefined): Finality {
  return durability === undefined || durability === "full" ? "durable" : "visible";
}

/** Frames of the memory budget. */
export function budgetFrames(options: EngineOptions): number {
  const bytes = options.memoryBudget ?? 256 * 1024 * 1024;
  return Math.max(1024, Math.floor(bytes / 4096));
}

function closed(): CairnError {
  return new CairnError("closed", "Cannot use the database: it has been closed. Open it again.");
}
