/** Transactions as applications see them: {@link Attempt} with keys, codecs and iterators. */
import { runAsync, runSync, type Steps } from "../engine/index.ts";
import {
  type Attempt,
  type Key,
  ownedBytes,
  type TransactionOptions,
} from "../transaction/index.ts";
import { requireSame } from "./batch.ts";
import type { Context } from "./context.ts";
import { checkKey } from "./key-check.ts";
import { coreOf, type Keyspace } from "./keyspace.ts";
import { expiresAtOf, isThere, type KeyspaceCore, type LifetimeOptions } from "./keyspace-core.ts";
import { changeNumber, type NumberChange, type NumberPolicies } from "./numbers.ts";
import { checkOneOf, checkOptions, checkWhole } from "./options.ts";
import { emptyRange, type RangeOptions, rangeOf, rangeOptionNames } from "./range.ts";
import { RowReader, type Shape } from "./row-reader.ts";
import { AsyncRows, SyncRows } from "./rows.ts";
import { type Entry, type Shapes, shapesOf } from "./scan.ts";

const transactionOptionNames: ReadonlySet<string> = new Set([
  "isolation",
  "retries",
  "signal",
  "finality",
]);
const scanOptionNames: ReadonlySet<string> = new Set([...rangeOptionNames, "signal"]);
const lifetimeOptionNames: ReadonlySet<string> = new Set(["ttl", "expiresAt"]);

/** What to read of the state that the transaction sees, its own writes included. */
export interface TransactionScanOptions<K extends Key = Key> extends RangeOptions<K> {
  /** Looked at between batches of rows. */
  readonly signal?: AbortSignal;
}

/** @throws CairnError `option_unknown`, `argument_invalid`. */
export function checkTransactionOptions(options: TransactionOptions): void {
  const action = "run a transaction";
  checkOptions(action, options, transactionOptionNames);
  checkOneOf(action, "isolation", options.isolation, ["snapshot", "serializable"]);
  checkOneOf(action, "finality", options.finality, ["visible", "durable"]);
  checkWhole(action, "retries", options.retries, 0);
}

/** What else can take part in a transaction: a table, a vector index. */
export interface Joinable<T> {
  /** Not for applications: the methods of a transaction call it. */
  joinTransaction(context: Context, attempt: Attempt): T;
}

/** What the callback of `db.transaction` gets. Good only until the callback's promise settles. */
export class Transaction {
  readonly #context: Context;
  readonly #attempt: Attempt;

  /** Not for applications: `db.transaction` makes it. */
  constructor(context: Context, attempt: Attempt) {
    this.#context = context;
    this.#attempt = attempt;
  }

  /** When the state it reads was taken, Unix milliseconds; expiry is judged at this time. */
  get time(): number {
    return this.#attempt.time;
  }

  /** A keyspace within this transaction: its reads see the writes, nobody else does. */
  keyspace<K extends Key, V>(keyspace: Keyspace<K, V>): TransactionKeyspace<K, V> {
    this.#attempt.requireOpen();
    const core = coreOf(keyspace);
    requireSame(core.context, this.#context);
    return new TransactionKeyspace(this.#attempt, core);
  }

  /** A table within this transaction: its reads see the writes, nobody else does. */
  table<T>(table: Joinable<T>): T {
    this.#attempt.requireOpen();
    return table.joinTransaction(this.#context, this.#attempt);
  }

  /** A query within this transaction: it sees the writes, nobody else does. */
  query<T>(query: Joinable<T>): T {
    this.#attempt.requireOpen();
    return query.joinTransaction(this.#context, this.#attempt);
  }

  /** A vector index within this transaction: its reads see the writes, nobody else does. */
  vectors<T>(index: Joinable<T>): T {
    this.#attempt.requireOpen();
    return index.joinTransaction(this.#context, this.#attempt);
  }
}

/** What the callback of `db.transactionSync` gets: everything in there happens in one turn. */
export interface SyncTransaction {
  readonly time: number;
  keyspace<K extends Key, V>(keyspace: Keyspace<K, V>): SyncTransactionKeyspace<K, V>;
  table<T>(table: Joinable<T>): T;
  query<T>(query: Joinable<T>): T;
  vectors<T>(index: Joinable<T>): T;
}

/** The methods of a {@link TransactionKeyspace} that answer at once. */
export type SyncTransactionKeyspace<K extends Key, V> = Pick<
  TransactionKeyspace<K, V>,
  | "getSync"
  | "getManySync"
  | "hasSync"
  | "expiresAtSync"
  | "ttlSync"
  | "put"
  | "deleteSync"
  | "addSync"
  | "subtractSync"
  | "entriesSync"
  | "keysSync"
  | "valuesSync"
>;

/**
 * A keyspace within a transaction. Methods may answer `transaction_closed`, `keyspace_dropped` and
 * what the same method of {@link Keyspace} does. Iterators see what was written before they were
 * made.
 */
export class TransactionKeyspace<K extends Key, V> {
  readonly #attempt: Attempt;
  readonly #core: KeyspaceCore<K, V>;
  readonly #shapes: Shapes<K, V>;

  /** Not for applications: {@link Transaction.keyspace} makes it. */
  constructor(attempt: Attempt, core: KeyspaceCore<K, V>) {
    this.#attempt = attempt;
    this.#core = core;
    this.#shapes = shapesOf(core);
  }

  async get(key: K): Promise<V | undefined> {
    return await runAsync(this.#get(key));
  }

  getSync(key: K): V | undefined {
    return runSync(this.#get(key));
  }

  #get(key: K): Steps<V | undefined> {
    checkKey(this.#core.tree, key);
    return this.#attempt.read(this.#core.tree, key, this.#core.codec.decode);
  }

  async getMany(keys: readonly K[]): Promise<(V | undefined)[]> {
    return await runAsync(this.#getMany(keys));
  }

  getManySync(keys: readonly K[]): (V | undefined)[] {
    return runSync(this.#getMany(keys));
  }

  *#getMany(keys: readonly K[]): Steps<(V | undefined)[]> {
    const values: (V | undefined)[] = [];
    for (const key of keys) values.push(yield* this.#get(key));
    return values;
  }

  async has(key: K): Promise<boolean> {
    return await runAsync(this.#has(key));
  }

  hasSync(key: K): boolean {
    return runSync(this.#has(key));
  }

  *#has(key: K): Steps<boolean> {
    checkKey(this.#core.tree, key);
    return (yield* this.#attempt.read(this.#core.tree, key, isThere)) === true;
  }

  /** As {@link Keyspace.expiresAt}; for a `ttl` put in here, as if it committed at `time`. */
  async expiresAt(key: K): Promise<number | null | undefined> {
    return await runAsync(this.#expiresAt(key));
  }

  expiresAtSync(key: K): number | null | undefined {
    return runSync(this.#expiresAt(key));
  }

  *#expiresAt(key: K): Steps<number | null | undefined> {
    checkKey(this.#core.tree, key);
    const found = yield* this.#attempt.read(this.#core.tree, key, expiresAtOf);
    return found === 0 ? null : found;
  }

  /** Milliseconds that the record has left: null for ever, undefined when there is no record. */
  async ttl(key: K): Promise<number | null | undefined> {
    return this.#left(await this.expiresAt(key));
  }

  ttlSync(key: K): number | null | undefined {
    return this.#left(this.expiresAtSync(key));
  }

  #left(expiresAt: number | null | undefined): number | null | undefined {
    return typeof expiresAt === "number" ? expiresAt - this.#attempt.time : expiresAt;
  }

  /** Puts a record when the transaction commits; a `ttl` counts from then on. */
  put(key: K, value: V, options?: LifetimeOptions): void {
    const core = this.#core;
    checkKey(core.tree, key);
    checkOptions("put a record", options, lifetimeOptionNames);
    const lifetime =
      options === undefined ? core.lifetime : core.lifetimeOf("put a record", options);
    // The encoder uses its memory again, and bytes may be changed by whoever owns them.
    this.#attempt.put(core.tree, key, ownedBytes(core.codec.encode(value)), lifetime);
  }

  /** Deletes a record when the transaction commits: true when it is there now. */
  async delete(key: K): Promise<boolean> {
    checkKey(this.#core.tree, key);
    this.#attempt.requireOpen();
    const found = this.has(key);
    // Staged at once, so that it counts although nobody waits for the answer.
    this.#attempt.delete(this.#core.tree, key);
    return await found;
  }

  deleteSync(key: K): boolean {
    const found = this.hasSync(key);
    this.#attempt.delete(this.#core.tree, key);
    return found;
  }

  /** As {@link Keyspace.add}, when the transaction commits. */
  async add(
    this: TransactionKeyspace<K, bigint>,
    key: K,
    amount: bigint,
    options?: NumberPolicies,
  ): Promise<NumberChange> {
    return await runAsync(changeNumber(this.#attempt, this.#core, key, "add", amount, options));
  }

  /** As {@link Keyspace.subtract}, when the transaction commits. */
  async subtract(
    this: TransactionKeyspace<K, bigint>,
    key: K,
    amount: bigint,
    options?: NumberPolicies,
  ): Promise<NumberChange> {
    return await runAsync(
      changeNumber(this.#attempt, this.#core, key, "subtract", amount, options),
    );
  }

  /** As {@link Keyspace.max}, when the transaction commits. */
  async max(
    this: TransactionKeyspace<K, bigint>,
    key: K,
    candidate: bigint,
    options?: NumberPolicies,
  ): Promise<NumberChange> {
    return await runAsync(changeNumber(this.#attempt, this.#core, key, "max", candidate, options));
  }

  /** As {@link Keyspace.min}, when the transaction commits. */
  async min(
    this: TransactionKeyspace<K, bigint>,
    key: K,
    candidate: bigint,
    options?: NumberPolicies,
  ): Promise<NumberChange> {
    return await runAsync(changeNumber(this.#attempt, this.#core, key, "min", candidate, options));
  }

  addSync(
    this: TransactionKeyspace<K, bigint>,
    key: K,
    amount: bigint,
    options?: NumberPolicies,
  ): NumberChange {
    return runSync(changeNumber(this.#attempt, this.#core, key, "add", amount, options));
  }

  subtractSync(
    this: TransactionKeyspace<K, bigint>,
    key: K,
    amount: bigint,
    options?: NumberPolicies,
  ): NumberChange {
    return runSync(changeNumber(this.#attempt, this.#core, key, "subtract", amount, options));
  }

  entries(options: TransactionScanOptions<K> = {}): AsyncRows<Entry<K, V>> {
    return new AsyncRows(this.#read("visit entries", options, this.#shapes.entry));
  }

  keys(options: TransactionScanOptions<K> = {}): AsyncRows<K> {
    return new AsyncRows(this.#read("visit keys", options, this.#shapes.key));
  }

  values(options: TransactionScanOptions<K> = {}): AsyncRows<V> {
    return new AsyncRows(this.#read("visit values", options, this.#shapes.value));
  }

  entriesSync(options: TransactionScanOptions<K> = {}): SyncRows<Entry<K, V>> {
    return new SyncRows(this.#read("visit entries", options, this.#shapes.entry));
  }

  keysSync(options: TransactionScanOptions<K> = {}): SyncRows<K> {
    return new SyncRows(this.#read("visit keys", options, this.#shapes.key));
  }

  valuesSync(options: TransactionScanOptions<K> = {}): SyncRows<V> {
    return new SyncRows(this.#read("visit values", options, this.#shapes.value));
  }

  #read<Row>(
    action: string,
    options: TransactionScanOptions<K>,
    shape: Shape<Row>,
  ): RowReader<Row> {
    const { tree } = this.#core;
    this.#core.requireTree();
    this.#attempt.requireOpen();
    const range = rangeOf(action, tree, options, scanOptionNames);
    return new RowReader({
      source: range === emptyRange ? undefined : this.#attempt.scan(tree, range, shape.hasValues),
      shape,
      limit: options.limit,
      isReverse: options.reverse === true,
      // What is staged has no place in the order of hashes.
      hasCursor: tree.kind === "ordered",
      signal: options.signal,
      pinned: undefined,
    });
  }
}
