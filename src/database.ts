import { type Counter, type CounterOptions, openCounter, Turns } from "./counter/index.ts";
import type {
  Engine,
  EngineStats,
  LongOptions,
  Receipt,
  RecoveryReport,
  Snapshot,
  Timers,
  VerifyReport,
} from "./engine/index.ts";
import { rootVersion } from "./engine/root.ts";
import {
  type ActionEnvelope,
  type ChangedRow,
  type ChangedRows,
  type CommitResult,
  type EffectBatch,
  type Envelope,
  Envelopes,
  type IdempotencyWindow,
  KeyedState,
  type Preflight,
  type PreflightPlan,
  type Reads,
  type RecordNumberChange,
  type RecordSwap,
  type RowNumberChange,
  type RowSwap,
  type RowsChange,
  recordNumberEnvelope,
  rowNumberEnvelope,
  swapEnvelope,
} from "./envelope/index.ts";
import { CairnError } from "./errors.ts";
import {
  type Batch,
  type BuiltInValue,
  Context,
  checkName,
  checkOptions,
  checkTransactionOptions,
  checkWhole,
  checkWriteOptions,
  commitBatch,
  commitBatchSync,
  describeValue,
  invalid,
  type KeyOf,
  type KeyOption,
  Keyspace,
  type KeyspaceInfo,
  type KeyspaceOptions,
  Keyspaces,
  type SweepOptions,
  type SyncTransaction,
  sweep,
  Transaction,
  type ValueOf,
  type ValueOption,
  type WriteOptions,
} from "./kv/index.ts";
import {
  type MigrateOptions,
  type Migration,
  type MigrationPlace,
  type MigrationRecord,
  type MigrationReport,
  Migrator,
  type PlanOptions,
  type TableDefinitions,
} from "./migration/index.ts";
import {
  coreOfPlan,
  coreOfTable,
  Query,
  type QueryOptions,
  type QueryPlan,
  type WholeRow,
} from "./query/index.ts";
import type { Storage } from "./storage/port.ts";
import {
  type Columns,
  checkAllTables,
  type InputOf,
  type InsertOf,
  type OutputOf,
  Project,
  type SchemaDefinition,
  type SelectOf,
  type StandardSchema,
  type StoredOf,
  type Table,
  type TableDefinition,
  type TableInfo,
  TableNames,
  Tables,
} from "./tables/index.ts";
import type { Key, TransactionOptions } from "./transaction/index.ts";
import {
  type GraphMaker,
  type IdOf,
  type IdOption,
  type KeeperLimits,
  VectorIndexes,
  Vectors,
  type VectorsInfo,
  type VectorsOptions,
} from "./vector/index.ts";

/** Which state a snapshot holds, and for how long. */
export interface SnapshotOptions {
  /**
   * The state after this commit, if it can still be read: that of the last checkpoint
   * (`"checkpoint"`), of a snapshot that somebody holds, or what the option `retain` of `open`
   * keeps. The newest by default.
   */
  readonly at?: bigint | "checkpoint";
  /** Milliseconds it lasts after its last use; 60,000 by default. */
  readonly leaseMs?: number;
}

/** A callback that must not be asynchronous: one that answers a promise is a type error. */
export type SyncCallback<A, R> = ((argument: A) => R) &
  (R extends PromiseLike<unknown> ? never : unknown);

/** How several queries run; see {@link QueryOptions}. */
export type QueryBatchOptions = Omit<QueryOptions, "parameters">;

/** A query without parameters, decoded or not. */
export interface BatchedQuery {
  all(options?: QueryOptions): Promise<readonly unknown[]>;
}

/** The rows of each of several queries. */
export type BatchedRows<Q extends readonly BatchedQuery[]> = {
  -readonly [K in keyof Q]: Awaited<ReturnType<Q[K]["all"]>>;
};

export interface DatabaseSetup {
  readonly timers: Timers;
  readonly valueDefault: BuiltInValue;
  readonly leaseMs: number | undefined;
  /** How long idempotency keys are remembered. */
  readonly idempotency?: IdempotencyWindow | undefined;
  /** Makes the graphs of vector indexes. */
  readonly graphs: GraphMaker;
  /** When a graph is worth it, and how much is done at a time. */
  readonly graphLimits?: Partial<KeeperLimits>;
  /** The storage that a backup goes to, when it is named by a path. */
  readonly openStorage: (target: string) => Promise<Storage>;
}

const snapshotOptionNames: ReadonlySet<string> = new Set(["at", "leaseMs"]);
const longOptionNames: ReadonlySet<string> = new Set(["signal", "onProgress"]);

/**
 * An open database. Every method may answer `closed`; those that write also `read_only`, `poisoned`
 * and `outcome_unknown`.
 */
export class Database<D extends BuiltInValue = "json"> implements AsyncDisposable {
  readonly #engine: Engine;
  readonly #context: Context;
  readonly #keyspaces: Keyspaces;
  readonly #tables: Tables;
  readonly #rootTables: TableNames;
  readonly #vectors: VectorIndexes;
  readonly #envelopes: Envelopes;
  readonly #setup: DatabaseSetup;
  readonly #migrator: Migrator;
  readonly #turns: Turns = new Turns();

  /** Not for applications: `open` makes it. */
  constructor(engine: Engine, setup: DatabaseSetup) {
    this.#engine = engine;
    this.#setup = setup;
    this.#context = new Context(engine, setup.timers, setup.leaseMs);
    this.#keyspaces = new Keyspaces(this.#context, setup.valueDefault);
    this.#vectors = new VectorIndexes(this.#context, setup.graphs, setup.graphLimits);
    this.#tables = new Tables(this.#context, this.#vectors);
    this.#envelopes = new Envelopes(this.#context, this.#tables, setup.idempotency);
    this.#rootTables = new TableNames(this.#tables, "", "");
    this.#migrator = new Migrator({
      root: this,
      transaction: (run, options) => this.transaction(run, options),
    });
  }

  /** What opening found and did. */
  get recovery(): RecoveryReport {
    return this.#engine.recovery;
  }

  /**
   * What tells this database from others: 32 hexadecimal digits, drawn when it was created. Its
   * backups have the same.
   */
  get id(): string {
    const { databaseId } = this.#engine.checkpointer.newest.root;
    return Array.from(databaseId, (byte) => byte.toString(16).padStart(2, "0")).join("");
  }

  /** Where the database is, its id and the version of its format. */
  get identity(): { readonly path: string; readonly id: string; readonly format: number } {
    return { path: this.#engine.storage.name, id: this.id, format: rootVersion };
  }

  get readOnly(): boolean {
    return this.#engine.readOnly;
  }

  // ---- keyspaces

  /**
   * Opens a keyspace, or creates it; "" is the default one. `kind` and `ttl` may be left out for
   * one that exists. `key` and `value` decide the types of keys and values, so leaving them out
   * asks for their defaults. JSON values have the type that the call names:
   * `db.keyspace<Session>("sessions")`.
   *
   * @throws CairnError `keyspace_exists` when the options contradict what is stored,
   * `keyspace_not_found` where it would have to be created in a read-only database,
   * `argument_invalid`, `option_unknown`, `ttl_overflow`.
   */
  keyspace<V = ValueOf<D>>(
    name?: string,
    options?: KeyspaceOptions<"utf8", never>,
  ): Promise<Keyspace<string, V>>;
  keyspace<V = unknown>(
    name: string,
    options: KeyspaceOptions<"utf8", "json">,
  ): Promise<Keyspace<string, V>>;
  keyspace<V = unknown>(
    name: string,
    options: KeyspaceOptions<"bytes", "json"> & { key: "bytes"; value: "json" },
  ): Promise<Keyspace<Uint8Array, V>>;
  keyspace<K extends KeyOption = "utf8", V extends ValueOption = D>(
    name: string,
    options: KeyspaceOptions<K, V>,
  ): Promise<Keyspace<KeyOf<K>, ValueOf<V>>>;
  async keyspace(name = "", options: KeyspaceOptions = {}): Promise<Keyspace<Key, unknown>> {
    this.#requireOpen();
    return new Keyspace(await this.#keyspaces.open(name, options));
  }

  /** All keyspaces, by name. */
  keyspaces(): KeyspaceInfo[] {
    this.#requireOpen();
    return this.#keyspaces.list();
  }

  /**
   * Drops a keyspace with all its records: false when there is none of this name. Handles of it
   * answer `keyspace_dropped` from then on. The default keyspace can only be cleared.
   */
  async drop(name: string, options?: WriteOptions): Promise<boolean> {
    this.#requireOpen();
    checkName(name);
    checkWriteOptions("drop a keyspace", options);
    if (name === "") throw invalid("drop a keyspace", "the name", '""', "another; use clear");
    return await this.#keyspaces.drop(name, options);
  }

  /** Deletes all records of a keyspace. @throws CairnError `keyspace_not_found`. */
  async clear(name: string, options?: WriteOptions): Promise<Receipt> {
    this.#requireOpen();
    checkName(name);
    checkWriteOptions("clear a keyspace", options);
    this.#context.requireIdle();
    this.#engine.beginCommit().clear(this.#keyspaces.idOf(name));
    return await this.#engine.submit(options);
  }

  /**
   * A number that many transactions can add to at once, kept in parts among the records of a
   * keyspace of u64, i64 or u256.
   *
   * @throws CairnError `argument_invalid`, `option_unknown`, `keyspace_dropped`.
   */
  async counter<K extends Key>(
    keyspace: Keyspace<K, bigint>,
    key: K,
    options: CounterOptions = {},
  ): Promise<Counter<K>> {
    this.#requireOpen();
    return await openCounter(keyspace, key, options, this.#turns);
  }

  // ---- vectors

  /**
   * Opens a vector index, or creates it. Options that are left out are those it was created with;
   * `dimensions` must be said to create one, and `id` where ids are not strings. Metadata has the
   * type that the call names: `db.vectors<{ rank: number }>("words", { dimensions: 100 })`.
   *
   * @throws CairnError `vectors_exist` when the options contradict what is stored,
   * `vectors_not_found` where it cannot be created, `argument_invalid`, `option_unknown`.
   */
  vectors<Meta = unknown>(
    name: string,
    options?: VectorsOptions<"string"> & { readonly id?: "string" },
  ): Promise<Vectors<Meta, string>>;
  vectors<Meta = unknown>(
    name: string,
    options: VectorsOptions<"number"> & { readonly id: "number" },
  ): Promise<Vectors<Meta, number>>;
  vectors<Meta = unknown>(
    name: string,
    options: VectorsOptions<"bigint"> & { readonly id: "bigint" },
  ): Promise<Vectors<Meta, bigint>>;
  async vectors<Meta, K extends IdOption>(
    name: string,
    options: VectorsOptions<K> = {},
  ): Promise<Vectors<Meta, IdOf<K>>> {
    this.#requireOpen();
    return new Vectors<Meta, IdOf<K>>(await this.#vectors.open(name, options));
  }

  /** All vector indexes, by name. */
  vectorIndexes(): VectorsInfo[] {
    this.#requireOpen();
    return this.#vectors.list();
  }

  /**
   * Drops a vector index with everything in it: false when there is none of this name. Handles of
   * it answer `vectors_dropped` from then on.
   */
  async dropVectors(name: string, options?: WriteOptions): Promise<boolean> {
    this.#requireOpen();
    checkWriteOptions("drop a vector index", options);
    return await this.#vectors.drop(name, options);
  }

  // ---- tables

  /**
   * Opens a table of the root scope, or creates it when a definition is given. What is stored wins:
   * a definition that contradicts it is an error. Columns declared with `t` decide the types of
   * rows; with a `schema` (zod, valibot, arktype, …) that one does, and it checks every row that is
   * inserted or upserted. One that describes itself may stand in place of the columns.
   *
   * @throws CairnError `schema_invalid`, `table_already_exists`, `table_not_found`.
   */
  table<C extends Columns, S extends StandardSchema>(
    name: string,
    definition: TableDefinition<C> & { readonly schema: S },
  ): Promise<Table<OutputOf<S>, InputOf<S>>>;
  table<C extends Columns>(
    name: string,
    definition: TableDefinition<C>,
  ): Promise<Table<SelectOf<C>, InsertOf<C>>>;
  table<S extends StandardSchema>(
    name: string,
    definition: SchemaDefinition<S>,
  ): Promise<Table<StoredOf<OutputOf<S>>, InputOf<S>>>;
  table(name: string): Promise<Table>;
  async table(
    name: string,
    definition?: TableDefinition | SchemaDefinition<StandardSchema>,
  ): Promise<unknown> {
    this.#requireOpen();
    return await this.#rootTables.open(name, definition);
  }

  /** The tables of the root scope, by name. */
  async tables(): Promise<TableInfo[]> {
    this.#requireOpen();
    return await this.#rootTables.list();
  }

  /**
   * Drops a table of the root scope with its indexes, in a time that does not depend on its rows:
   * false when there is none. @throws CairnError `foreign_key_violation` when another refers to it.
   */
  async dropTable(name: string, options?: WriteOptions): Promise<boolean> {
    this.#requireOpen();
    checkWriteOptions("drop a table", options);
    return await this.#rootTables.drop(name, options);
  }

  /**
   * A query of a table: rows are read when it runs. With `as`, its columns are also called
   * `as.column`, and other tables can be joined.
   */
  from<Row>(table: Table<Row, unknown>): Query<{ "": Row }, Row>;
  from<Row, A extends string>(
    table: Table<Row, unknown>,
    as: A,
  ): Query<{ [K in A]: Row }, WholeRow<{ [K in A]: Row }>>;
  from(table: Table<unknown, unknown>, as?: string): Query<never, never> {
    this.#requireOpen();
    return new Query(coreOfTable(table, as));
  }

  /**
   * A query from its plan, which is plain data: tables and columns by their names. Parameters and
   * everything else that builders have work alike. @throws CairnError `table_not_found`.
   */
  async query<Row = Record<string, unknown>>(
    plan: QueryPlan,
  ): Promise<Query<Record<never, unknown>, Row>> {
    this.#requireOpen();
    await this.#tables.load();
    return new Query(coreOfPlan(this.#tables, plan));
  }

  /**
   * A project: a name for scopes, which hold tables and keyspaces. Nothing is read or created by
   * this.
   */
  project(name: string): Project {
    this.#requireOpen();
    return new Project(this.#tables, this.#keyspaces, name);
  }

  /**
   * Applies the migrations of a list that are not applied yet, in the order of their versions, or
   * goes to the version `to`, forwards or back. What a crash or an error has left half done is
   * brought to an end first, and never done twice.
   *
   * @throws CairnError `migration_invalid`, `migration_changed`, `migration_irreversible`,
   * `aborted`, and what the steps answer.
   */
  async migrate(
    migrations: readonly Migration[],
    options?: MigrateOptions,
  ): Promise<MigrationReport> {
    this.#requireOpen();
    return await this.#migrator.run(migrations, options);
  }

  /**
   * A migration that makes the tables that are there those of `tables`: it creates tables, adds,
   * drops and changes columns, indexes and constraints, and can be taken back (without the rows and
   * values of what it drops). Nothing is changed by this; see its `up` and run it with `migrate`.
   *
   * @throws CairnError `migration_invalid` where the type of a column or a primary key differs.
   */
  async planMigration(tables: TableDefinitions, options: PlanOptions): Promise<Migration> {
    this.#requireOpen();
    return await this.#migrator.plan(tables, options);
  }

  /** The migrations that were applied, by version; of the root scope, or of another one. */
  async migrations(scope?: MigrationPlace): Promise<MigrationRecord[]> {
    this.#requireOpen();
    return await this.#migrator.records(scope);
  }

  /** The names of all projects. */
  async projects(): Promise<string[]> {
    this.#requireOpen();
    await this.#tables.load();
    return this.#tables.names("project/");
  }

  // ---- writing to several keyspaces at once

  /**
   * Commits what the callback puts and deletes: all of it or nothing. The callback must not be
   * asynchronous; what it throws comes back, and nothing is applied.
   */
  async batch(
    build: (batch: Batch) => undefined | Batch,
    options?: WriteOptions,
  ): Promise<Receipt> {
    return await commitBatch(this.#context, build, options);
  }

  batchSync(build: (batch: Batch) => undefined | Batch, options?: WriteOptions): Receipt {
    return commitBatchSync(this.#context, build, options);
  }

  /**
   * Runs the callback over a snapshot and commits what it has written: what the callback returns.
   * When another commit came first, the callback runs again, `retries` times (8), so it should do
   * nothing that cannot be repeated. What it throws comes back, and nothing is applied.
   *
   * @throws CairnError `conflict`, `aborted`, `snapshot_expired`, `transaction_too_large`.
   */
  async transaction<R>(
    run: (transaction: Transaction) => R | Promise<R>,
    options: TransactionOptions = {},
  ): Promise<R> {
    this.#requireOpen();
    checkTransactionOptions(options);
    const context = this.#context;
    return await context.transactions.run(
      (attempt) => run(new Transaction(context, attempt)),
      options,
    );
  }

  /**
   * The same in one turn: nobody can come between, so there are no conflicts. Only where the
   * storage answers at once. @throws CairnError `asynchronous_callback`, `synchronous_unavailable`.
   */
  transactionSync<R>(run: SyncCallback<SyncTransaction, R>, options: WriteOptions = {}): R {
    this.#requireOpen();
    checkWriteOptions("run a transaction", options);
    const context = this.#context;
    context.requireIdle();
    return context.transactions.runSync(
      (attempt) => run(new Transaction(context, attempt)),
      options,
    );
  }

  // ---- envelopes

  /**
   * Commits an envelope: changes of tables, keyspaces and vector indexes with what must be true
   * before and after them. All of it happens in one turn, over the newest state, or nothing.
   *
   * @throws CairnError `assertion_failed`, `conflict`, `idempotency_key_reused`,
   * `envelope_too_large`, `write_class_unavailable`, and what its mutations do.
   */
  async commit(envelope: Envelope): Promise<CommitResult> {
    this.#requireOpen();
    return await this.#envelopes.commit(envelope);
  }

  commitSync(envelope: Envelope): CommitResult {
    this.#requireOpen();
    return this.#envelopes.commitSync(envelope);
  }

  /** Begins to read the newest state for an envelope, which then takes it as its `readSet`. */
  read(): Reads {
    this.#requireOpen();
    return this.#envelopes.read();
  }

  /** What would come of an envelope, over the newest state; nothing is written. */
  async preflight(envelope: Envelope): Promise<Preflight> {
    this.#requireOpen();
    return await this.#envelopes.preflight(envelope);
  }

  /** The same, to be committed with `commitPlan` if all that was read for it still holds. */
  async preflightPlan(envelope: Envelope): Promise<PreflightPlan> {
    this.#requireOpen();
    return await this.#envelopes.preflightPlan(envelope);
  }

  /** Commits what was tried. @throws CairnError `conflict`, and the first error of its plan. */
  async commitPlan(plan: PreflightPlan, options?: WriteOptions): Promise<CommitResult> {
    this.#requireOpen();
    return await this.#envelopes.commitPlan(plan, options);
  }

  /** Commits an envelope once, however often it is sent: it must have an idempotency key. */
  async commitAction(action: ActionEnvelope): Promise<CommitResult> {
    this.#requireOpen();
    return await this.#envelopes.commitAction(action);
  }

  /** Commits the effects of one step of some work: all of them, or none. */
  async commitEffects(batch: EffectBatch): Promise<CommitResult> {
    this.#requireOpen();
    return await this.#envelopes.commitEffects(batch);
  }

  /**
   * Replaces a record or a row, if its version is still the one that was read (0n where there must
   * be none). @throws CairnError `assertion_failed`.
   */
  compareAndSwap<K extends Key, V>(
    keyspace: Keyspace<K, V>,
    swap: RecordSwap<K, V>,
  ): Promise<CommitResult>;
  compareAndSwap<Select, Insert>(
    table: Table<Select, Insert>,
    swap: RowSwap<Insert>,
  ): Promise<CommitResult>;
  async compareAndSwap(
    target: Keyspace<Key, unknown> | Table<unknown, unknown>,
    swap: RecordSwap<Key, unknown> | RowSwap<unknown>,
  ): Promise<CommitResult> {
    return await this.commit(swapEnvelope(target, swap));
  }

  /** Adds to a number of a row, if its version is still this one. */
  async compareAndIncrement<Select>(
    table: Table<Select, unknown>,
    change: RowNumberChange<Select>,
  ): Promise<CommitResult> {
    return await this.commit(rowNumberEnvelope(table, change, "increment"));
  }

  /** Subtracts from it. */
  async compareAndDecrement<Select>(
    table: Table<Select, unknown>,
    change: RowNumberChange<Select>,
  ): Promise<CommitResult> {
    return await this.commit(rowNumberEnvelope(table, change, "decrement"));
  }

  /** Adds to a number of a keyspace, if its record's version is still this one. */
  async compareAndAdd<K extends Key>(
    keyspace: Keyspace<K, bigint>,
    change: RecordNumberChange<K>,
  ): Promise<CommitResult> {
    return await this.commit(recordNumberEnvelope(keyspace, change, "add"));
  }

  /** Subtracts from it. */
  async compareAndSubtract<K extends Key>(
    keyspace: Keyspace<K, bigint>,
    change: RecordNumberChange<K>,
  ): Promise<CommitResult> {
    return await this.commit(recordNumberEnvelope(keyspace, change, "subtract"));
  }

  /** Changes rows in one commit, and answers with them as they were and as they are. */
  async mutateReturning<Select>(
    table: Table<Select, unknown>,
    change: RowsChange<Select>,
  ): Promise<ChangedRows<Select>> {
    this.#requireOpen();
    return await this.#envelopes.mutateReturning(table, change);
  }

  /** Changes the first row that matches: of several callers, each gets another one, or none. */
  async claimOne<Select>(
    table: Table<Select, unknown>,
    change: Omit<RowsChange<Select>, "limit">,
  ): Promise<ChangedRow<Select> | undefined> {
    this.#requireOpen();
    const { rows } = await this.#envelopes.mutateReturning(table, { ...change, limit: 1 });
    return rows[0];
  }

  /** A table with a key of one column as the state of some work. */
  keyedState<Select, Insert>(table: Table<Select, Insert>): KeyedState<Select, Insert> {
    this.#requireOpen();
    return new KeyedState(this.#envelopes, table);
  }

  // ---- states

  /**
   * The newest state, or an older one that can still be read, until it is released: pass it to
   * reads. Expiry is judged at the time of this call. It is leased, and `snapshot_expired` after
   * `leaseMs` without use, or earlier when memory is short.
   * @throws CairnError `seq_garbage_collected`, `memory_limit`.
   */
  snapshot(options: SnapshotOptions = {}): Snapshot {
    checkOptions("take a snapshot", options, snapshotOptionNames);
    checkAt(options.at);
    checkWhole("take a snapshot", "leaseMs", options.leaseMs, 1);
    const leaseMs = options.leaseMs ?? this.#setup.leaseMs;
    return this.#engine.snapshot({
      ...(options.at === undefined ? {} : { at: options.at }),
      ...(leaseMs === undefined ? {} : { leaseMs }),
    });
  }

  /**
   * Runs `run` over one state, the newest or an older one: pass the snapshot to reads of keyspaces,
   * tables, queries and vectors. It is released when `run` has ended, whose answer is answered.
   * @throws CairnError `seq_garbage_collected`, `memory_limit`.
   */
  async readTransaction<R>(
    run: (snapshot: Snapshot) => R | Promise<R>,
    options?: SnapshotOptions,
  ): Promise<R> {
    const snapshot = this.snapshot(options);
    try {
      return await run(snapshot);
    } finally {
      snapshot.release();
    }
  }

  /**
   * The rows of several queries, all of one state: the newest, or that of `snapshot`.
   * @throws CairnError what {@link Query.all} does.
   */
  async queryBatch<const Q extends readonly BatchedQuery[]>(
    queries: Q,
    options: QueryBatchOptions = {},
  ): Promise<BatchedRows<Q>> {
    const { snapshot: given } = options;
    if (given === undefined) {
      return await this.readTransaction((snapshot) =>
        this.queryBatch(queries, { ...options, snapshot }),
      );
    }
    this.#requireOpen();
    const answers: unknown[] = [];
    for (const query of queries) answers.push(await query.all(options));
    return answers as BatchedRows<Q>;
  }

  // ---- upkeep

  /** Deletes expired records from the medium, reading only what is due: how many there were. */
  async sweep(options: SweepOptions = {}): Promise<number> {
    this.#requireOpen();
    return await sweep(this.#context, options);
  }

  /** Makes everything that was committed so far durable. */
  async flush(): Promise<void> {
    await this.#engine.flush();
  }

  /** Writes a checkpoint, so that the next opening has no log to read. */
  async checkpoint(options: LongOptions = {}): Promise<void> {
    checkOptions("write a checkpoint", options, longOptionNames);
    await this.#engine.checkpoint(options);
  }

  /** Gives space back to the medium; deleted bytes are gone from it afterwards. */
  async compact(options: LongOptions = {}): Promise<void> {
    checkOptions("compact", options, longOptionNames);
    this.#requireOpen();
    this.#vectors.openAll();
    await this.#tables.load();
    this.#tables.openVectors();
    await this.#engine.compact(options);
  }

  /**
   * Copies a consistent state to a folder or storage that holds no database, while this one goes
   * on: the newest, or of a database opened `readOnly` the last checkpoint, without the log after
   * it. @throws CairnError `target_exists`.
   */
  async backup(target: string | Storage, options: LongOptions = {}): Promise<void> {
    this.#requireOpen();
    checkOptions("back up", options, longOptionNames);
    const storage = typeof target === "string" ? await this.#setup.openStorage(target) : target;
    await this.#engine.backup(storage, options);
  }

  /**
   * Checks every page, the order of keys, checksums and references; then every row of every table
   * against its constraints and its entries in indexes.
   */
  async verify(options: LongOptions = {}): Promise<VerifyReport> {
    checkOptions("verify", options, longOptionNames);
    const report = await this.#engine.verify(options);
    const findings = [...report.findings, ...(await checkAllTables(this.#tables, options))];
    return { ...report, ok: findings.length === 0, findings };
  }

  /** What the database holds and has done since it was opened. */
  stats(): EngineStats {
    return this.#engine.stats();
  }

  /**
   * Ends what is under way, writes a checkpoint and lets go of the storage. Closing twice does
   * nothing.
   */
  async close(): Promise<void> {
    await this.#vectors.stop();
    await this.#engine.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #requireOpen(): void {
    if (!this.#engine.isClosed) return;
    throw new CairnError("closed", "Cannot use the database: it has been closed. Open it again.");
  }
}

function checkAt(at: unknown): void {
  if (at === undefined || at === "checkpoint" || typeof at === "bigint") return;
  const expected = 'a seq (a bigint) or "checkpoint"';
  throw invalid("take a snapshot", "the option at", describeValue(at), expected);
}
