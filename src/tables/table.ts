import { type Decode, runAsync, runSync, type Snapshot, type Steps } from "../engine/index.ts";
import { CairnError } from "../errors.ts";
import {
  AsyncRows,
  checkOptions,
  checkWhole,
  checkWriteOptions,
  receiptOfNothing,
  SyncRows,
  type WriteOptions,
} from "../kv/index.ts";
import { RowReader } from "../kv/row-reader.ts";
import { type Key, TreeRows } from "../transaction/index.ts";
import type { TableCore, Tables } from "./catalogue.ts";
import { describeState, type TableDescription } from "./describe.ts";
import { add, column, subtract, type Where } from "./expression.ts";
import { checkedValue, encodeKey, prepareKey, prepareRow, type Values } from "./prepare.ts";
import { CommitWriter } from "./space.ts";
import { type StandardSchema, validateRows, validateRowsSync } from "./standard-schema.ts";
import type { TableState } from "./state.ts";
import {
  deleteStatement,
  deleteWhereStatement,
  insertOrStatement,
  insertStatement,
  type OnConflict,
  type Outcome,
  type Statement,
  updateStatement,
  updateWhereStatement,
  upsertStatement,
} from "./statements.ts";

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

/** A table's inner side, for the layers above. */
export interface TableInside {
  readonly tables: Tables;
  readonly core: TableCore;
  readonly schema: StandardSchema | undefined;
}

let insideOf: (table: Table) => TableInside;

/** The inner side of a table, for transactions, envelopes and queries. */
export function tableInside(table: Table<never, never>): TableInside {
  return insideOf(table as unknown as Table);
}

const readOptions: ReadonlySet<string> = new Set(["snapshot"]);
const scanOptions: ReadonlySet<string> = new Set(["snapshot", "reverse", "limit", "signal"]);
const writeOptions = ["finality", "signal", "returning"];
const statementOptions: ReadonlySet<string> = new Set(writeOptions);
const insertOptions: ReadonlySet<string> = new Set([...writeOptions, "onConflict"]);
const updateOptions: ReadonlySet<string> = new Set([...writeOptions, "where", "mustExist"]);
const whereOptions: ReadonlySet<string> = new Set([...writeOptions, "limit"]);
const isThere: Decode<true> = () => true;

/**
 * Rows by primary key. Every method may answer `closed`, `table_dropped` and what its values deserve:
 * `type_mismatch`, `value_invalid`, `value_too_large`, `unknown_column`, `key_too_large`. Those that
 * write also answer `not_null_violation`, `check_constraint_failed`, `unique_violation`,
 * `foreign_key_violation` and what every commit does; then nothing was applied. Every method with
 * `Sync` in its name answers in this turn, or `synchronous_unavailable` where the storage cannot.
 */
export class Table<Select = Record<string, unknown>, Insert = Record<string, unknown>> {
  readonly #tables: Tables;
  readonly #core: TableCore;
  readonly #schema: StandardSchema | undefined;
  /** Only for the compiler. */
  declare readonly types: readonly [Select, Insert];

  static {
    insideOf = (table) => {
      return { tables: table.#tables, core: table.#core, schema: table.#schema };
    };
  }

  /** Not for applications: `db.table` makes it. */
  constructor(inside: TableInside) {
    this.#tables = inside.tables;
    this.#core = inside.core;
    this.#schema = inside.schema;
  }

  get name(): string {
    return this.#core.state.path.name;
  }

  /** Its columns, keys, indexes and constraints, as data. */
  describe(): TableDescription {
    return describeState(this.#tables, this.#core.require());
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
    checkStatement("insert rows", options, insertOptions);
    const valid = await validateRows(this.#schema, [...rows]);
    return await this.#run(this.#insertStatement(valid, options), options);
  }

  insertManySync(rows: Iterable<Insert>, options?: InsertOptions<Select>): StatementResult<Select> {
    checkStatement("insert rows", options, insertOptions);
    const valid = validateRowsSync(this.#schema, [...rows]);
    return this.#runSync(this.#insertStatement(valid, options), options);
  }

  #insertStatement(
    rows: readonly unknown[],
    options: InsertOptions<Select> | undefined,
  ): Statement {
    const values = this.#prepare(rows);
    const onConflict = options?.onConflict;
    if (onConflict === undefined) return insertStatement(this.#tables, this.#core, values);
    return insertOrStatement(this.#tables, this.#core, values, onConflict as OnConflict);
  }

  #prepare(rows: readonly unknown[]): Values[] {
    const state = this.#core.require();
    const values: Values[] = new Array(rows.length);
    for (let index = 0; index < rows.length; index++)
      values[index] = prepareRow(state, rows[index]);
    return values;
  }

  /** Inserts a row, or replaces the one with the same primary key. */
  upsert(row: Insert, options?: StatementOptions): Promise<StatementResult<Select>> {
    return this.upsertMany([row], options);
  }

  upsertSync(row: Insert, options?: StatementOptions): StatementResult<Select> {
    return this.upsertManySync([row], options);
  }

  /** The same in one commit for many rows; of those with the same primary key the last one counts. */
  async upsertMany(
    rows: Iterable<Insert>,
    options?: StatementOptions,
  ): Promise<StatementResult<Select>> {
    checkStatement("upsert rows", options, statementOptions);
    const values = this.#prepare(await validateRows(this.#schema, [...rows]));
    return await this.#run(upsertStatement(this.#tables, this.#core, values), options);
  }

  upsertManySync(rows: Iterable<Insert>, options?: StatementOptions): StatementResult<Select> {
    checkStatement("upsert rows", options, statementOptions);
    const values = this.#prepare(validateRowsSync(this.#schema, [...rows]));
    return this.#runSync(upsertStatement(this.#tables, this.#core, values), options);
  }

  // ---- changing

  /**
   * Changes columns of the row with this primary key: `changed` is 0 where there is none, or `where`
   * is not true of it. @throws CairnError `row_not_found`, `overflow`, `underflow`.
   */
  async update(
    key: PrimaryKey,
    patch: PatchOf<Select>,
    options?: UpdateOptions,
  ): Promise<StatementResult<Select>> {
    return await this.#run(this.#updateStatement(key, patch, options), options);
  }

  updateSync(
    key: PrimaryKey,
    patch: PatchOf<Select>,
    options?: UpdateOptions,
  ): StatementResult<Select> {
    return this.#runSync(this.#updateStatement(key, patch, options), options);
  }

  #updateStatement(key: PrimaryKey, patch: unknown, options: UpdateOptions | undefined): Statement {
    checkStatement("update a row", options, updateOptions);
    const { where, mustExist = false } = options ?? {};
    return updateStatement(this.#tables, this.#core, key, { patch, where, mustExist });
  }

  /** Changes columns of all rows for which `where` is true. */
  async updateWhere(
    where: Where,
    patch: PatchOf<Select>,
    options?: WhereOptions,
  ): Promise<StatementResult<Select>> {
    return await this.#run(this.#updateWhere(where, patch, options), options);
  }

  updateWhereSync(
    where: Where,
    patch: PatchOf<Select>,
    options?: WhereOptions,
  ): StatementResult<Select> {
    return this.#runSync(this.#updateWhere(where, patch, options), options);
  }

  #updateWhere(where: Where, patch: unknown, options: WhereOptions | undefined): Statement {
    const limit = limitOf("update rows", options);
    return updateWhereStatement(this.#tables, this.#core, where, { patch, limit });
  }

  /**
   * Adds to a number of the row with this primary key, which must be there and not null.
   * @throws CairnError `row_not_found`, `overflow`, `not_null_violation`.
   */
  increment(
    key: PrimaryKey,
    name: keyof Select & string,
    amount: number | bigint,
    options?: StatementOptions,
  ): Promise<StatementResult<Select>> {
    const patch = { [name]: add(column(name), amount) } as PatchOf<Select>;
    return this.update(key, patch, { ...options, mustExist: true });
  }

  /** Subtracts. @throws CairnError `row_not_found`, `underflow`, `not_null_violation`. */
  decrement(
    key: PrimaryKey,
    name: keyof Select & string,
    amount: number | bigint,
    options?: StatementOptions,
  ): Promise<StatementResult<Select>> {
    const patch = { [name]: subtract(column(name), amount) } as PatchOf<Select>;
    return this.update(key, patch, { ...options, mustExist: true });
  }

  // ---- deleting

  /** Deletes the row with this primary key: `changed` is 0 where there is none. */
  async delete(key: PrimaryKey, options?: StatementOptions): Promise<StatementResult<Select>> {
    checkStatement("delete a row", options, statementOptions);
    return await this.#run(deleteStatement(this.#tables, this.#core, key), options);
  }

  deleteSync(key: PrimaryKey, options?: StatementOptions): StatementResult<Select> {
    checkStatement("delete a row", options, statementOptions);
    return this.#runSync(deleteStatement(this.#tables, this.#core, key), options);
  }

  /** Deletes all rows for which `where` is true. */
  async deleteWhere(where: Where, options?: WhereOptions): Promise<StatementResult<Select>> {
    const limit = limitOf("delete rows", options);
    return await this.#run(deleteWhereStatement(this.#tables, this.#core, where, limit), options);
  }

  deleteWhereSync(where: Where, options?: WhereOptions): StatementResult<Select> {
    const limit = limitOf("delete rows", options);
    return this.#runSync(deleteWhereStatement(this.#tables, this.#core, where, limit), options);
  }

  // ---- committing

  async #run(
    statement: Statement,
    options: StatementOptions | undefined,
  ): Promise<StatementResult<Select>> {
    const { context } = this.#tables;
    context.requireIdle();
    const { receipt, result } = await context.engine.commit(this.#decide(statement), options);
    return resultOf(this.#tables, statement.state, result, receipt, options);
  }

  #runSync(statement: Statement, options: StatementOptions | undefined): StatementResult<Select> {
    const { context } = this.#tables;
    context.requireIdle();
    const { receipt, result } = context.engine.commitSync(this.#decide(statement), options);
    return resultOf(this.#tables, statement.state, result, receipt, options);
  }

  #decide(statement: Statement): Parameters<Tables["context"]["engine"]["commit"]>[0] {
    const tables = this.#tables;
    const core = this.#core;
    return function* (effects, turn): Steps<Outcome> {
      tables.adopt(turn.seq);
      requireSame(core, statement.state);
      return yield* statement.run(new CommitWriter(tables.context.engine, effects));
    };
  }
}

const first: readonly number[] = [0];

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

/** @throws CairnError `option_unknown`, `argument_invalid`. */
export function checkStatement(
  action: string,
  options: StatementOptions | undefined,
  known: ReadonlySet<string>,
): void {
  checkWriteOptions(action, options, known);
}

/** The option `limit`; infinite without. */
export function limitOf(action: string, options: WhereOptions | undefined): number {
  checkStatement(action, options, whereOptions);
  checkWhole(action, "limit", options?.limit, 1);
  return options?.limit ?? Number.POSITIVE_INFINITY;
}
