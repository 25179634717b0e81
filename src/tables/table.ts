import {
  type Decode,
  type DecodeRecord,
  type LongOptions,
  runAsync,
  runSync,
  type Snapshot,
  type Steps,
} from "../engine/index.ts";
import { CairnError } from "../errors.ts";
import {
  AsyncRows,
  type Context,
  checkOptions,
  checkWhole,
  describeValue,
  invalid,
  receiptOfNothing,
  requireSame as requireDatabase,
  SyncRows,
  type WriteOptions,
} from "../kv/index.ts";
import { RowReader } from "../kv/row-reader.ts";
import { type Attempt, type Key, TreeRows } from "../transaction/index.ts";
import type { VectorInput } from "../vector/index.ts";
import { alterTable, type TableAlteration } from "./alter.ts";
import { MatchingAssertions, RowAssertions } from "./assertions.ts";
import { createIndex, dropIndex } from "./build-index.ts";
import { TableCalls } from "./calls.ts";
import type { TableCore, Tables } from "./catalogue.ts";
import { checkTable, type TableReport } from "./check.ts";
import { addConstraint, type ConstraintDefinition } from "./constraint.ts";
import type { IndexDefinition } from "./define.ts";
import { describeState, type TableDescription } from "./describe.ts";
import type { Where } from "./expression.ts";
import { TableMutations } from "./mutations.ts";
import { checkedValue, encodeKey, prepareKey } from "./prepare.ts";
import { type TableMatch, TableSearch, type TableSearchOptions } from "./search.ts";
import { CommitWriter } from "./space.ts";
import { type StandardSchema, validateRows, validateRowsSync } from "./standard-schema.ts";
import type { TableState } from "./state.ts";
import { hasSameColumns, type OnConflict, type Outcome, type Statement } from "./statements.ts";
import { type TableInside, TransactionTable } from "./transaction-table.ts";

/** A value of a primary key's column. */
export type KeyValue = string | number | bigint | boolean | Date | Uint8Array;
/** A primary key: its value, or an array with one for each of its columns. */
export type PrimaryKey = KeyValue | readonly KeyValue[];

/** How a statement is committed and answered. */
export interface StatementOptions extends WriteOptions {
  /** Answers with the rows, too. */
  readonly returning?: boolean;
}

/** What to do about rows that cannot be inserted. */
export interface InsertOptions<Row> extends StatementOptions {
  readonly onConflict?: OnConflict<Row>;
}

/** Which row is updated, and whether it has to be there. */
export interface UpdateOptions extends StatementOptions {
  /** Only if this is true of the row. */
  readonly where?: Where;
  /** Refuses a key without a row: `row_not_found`. */
  readonly mustExist?: boolean;
}

/** How many rows are changed. */
export interface WhereOptions extends StatementOptions {
  /** Rows at most, the first by primary key. */
  readonly limit?: number;
}

/** What a statement has done. */
export interface StatementResult<Row> {
  /** Rows that were inserted, updated or deleted. */
  readonly changed: number;
  /** With `returning`: those rows as they are now, deleted ones as they were; otherwise empty. */
  readonly rows: Row[];
  /** Of the commit; of the newest one where there was nothing to do. */
  readonly seq: bigint;
  readonly durable: boolean;
  /** Commit time, Unix milliseconds. */
  readonly time: number;
}

/** Which state a read sees. */
export interface TableReadOptions {
  readonly snapshot?: Snapshot;
}

/** Which rows to visit. */
export interface TableScanOptions extends TableReadOptions {
  readonly reverse?: boolean;
  readonly limit?: number;
  /** Looked at between batches of rows. */
  readonly signal?: AbortSignal;
}

/** New values of columns: values, or expressions over the row as it was. */
export type PatchOf<Row> = { readonly [K in keyof Row]?: Row[K] | { readonly op: string } };

/** The columns that hold vectors. */
export type VectorNames<Row> = {
  [K in keyof Row & string]: unknown extends Row[K]
    ? K
    : NonNullable<Row[K]> extends Float32Array | readonly number[]
      ? K
      : never;
}[keyof Row & string];

let insideOf: (table: Table) => TableInside;

/** The inner side of a table, for transactions, envelopes and queries. */
export function tableInside(table: unknown): TableInside {
  if (table instanceof Table) return insideOf(table);
  throw invalid("use this table", "it", describeValue(table), "what db.table() answers");
}

const longOptions: ReadonlySet<string> = new Set(["signal", "onProgress"]);
const readOptions: ReadonlySet<string> = new Set(["snapshot"]);
const scanOptions: ReadonlySet<string> = new Set(["snapshot", "reverse", "limit", "signal"]);
const isThere: Decode<true> = () => true;
const seqOf: DecodeRecord<bigint> = (_memory, _at, _length, { seq }) => BigInt(seq);

/**
 * Rows by primary key. Every method may answer `closed`, `table_dropped` and what its values
 * deserve: `type_mismatch`, `value_invalid`, `value_too_large`, `unknown_column`, `key_too_large`.
 * Those that write also answer `not_null_violation`, `check_constraint_failed`, `unique_violation`,
 * `foreign_key_violation` and what every commit does; then nothing was applied. Every method with
 * `Sync` in its name answers in this turn, or `synchronous_unavailable` where the storage cannot.
 */
export class Table<Select = Record<string, unknown>, Insert = Record<string, unknown>> {
  readonly #inside: TableInside;
  readonly #tables: Tables;
  readonly #core: TableCore;
  readonly #schema: StandardSchema | undefined;
  readonly #calls: TableCalls;
  /** Only for the compiler. */
  declare readonly types: readonly [Select, Insert];

  static {
    insideOf = (table) => table.#inside;
  }

  /** Not for applications: `db.table` makes it. */
  constructor(inside: TableInside) {
    this.#inside = inside;
    this.#tables = inside.tables;
    this.#core = inside.core;
    this.#schema = inside.schema;
    this.#calls = new TableCalls(inside.tables, inside.core);
  }

  /** Not for applications: `transaction.table` calls it. */
  joinTransaction(context: Context, attempt: Attempt): TransactionTable<Select, Insert> {
    requireDatabase(context, this.#tables.context);
    return new TransactionTable<Select, Insert>(insideOf(this as unknown as Table), attempt);
  }

  get name(): string {
    return this.#core.state.path.name;
  }

  /** Its columns, keys, indexes and constraints, as data. */
  describe(): TableDescription {
    return describeState(this.#tables, this.#core.require());
  }

  // ---- for envelopes

  /** Makes mutations for `db.commit`, by the names of the statements here that do the same. */
  get mutations(): TableMutations<Select, Insert> {
    return new TableMutations(this);
  }

  /** Makes assertions about the row with this primary key, for `db.commit`. */
  row(key: PrimaryKey): RowAssertions<Select> {
    return new RowAssertions(this, key);
  }

  /** Makes assertions about all rows for which `where` is true, for `db.commit`. */
  matching(where?: Where): MatchingAssertions<Select> {
    return new MatchingAssertions(this, where);
  }

  // ---- reading

  /** The row with this primary key, or undefined. @throws CairnError `snapshot_expired`. */
  async get(key: PrimaryKey, options?: TableReadOptions): Promise<Select | undefined> {
    const { rows, codec } = this.#core.require();
    const at = stateOf(options);
    const found = this.#keyOf(key);
    const owned = typeof found === "string" ? found : found.slice();
    const { engine } = this.#tables.context;
    return (await engine.read(rows.id, owned, at, 0, codec.decodeRow)) as Select | undefined;
  }

  getSync(key: PrimaryKey, options?: TableReadOptions): Select | undefined {
    const { rows, codec } = this.#core.require();
    const at = options === undefined ? undefined : stateOf(options);
    const { engine } = this.#tables.context;
    return engine.readSync(rows.id, this.#keyOf(key), at, 0, codec.decodeRow) as Select | undefined;
  }

  /** The rows in the order of the keys, undefined where there is none; all of one state. */
  async getMany(
    keys: readonly PrimaryKey[],
    options?: TableReadOptions,
  ): Promise<(Select | undefined)[]> {
    return await runAsync(this.#getMany(keys, options));
  }

  getManySync(keys: readonly PrimaryKey[], options?: TableReadOptions): (Select | undefined)[] {
    return runSync(this.#getMany(keys, options));
  }

  #getMany(
    keys: readonly PrimaryKey[],
    options: TableReadOptions | undefined,
  ): Steps<(Select | undefined)[]> {
    const state = this.#core.require();
    const encoded = keys.map((key) => encodeKey(state, key));
    const { engine } = this.#tables.context;
    const { rows, codec } = state;
    const found = engine.readManySteps(rows.id, encoded, stateOf(options), 0, codec.decodeRow);
    return found as Steps<(Select | undefined)[]>;
  }

  /** True when there is a row with this primary key. */
  async has(key: PrimaryKey, options?: TableReadOptions): Promise<boolean> {
    const state = this.#core.require();
    const { engine } = this.#tables.context;
    const encoded = encodeKey(state, key);
    const found = await engine.read(state.rows.id, encoded, stateOf(options), 0, isThere);
    return found === true;
  }

  hasSync(key: PrimaryKey, options?: TableReadOptions): boolean {
    const { rows } = this.#core.require();
    const { engine } = this.#tables.context;
    return engine.readSync(rows.id, this.#keyOf(key), stateOf(options), 0, isThere) === true;
  }

  /** The seq of the commit that changed the row last: its version, 0n where there is none. */
  async version(key: PrimaryKey, options?: TableReadOptions): Promise<bigint> {
    const state = this.#core.require();
    const { engine } = this.#tables.context;
    const encoded = encodeKey(state, key);
    return (await engine.read(state.rows.id, encoded, stateOf(options), 0, seqOf)) ?? 0n;
  }

  versionSync(key: PrimaryKey, options?: TableReadOptions): bigint {
    const { rows } = this.#core.require();
    const { engine } = this.#tables.context;
    return engine.readSync(rows.id, this.#keyOf(key), stateOf(options), 0, seqOf) ?? 0n;
  }

  /** How many rows there are; it takes no longer for more. */
  count(options?: TableReadOptions): number {
    const { rows } = this.#core.require();
    return Math.max(0, this.#tables.context.engine.records(rows.id, stateOf(options)));
  }

  /** All rows in the order of the primary key. What is seen is fixed by this call. */
  rows(options: TableScanOptions = {}): AsyncRows<Select> {
    return new AsyncRows(this.#reader(options));
  }

  rowsSync(options: TableScanOptions = {}): SyncRows<Select> {
    return new SyncRows(this.#reader(options));
  }

  #reader(options: TableScanOptions): RowReader<Select> {
    checkOptions("visit rows", options, scanOptions);
    checkWhole("visit rows", "limit", options.limit, 0);
    const { context } = this.#tables;
    const { rows, codec } = this.#core.require();
    const isReverse = options.reverse === true;
    const pinned = options.snapshot === undefined ? context.pin() : undefined;
    const at = (options.snapshot ?? pinned) as Snapshot;
    const range = isReverse ? { reverse: true } : {};
    const columns = { values: true, meta: true };
    return new RowReader<Select>({
      source: new TreeRows(context.engine, rows, range, { at, now: 0 }, columns),
      shape: {
        hasValues: true,
        row: (batch, index) => batch.decode(index, codec.decodeRow) as Select,
      },
      limit: options.limit,
      isReverse,
      hasCursor: false,
      signal: options.signal,
      pinned,
    });
  }

  /** Good until the next key is encoded. */
  #keyOf(key: PrimaryKey): Key {
    const state = this.#core.state;
    const { primaryKey } = state;
    if (primaryKey.length === 1 && !Array.isArray(key)) {
      const column = state.columns[primaryKey[0]];
      const value = checkedValue(state, column, key);
      // Text alone is its own key.
      return typeof value === "string" ? value : state.key.encode([value], first);
    }
    const values = prepareKey(state, key);
    return state.key.encode(
      values,
      values.map((_value, index) => index),
    );
  }

  // ---- searching

  /**
   * The rows whose vectors are nearest to one, nearest first: as many as `k` or as match. The
   * column needs a vector index. @throws CairnError `index_not_found`, `vector_dimensions`,
   * `vector_invalid`, `search_too_large`, `snapshot_expired`, `aborted`.
   */
  async search(
    column: VectorNames<Select>,
    vector: VectorInput,
    options: TableSearchOptions = {},
  ): Promise<TableMatch<Select>[]> {
    const search = new TableSearch<Select>(this.#core, column, vector, options);
    const { core, snapshot, signal, isShort } = search;
    return await core.read(snapshot, signal, (view) => search.run(view), isShort);
  }

  searchSync(
    column: VectorNames<Select>,
    vector: VectorInput,
    options: Omit<TableSearchOptions, "signal"> = {},
  ): TableMatch<Select>[] {
    const search = new TableSearch<Select>(this.#core, column, vector, options);
    return search.core.readSync(search.snapshot, (view) => search.run(view));
  }

  // ---- inserting

  /**
   * Inserts a row. Without `onConflict`, one that cannot be inserted is an error.
   * @throws CairnError `duplicate_primary_key`, `schema_rejected`.
   */
  insert(row: Insert, options?: InsertOptions<Select>): Promise<StatementResult<Select>> {
    return this.insertMany([row], options);
  }

  insertSync(row: Insert, options?: InsertOptions<Select>): StatementResult<Select> {
    return this.insertManySync([row], options);
  }

  /** Inserts rows in one commit: all of them or none. */
  async insertMany(
    rows: Iterable<Insert>,
    options?: InsertOptions<Select>,
  ): Promise<StatementResult<Select>> {
    this.#calls.checkInsert(options);
    // Without a validator nothing is waited for: what the caller changes later does not count.
    const given = [...rows];
    const valid = this.#schema === undefined ? given : await validateRows(this.#schema, given);
    return await this.#run(this.#calls.insert(valid, options), options);
  }

  insertManySync(rows: Iterable<Insert>, options?: InsertOptions<Select>): StatementResult<Select> {
    this.#calls.checkInsert(options);
    const valid = validateRowsSync(this.#schema, [...rows]);
    return this.#runSync(this.#calls.insert(valid, options), options);
  }

  /** Inserts a row, or replaces the one with the same primary key. */
  upsert(row: Insert, options?: StatementOptions): Promise<StatementResult<Select>> {
    return this.upsertMany([row], options);
  }

  upsertSync(row: Insert, options?: StatementOptions): StatementResult<Select> {
    return this.upsertManySync([row], options);
  }

  /**
   * The same in one commit for many rows; of those with the same primary key the last one counts.
   */
  async upsertMany(
    rows: Iterable<Insert>,
    options?: StatementOptions,
  ): Promise<StatementResult<Select>> {
    this.#calls.checkUpsert(options);
    // Without a validator nothing is waited for: what the caller changes later does not count.
    const given = [...rows];
    const valid = this.#schema === undefined ? given : await validateRows(this.#schema, given);
    return await this.#run(this.#calls.upsert(valid), options);
  }

  upsertManySync(rows: Iterable<Insert>, options?: StatementOptions): StatementResult<Select> {
    this.#calls.checkUpsert(options);
    const valid = validateRowsSync(this.#schema, [...rows]);
    return this.#runSync(this.#calls.upsert(valid), options);
  }

  // ---- changing

  /**
   * Changes columns of the row with this primary key: `changed` is 0 where there is none, or
   * `where` is not true of it. @throws CairnError `row_not_found`, `overflow`, `underflow`.
   */
  async update(
    key: PrimaryKey,
    patch: PatchOf<Select>,
    options?: UpdateOptions,
  ): Promise<StatementResult<Select>> {
    return await this.#run(this.#calls.update(key, patch, options), options);
  }

  updateSync(
    key: PrimaryKey,
    patch: PatchOf<Select>,
    options?: UpdateOptions,
  ): StatementResult<Select> {
    return this.#runSync(this.#calls.update(key, patch, options), options);
  }

  /** Changes columns of all rows for which `where` is true. */
  async updateWhere(
    where: Where,
    patch: PatchOf<Select>,
    options?: WhereOptions,
  ): Promise<StatementResult<Select>> {
    return await this.#run(this.#calls.updateWhere(where, patch, options), options);
  }

  updateWhereSync(
    where: Where,
    patch: PatchOf<Select>,
    options?: WhereOptions,
  ): StatementResult<Select> {
    return this.#runSync(this.#calls.updateWhere(where, patch, options), options);
  }

  /**
   * Adds to a number of the row with this primary key, which must be there and not null.
   * @throws CairnError `row_not_found`, `overflow`, `not_null_violation`.
   */
  async increment(
    key: PrimaryKey,
    name: keyof Select & string,
    amount: number | bigint,
    options?: StatementOptions,
  ): Promise<StatementResult<Select>> {
    const change = { name, amount, isLess: false };
    return await this.#run(this.#calls.change(key, change, options), options);
  }

  incrementSync(
    key: PrimaryKey,
    name: keyof Select & string,
    amount: number | bigint,
    options?: StatementOptions,
  ): StatementResult<Select> {
    const change = { name, amount, isLess: false };
    return this.#runSync(this.#calls.change(key, change, options), options);
  }

  /** Subtracts. @throws CairnError `row_not_found`, `underflow`, `not_null_violation`. */
  async decrement(
    key: PrimaryKey,
    name: keyof Select & string,
    amount: number | bigint,
    options?: StatementOptions,
  ): Promise<StatementResult<Select>> {
    const change = { name, amount, isLess: true };
    return await this.#run(this.#calls.change(key, change, options), options);
  }

  decrementSync(
    key: PrimaryKey,
    name: keyof Select & string,
    amount: number | bigint,
    options?: StatementOptions,
  ): StatementResult<Select> {
    const change = { name, amount, isLess: true };
    return this.#runSync(this.#calls.change(key, change, options), options);
  }

  // ---- deleting

  /** Deletes the row with this primary key: `changed` is 0 where there is none. */
  async delete(key: PrimaryKey, options?: StatementOptions): Promise<StatementResult<Select>> {
    return await this.#run(this.#calls.delete(key, options), options);
  }

  deleteSync(key: PrimaryKey, options?: StatementOptions): StatementResult<Select> {
    return this.#runSync(this.#calls.delete(key, options), options);
  }

  /** Deletes all rows for which `where` is true. */
  async deleteWhere(where: Where, options?: WhereOptions): Promise<StatementResult<Select>> {
    return await this.#run(this.#calls.deleteWhere(where, options), options);
  }

  deleteWhereSync(where: Where, options?: WhereOptions): StatementResult<Select> {
    return this.#runSync(this.#calls.deleteWhere(where, options), options);
  }

  // ---- changing the table

  /**
   * Renames, drops and adds columns, drops constraints and loosens rules of columns, in one commit
   * that does not touch the rows. Open the table again for a handle with the new types.
   * @throws CairnError `schema_invalid`, `constraint_not_found`.
   */
  async alter(alteration: TableAlteration, options?: WriteOptions): Promise<void> {
    await alterTable(this.#tables, this.#core, alteration, options);
  }

  /**
   * Adds a check, not null, a unique index or a foreign key, while the table goes on being used:
   * its name. Every write meets it from the first moment; rows that are there are looked at in
   * batches. Where one breaks it, nothing is added, and `details.row` says which, in the order of
   * the primary key. @throws CairnError `check_constraint_failed`, `not_null_violation`,
   * `unique_violation`, `foreign_key_violation`, `constraint_already_exists`, `schema_invalid`,
   * `aborted`.
   */
  async addConstraint(
    constraint: ConstraintDefinition<keyof Select & string>,
    options: LongOptions = {},
  ): Promise<string> {
    checkOptions("add a constraint", options, longOptions);
    return await addConstraint(this.#tables, this.#core, constraint, options);
  }

  /**
   * Creates an index, while the table goes on being used: its name. An index that cannot be built
   * is taken away again. @throws CairnError `index_already_exists`, `unique_violation`, `aborted`.
   */
  async createIndex(definition: IndexDefinition, options: LongOptions = {}): Promise<string> {
    checkOptions("create an index", options, longOptions);
    return await createIndex(this.#tables, this.#core, definition, options);
  }

  /** Drops an index. @throws CairnError `index_not_found`, `schema_invalid` where it is needed. */
  async dropIndex(name: string): Promise<void> {
    await dropIndex(this.#tables, this.#core, name);
  }

  /**
   * Compares every row with its key, its constraints and its entries in all indexes, and their
   * number with that of the rows; `db.verify` does so for all tables.
   */
  async check(options: LongOptions = {}): Promise<TableReport> {
    checkOptions("check a table", options, longOptions);
    return await checkTable(this.#tables, this.#core, options);
  }

  // ---- committing

  async #run(
    statement: Statement,
    options: StatementOptions | undefined,
  ): Promise<StatementResult<Select>> {
    const { context } = this.#tables;
    context.requireIdle();
    const { receipt, result } = await context.engine.commit(this.#decide(statement), options);
    // Whoever writes vectors waits while too many are not linked yet.
    for (const index of statement.state.vectorIndexes) await index.core.keeper.room();
    return resultOf(this.#tables, statement.state, result, receipt, options);
  }

  #runSync(statement: Statement, options: StatementOptions | undefined): StatementResult<Select> {
    const { context } = this.#tables;
    context.requireIdle();
    const { receipt, result } = context.engine.commitSync(this.#decide(statement), options);
    for (const index of statement.state.vectorIndexes) index.core.keeper.roomSync();
    return resultOf(this.#tables, statement.state, result, receipt, options);
  }

  #decide(statement: Statement): Parameters<Tables["context"]["engine"]["commit"]>[0] {
    const tables = this.#tables;
    const core = this.#core;
    return function* (effects, turn): Steps<Outcome> {
      tables.adopt();
      const run = runOver(core, statement);
      const writer = new CommitWriter(tables.context.engine, effects);
      const outcome = yield* run(writer);
      yield* writer.finish(turn);
      return outcome;
    };
  }
}

const first: readonly number[] = [0];

/** A statement over the table as it is now: `conflict` where that needs another preparation. */
function runOver(core: TableCore, { state, run, over }: Statement): Statement["run"] {
  const now = core.require();
  if (now === state) return run;
  // Indexes and constraints may come and go: they are looked at when the statement runs.
  if (over !== undefined && hasSameColumns(state, now)) return over(now);
  requireSame(core, state);
  return run;
}

/** Refuses to run a statement over a table that has changed since it was prepared: `conflict`. */
export function requireSame(core: TableCore, state: TableState): void {
  if (core.require() === state) return;
  throw new CairnError(
    "conflict",
    `Cannot write to the table "${state.path.name}": it was changed since the call was made. ` +
      "Nothing was applied. Make the call again.",
  );
}

function resultOf<Row>(
  tables: Tables,
  state: TableState,
  outcome: unknown,
  receipt: { seq: bigint; durable: boolean; time: number } | undefined,
  options: StatementOptions | undefined,
): StatementResult<Row> {
  const { changed, rows } = outcome as Outcome;
  const { seq, durable, time } = receipt ?? receiptOfNothing(tables.context);
  const isReturning = options?.returning === true;
  const returned = isReturning ? rows.map((values) => state.codec.rowOf(values) as Row) : [];
  return { changed, rows: returned, seq, durable, time };
}

function stateOf(options: TableReadOptions | undefined): Snapshot | undefined {
  if (options === undefined) return undefined;
  checkOptions("read", options, readOptions);
  return options.snapshot;
}
