import { type Decide, type Receipt, runAsync, runSync, type Snapshot } from "../engine/index.ts";
import { CairnError } from "../errors.ts";
import type { Key } from "../transaction/index.ts";
import { RecordAssertions } from "./assertions.ts";
import { decideDelete, decideDeleteRange, decidePersist } from "./changes.ts";
import { type CountOptions, countSteps } from "./count.ts";
import type { KeyspaceKind } from "./descriptor.ts";
import { Focus, groupHigh, groupLow, requireGroup } from "./focus.ts";
import { checkKey, dropped } from "./key-check.ts";
import {
  type BatchOperation,
  buildOperations,
  checkWriteOptions,
  expiresAtOf,
  isThere,
  type KeyspaceCore,
  type PutOptions,
  receiptOfNothing,
  seqOf,
  type WriteOptions,
} from "./keyspace-core.ts";
import { KeyspaceMutations } from "./mutations.ts";
import {
  decideNumber,
  type NumberChange,
  type NumberOptions,
  type NumberResult,
} from "./numbers.ts";
import { checkOptions, invalid } from "./options.ts";
import type { ScanOptions } from "./range.ts";
import { AsyncRows, SyncRows } from "./rows.ts";
import { type Entry, readSnapshot, type Shapes, shapesOf } from "./scan.ts";
import { readableOf, type WritableOptions, writableOf } from "./streams.ts";

/** What state a read sees. */
export interface ReadOptions {
  /** Reads this state instead of the newest; expiry is judged at its time. */
  readonly snapshot?: Snapshot;
}

type GroupOptions = Pick<ScanOptions, "snapshot" | "signal">;

const readOptionNames: ReadonlySet<string> = new Set(["snapshot"]);

/** A keyspace's inner side, for this folder. */
let coreOfKeyspace: <K extends Key, V>(keyspace: Keyspace<K, V>) => KeyspaceCore<K, V>;

export function coreOf<K extends Key, V>(keyspace: Keyspace<K, V>): KeyspaceCore<K, V> {
  if (keyspace instanceof Keyspace) return coreOfKeyspace(keyspace);
  throw invalid("use this keyspace", "it", `a ${typeof keyspace}`, "what db.keyspace() answers");
}

/**
 * Records by key. Every method may answer `closed`, `keyspace_dropped` and, where a key is given,
 * `key_invalid` (the wrong type, or a lone surrogate) and `key_too_large` (over 1,024 bytes). Every
 * method with `Sync` in its name answers in this turn, or `synchronous_unavailable` where the
 * storage cannot. A record that has expired is absent everywhere, from its moment on.
 */
export class Keyspace<K extends Key = Key, V = unknown> {
  readonly #core: KeyspaceCore<K, V>;
  readonly #shapes: Shapes<K, V>;

  static {
    coreOfKeyspace = (keyspace) => keyspace.#core;
  }

  /** Not for applications: `db.keyspace` makes it. */
  constructor(core: KeyspaceCore<K, V>) {
    this.#core = core;
    this.#shapes = shapesOf(core);
  }

  /** "" for the default keyspace. */
  get name(): string {
    return this.#core.descriptor.name;
  }

  get kind(): KeyspaceKind {
    return this.#core.tree.kind;
  }

  // ---- for envelopes

  /** Makes mutations for `db.commit`, by the names of the methods here that do the same. */
  get mutations(): KeyspaceMutations<K, V> {
    return new KeyspaceMutations(this);
  }

  /** Makes assertions about the record under a key, for `db.commit`. */
  record(key: K): RecordAssertions<V> {
    return new RecordAssertions(this, key);
  }

  // ---- reading one record

  /** The value, or undefined. @throws CairnError `snapshot_expired`, `codec_failed`. */
  async get(key: K, options?: ReadOptions): Promise<V | undefined> {
    const core = this.#core;
    checkKey(core.tree, key);
    const { at, now } = this.#state(options);
    return await core.context.engine.read(core.tree.id, key, at, now, core.codec.decode);
  }

  /** The value, or undefined; the quickest of all reads. */
  getSync(key: K, options?: ReadOptions): V | undefined {
    const core = this.#core;
    const { tree, context } = core;
    checkKey(tree, key);
    if (options !== undefined) {
      const { at, now } = this.#state(options);
      return context.engine.readSync(tree.id, key, at, now, core.codec.decode);
    }
    const now = tree.expires ? context.now() : 0;
    return context.engine.readSync(tree.id, key, undefined, now, core.codec.decode);
  }

  /** The values in the order of the keys, undefined where there is none; all of one state. */
  async getMany(keys: readonly K[], options?: ReadOptions): Promise<(V | undefined)[]> {
    return await runAsync(this.#readMany(keys, options));
  }

  getManySync(keys: readonly K[], options?: ReadOptions): (V | undefined)[] {
    return runSync(this.#readMany(keys, options));
  }

  #readMany(keys: readonly K[], options: ReadOptions | undefined) {
    const core = this.#core;
    for (const key of keys) checkKey(core.tree, key);
    const { at, now } = this.#state(options);
    const { decodeOwned } = core.codec;
    return core.context.engine.readManySteps(core.tree.id, keys, at, now, decodeOwned);
  }

  /** True when there is a record; its value is not decoded. */
  async has(key: K, options?: ReadOptions): Promise<boolean> {
    const core = this.#core;
    checkKey(core.tree, key);
    const { at, now } = this.#state(options);
    return (await core.context.engine.read(core.tree.id, key, at, now, isThere)) === true;
  }

  hasSync(key: K, options?: ReadOptions): boolean {
    const core = this.#core;
    checkKey(core.tree, key);
    const { at, now } = this.#state(options);
    return core.context.engine.readSync(core.tree.id, key, at, now, isThere) === true;
  }

  /**
   * Lends the value's bytes to `fn` without copying them: what it returns, undefined when there is
   * no record. The view is dead when `fn` returns, so it must not be kept, or used after an await.
   */
  async view<T>(
    key: K,
    fn: (bytes: Uint8Array) => T,
    options?: ReadOptions,
  ): Promise<T | undefined> {
    const core = this.#core;
    checkKey(core.tree, key);
    const { at, now } = this.#state(options);
    return await core.context.engine.view(core.tree.id, key, at, now, fn);
  }

  viewSync<T>(key: K, fn: (bytes: Uint8Array) => T, options?: ReadOptions): T | undefined {
    const core = this.#core;
    checkKey(core.tree, key);
    const { at, now } = this.#state(options);
    return core.context.engine.viewSync(core.tree.id, key, at, now, fn);
  }

  /**
   * When the record expires, Unix milliseconds: null when it never does, undefined when there is
   * no record.
   */
  async expiresAt(key: K, options?: ReadOptions): Promise<number | null | undefined> {
    const core = this.#core;
    checkKey(core.tree, key);
    const { at, now } = this.#state(options);
    const found = await core.context.engine.read(core.tree.id, key, at, now, expiresAtOf);
    return found === 0 ? null : found;
  }

  expiresAtSync(key: K, options?: ReadOptions): number | null | undefined {
    const core = this.#core;
    checkKey(core.tree, key);
    const { at, now } = this.#state(options);
    const found = core.context.engine.readSync(core.tree.id, key, at, now, expiresAtOf);
    return found === 0 ? null : found;
  }

  /** The seq of the commit that changed the record last: its version, 0n when there is none. */
  async version(key: K, options?: ReadOptions): Promise<bigint> {
    const core = this.#core;
    checkKey(core.tree, key);
    const { at, now } = this.#state(options);
    return (await core.context.engine.read(core.tree.id, key, at, now, seqOf)) ?? 0n;
  }

  versionSync(key: K, options?: ReadOptions): bigint {
    const core = this.#core;
    checkKey(core.tree, key);
    const { at, now } = this.#state(options);
    return core.context.engine.readSync(core.tree.id, key, at, now, seqOf) ?? 0n;
  }

  /** Milliseconds that the record has left: null for ever, undefined when there is no record. */
  async ttl(key: K, options?: ReadOptions): Promise<number | null | undefined> {
    return this.#left(await this.expiresAt(key, options), options);
  }

  ttlSync(key: K, options?: ReadOptions): number | null | undefined {
    return this.#left(this.expiresAtSync(key, options), options);
  }

  #left(
    expiresAt: number | null | undefined,
    options: ReadOptions | undefined,
  ): number | null | undefined {
    if (expiresAt === null || expiresAt === undefined) return expiresAt;
    // While a promise was under way, the record may have expired.
    const left = expiresAt - this.#state(options).now;
    return left > 0 ? left : undefined;
  }

  /** Records; see {@link CountOptions.exact} about expired ones. */
  async count(options: CountOptions<K> = {}): Promise<number> {
    const pinned = options.snapshot === undefined ? this.#core.context.pin() : undefined;
    try {
      const at = (options.snapshot ?? pinned) as Snapshot;
      return await runAsync(countSteps(this.#core, options, at));
    } finally {
      pinned?.release();
    }
  }

  countSync(options: CountOptions<K> = {}): number {
    const pinned = options.snapshot === undefined ? this.#core.context.pin() : undefined;
    try {
      return runSync(countSteps(this.#core, options, (options.snapshot ?? pinned) as Snapshot));
    } finally {
      pinned?.release();
    }
  }

  #state(options: ReadOptions | undefined): { at: Snapshot | undefined; now: number } {
    const core = this.#core;
    if (options === undefined) return { at: undefined, now: core.now() };
    checkOptions("read", options, readOptionNames);
    const at = options.snapshot;
    return { at, now: at === undefined || !core.tree.expires ? core.now() : at.time };
  }

  // ---- writing

  /**
   * Puts a record. Without `ttl` and `expiresAt` it lives as long as the keyspace says, whatever
   * the record before it did.
   *
   * @throws CairnError `value_invalid`, `value_too_large`, `codec_failed`, `ttl_overflow`,
   * `argument_invalid`, `option_unknown`, `read_only`, `aborted`, `outcome_unknown`, `poisoned`.
   */
  async put(key: K, value: V, options?: PutOptions): Promise<Receipt> {
    this.#core.beginPut(key, value, options);
    return await this.#core.context.engine.submit(options);
  }

  putSync(key: K, value: V, options?: PutOptions): Receipt {
    this.#core.beginPut(key, value, options);
    return this.#core.context.engine.submitSync(options);
  }

  /** Deletes a record: true when it was there and had not expired. */
  async delete(key: K, options?: WriteOptions): Promise<boolean> {
    this.#checkWrite("delete a record", key, options);
    return await this.#core.context.commit(decideDelete(this.#core, key), options);
  }

  deleteSync(key: K, options?: WriteOptions): boolean {
    this.#checkWrite("delete a record", key, options);
    return this.#core.context.commitSync(decideDelete(this.#core, key), options);
  }

  /** Lets a record live for ever: true when it was there and would have expired. */
  async persist(key: K, options?: WriteOptions): Promise<boolean> {
    this.#checkWrite("persist a record", key, options);
    return await this.#core.context.commit(decidePersist(this.#core, key), options);
  }

  persistSync(key: K, options?: WriteOptions): boolean {
    this.#checkWrite("persist a record", key, options);
    return this.#core.context.commitSync(decidePersist(this.#core, key), options);
  }

  #checkWrite(action: string, key: K, options: WriteOptions | undefined): void {
    checkKey(this.#core.tree, key);
    checkWriteOptions(action, options);
  }

  /**
   * Puts and deletes records in one commit: all of them or none. Of several operations on a key the
   * last one counts. An empty batch commits nothing and answers with the newest commit.
   */
  async batch(
    operations: Iterable<BatchOperation<K, V>>,
    options?: WriteOptions,
  ): Promise<Receipt> {
    const { context } = this.#core;
    checkWriteOptions("write a batch", options);
    if (!buildOperations(this.#core, operations)) return receiptOfNothing(context);
    return await context.engine.submit(options);
  }

  batchSync(operations: Iterable<BatchOperation<K, V>>, options?: WriteOptions): Receipt {
    const { context } = this.#core;
    checkWriteOptions("write a batch", options);
    if (!buildOperations(this.#core, operations)) return receiptOfNothing(context);
    return context.engine.submitSync(options);
  }

  /** Deletes all records, in a time that does not depend on how many there are. */
  async clear(options?: WriteOptions): Promise<Receipt> {
    const { context, tree } = this.#core;
    checkWriteOptions("clear a keyspace", options);
    if (tree.isDropped) throw dropped();
    context.requireIdle();
    context.engine.beginCommit().clear(tree.id);
    return await context.engine.submit(options);
  }

  // ---- numbers, in keyspaces with the value option u64, i64 or u256

  /**
   * Adds to a number in one turn; a record keeps the expiry that it has. What the policies do not
   * catch is an error, and nothing is applied.
   * @throws CairnError `overflow`, `underflow`, `key_not_found`, `value_invalid`.
   */
  async add(
    this: Keyspace<K, bigint>,
    key: K,
    amount: bigint,
    options?: NumberOptions,
  ): Promise<NumberResult> {
    return await this.#number(decideNumber(this.#core, key, "add", amount, options), options);
  }

  /** Subtracts. @throws CairnError as {@link Keyspace.add}. */
  async subtract(
    this: Keyspace<K, bigint>,
    key: K,
    amount: bigint,
    options?: NumberOptions,
  ): Promise<NumberResult> {
    return await this.#number(decideNumber(this.#core, key, "subtract", amount, options), options);
  }

  /**
   * Keeps the greater of the number and `candidate`. @throws CairnError as {@link Keyspace.add}.
   */
  async max(
    this: Keyspace<K, bigint>,
    key: K,
    candidate: bigint,
    options?: NumberOptions,
  ): Promise<NumberResult> {
    return await this.#number(decideNumber(this.#core, key, "max", candidate, options), options);
  }

  /** Keeps the lesser of the number and `candidate`. @throws CairnError as {@link Keyspace.add}. */
  async min(
    this: Keyspace<K, bigint>,
    key: K,
    candidate: bigint,
    options?: NumberOptions,
  ): Promise<NumberResult> {
    return await this.#number(decideNumber(this.#core, key, "min", candidate, options), options);
  }

  addSync(
    this: Keyspace<K, bigint>,
    key: K,
    amount: bigint,
    options?: NumberOptions,
  ): NumberResult {
    return this.#numberSync(decideNumber(this.#core, key, "add", amount, options), options);
  }

  subtractSync(
    this: Keyspace<K, bigint>,
    key: K,
    amount: bigint,
    options?: NumberOptions,
  ): NumberResult {
    return this.#numberSync(decideNumber(this.#core, key, "subtract", amount, options), options);
  }

  async #number(
    decide: Decide<NumberChange>,
    options: NumberOptions | undefined,
  ): Promise<NumberResult> {
    const { context } = this.#core;
    context.requireIdle();
    const { receipt, result } = await context.engine.commit(decide, options);
    return { ...result, ...(receipt ?? receiptOfNothing(context)) };
  }

  #numberSync(decide: Decide<NumberChange>, options: NumberOptions | undefined): NumberResult {
    const { context } = this.#core;
    context.requireIdle();
    const { receipt, result } = context.engine.commitSync(decide, options);
    return { ...result, ...(receipt ?? receiptOfNothing(context)) };
  }

  // ---- visiting many records

  /**
   * Records in the order of their keys' bytes; of a hashed keyspace in no order, each one once.
   * What is seen is fixed by this call.
   *
   * @throws CairnError `unordered_keyspace`, `argument_invalid`, `option_unknown`.
   */
  entries(options: ScanOptions<K> = {}): AsyncRows<Entry<K, V>> {
    return new AsyncRows(readSnapshot(this.#core, "visit entries", options, this.#shapes.entry));
  }

  /** Keys, without reading the values. */
  keys(options: ScanOptions<K> = {}): AsyncRows<K> {
    return new AsyncRows(readSnapshot(this.#core, "visit keys", options, this.#shapes.key));
  }

  values(options: ScanOptions<K> = {}): AsyncRows<V> {
    return new AsyncRows(readSnapshot(this.#core, "visit values", options, this.#shapes.value));
  }

  entriesSync(options: ScanOptions<K> = {}): SyncRows<Entry<K, V>> {
    return new SyncRows(readSnapshot(this.#core, "visit entries", options, this.#shapes.entry));
  }

  keysSync(options: ScanOptions<K> = {}): SyncRows<K> {
    return new SyncRows(readSnapshot(this.#core, "visit keys", options, this.#shapes.key));
  }

  valuesSync(options: ScanOptions<K> = {}): SyncRows<V> {
    return new SyncRows(readSnapshot(this.#core, "visit values", options, this.#shapes.value));
  }

  /** Entries as a stream, fetched as fast as they are taken. */
  readable(options: ScanOptions<K> = {}): ReadableStream<Entry<K, V>> {
    return readableOf(readSnapshot(this.#core, "open a stream", options, this.#shapes.entry));
  }

  /**
   * Puts the entries that are written to the stream, `batchRows` (1,000) to a commit. Each commit
   * is whole; aborting the stream keeps what has been committed.
   */
  writable(options: WritableOptions = {}): WritableStream<Entry<K, V>> {
    return writableOf((operations, write) => this.batch(operations, write), options);
  }

  // ---- dotted groups, in ordered keyspaces with text keys

  /** The group `prefix` as a small keyspace of its own. @throws CairnError `unordered_keyspace`. */
  focus(this: Keyspace<string, V>, prefix: string): Focus<V> {
    this.#requireGroups("focus on a group");
    checkKey(this.#core.tree, prefix);
    return new Focus(this, prefix);
  }

  /** The records whose keys begin with `prefix` and a dot; not `prefix` itself. */
  group(
    this: Keyspace<string, V>,
    prefix: string,
    options: GroupOptions = {},
  ): AsyncRows<Entry<string, V>> {
    this.#requireGroups("visit a group");
    return this.entries({ ...options, gte: groupLow(prefix), lt: groupHigh(prefix) });
  }

  groupSync(
    this: Keyspace<string, V>,
    prefix: string,
    options: GroupOptions = {},
  ): SyncRows<Entry<string, V>> {
    this.#requireGroups("visit a group");
    return this.entriesSync({ ...options, gte: groupLow(prefix), lt: groupHigh(prefix) });
  }

  /**
   * Deletes the records whose keys begin with `prefix` and a dot, with one effect in the log: how
   * many there were that had not expired. @throws CairnError `argument_invalid` for "".
   */
  async deleteGroup(
    this: Keyspace<string, V>,
    prefix: string,
    options?: WriteOptions,
  ): Promise<number> {
    return await this.#core.context.commit(this.#decideDeleteGroup(prefix, options), options);
  }

  deleteGroupSync(this: Keyspace<string, V>, prefix: string, options?: WriteOptions): number {
    return this.#core.context.commitSync(this.#decideDeleteGroup(prefix, options), options);
  }

  #decideDeleteGroup(prefix: string, options: WriteOptions | undefined) {
    this.#requireGroups("delete a group");
    checkWriteOptions("delete a group", options);
    requireGroup(prefix);
    const low = groupLow(prefix);
    checkKey(this.#core.tree, low);
    return decideDeleteRange(this.#core, low, groupHigh(prefix));
  }

  #requireGroups(action: string): void {
    const { tree } = this.#core;
    if (tree.kind === "hashed") throw unorderedGroups(action);
    if (!tree.isText) {
      throw invalid(action, "the keyspace's key option", '"bytes"', '"utf8", which has dots');
    }
  }
}

function unorderedGroups(action: string): CairnError {
  return new CairnError(
    "unordered_keyspace",
    `Cannot ${action}: the keyspace is hashed and has no order. Use an ordered keyspace.`,
  );
}
