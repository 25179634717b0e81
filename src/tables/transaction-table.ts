import { type Decode, runAsync, runSync, type Steps } from "../engine/index.ts";
import { CairnError } from "../errors.ts";
import { invalid } from "../kv/index.ts";
import { type Attempt, throwIfAborted } from "../transaction/index.ts";
import type { VectorInput } from "../vector/index.ts";
import { TableCalls } from "./calls.ts";
import type { TableCore, Tables } from "./catalogue.ts";
import type { Where } from "./expression.ts";
import { encodeKey } from "./prepare.ts";
import { decodeRecord, type StoredTable } from "./record.ts";
import { type TableMatch, TableSearch, type TableSearchOptions } from "./search.ts";
import { TransactionWriter } from "./space.ts";
import { type StandardSchema, validateRows, validateRowsSync } from "./standard-schema.ts";
import type { TableState } from "./state.ts";
import type { OnConflict, Statement } from "./statements.ts";
import type { PatchOf, PrimaryKey } from "./table.ts";

/** A table's inner side, for the layers above. */
export interface TableInside {
  readonly tables: Tables;
  readonly core: TableCore;
  readonly schema: StandardSchema | undefined;
}

/** What a statement within a transaction has done. */
export interface TransactionResult<Row> {
  readonly changed: number;
  /** With `returning`. */
  readonly rows: Row[];
}

interface Returning {
  readonly returning?: boolean;
}

const decodeVersion: Decode<number> = (memory, at, length) =>
  decodeRecord<StoredTable>(memory, at, length).version;
const isThere: Decode<true> = () => true;

/**
 * A table within a transaction. Methods may answer `transaction_closed` and what the same method of
 * {@link Table} does; a statement that fails leaves nothing behind, and the transaction may go on.
 * The transaction ends in a `conflict` when the table was changed since it began.
 */
export class TransactionTable<Select, Insert> {
  readonly #tables: Tables;
  readonly #core: TableCore;
  readonly #schema: StandardSchema | undefined;
  readonly #attempt: Attempt;
  readonly #calls: TableCalls;
  #isEntered = false;

  /** Not for applications: `transaction.table` makes it. */
  constructor({ tables, core, schema }: TableInside, attempt: Attempt) {
    this.#tables = tables;
    this.#core = core;
    this.#schema = schema;
    this.#attempt = attempt;
    this.#calls = new TableCalls(tables, core);
  }

  // ---- reading

  async get(key: PrimaryKey): Promise<Select | undefined> {
    return await runAsync(this.#get(key));
  }

  getSync(key: PrimaryKey): Select | undefined {
    return runSync(this.#get(key));
  }

  *#get(key: PrimaryKey): Steps<Select | undefined> {
    const state = yield* this.#enter();
    const encoded = encodeKey(state, key);
    const found = yield* this.#attempt.read(state.rows, encoded, state.codec.decodeRow);
    return found as Select | undefined;
  }

  async has(key: PrimaryKey): Promise<boolean> {
    return await runAsync(this.#has(key));
  }

  hasSync(key: PrimaryKey): boolean {
    return runSync(this.#has(key));
  }

  *#has(key: PrimaryKey): Steps<boolean> {
    const state = yield* this.#enter();
    return (yield* this.#attempt.read(state.rows, encodeKey(state, key), isThere)) === true;
  }

  // ---- searching

  /**
   * The rows whose vectors are nearest to one, what the transaction has written included; as
   * {@link Table.search}. Serializable, the transaction commits only if no vector of the index was
   * written since.
   */
  async search(
    column: keyof Select & string,
    vector: VectorInput,
    options?: Omit<TableSearchOptions, "snapshot">,
  ): Promise<TableMatch<Select>[]> {
    throwIfAborted(options?.signal);
    return await runAsync(this.#search(column, vector, options, false));
  }

  searchSync(
    column: keyof Select & string,
    vector: VectorInput,
    options?: Omit<TableSearchOptions, "snapshot" | "signal">,
  ): TableMatch<Select>[] {
    return runSync(this.#search(column, vector, options, true));
  }

  *#search(
    column: string,
    vector: VectorInput,
    options: TableSearchOptions = {},
    isSync: boolean,
  ): Steps<TableMatch<Select>[]> {
    yield* this.#enter();
    if (options.snapshot !== undefined) {
      throw invalid("search a table", "the option snapshot", "one", "none in a transaction");
    }
    const search = new TableSearch<Select>(this.#core, column, vector, options);
    return yield* search.runWithin(this.#attempt, isSync);
  }

  // ---- writing

  insert(
    row: Insert,
    options?: Returning & { readonly onConflict?: OnConflict<Select> },
  ): Promise<TransactionResult<Select>> {
    return this.insertMany([row], options);
  }

  insertSync(
    row: Insert,
    options?: Returning & { readonly onConflict?: OnConflict<Select> },
  ): TransactionResult<Select> {
    return this.insertManySync([row], options);
  }

  async insertMany(
    rows: Iterable<Insert>,
    options?: Returning & { readonly onConflict?: OnConflict<Select> },
  ): Promise<TransactionResult<Select>> {
    this.#calls.checkInsert(options);
    // Without a validator nothing is waited for: what the caller changes later does not count.
    const given = [...rows];
    const valid = this.#schema === undefined ? given : await validateRows(this.#schema, given);
    return await runAsync(this.#run(() => this.#calls.insert(valid, options), options));
  }

  insertManySync(
    rows: Iterable<Insert>,
    options?: Returning & { readonly onConflict?: OnConflict<Select> },
  ): TransactionResult<Select> {
    this.#calls.checkInsert(options);
    const valid = validateRowsSync(this.#schema, [...rows]);
    return runSync(this.#run(() => this.#calls.insert(valid, options), options));
  }

  upsert(row: Insert, options?: Returning): Promise<TransactionResult<Select>> {
    return this.upsertMany([row], options);
  }

  upsertSync(row: Insert, options?: Returning): TransactionResult<Select> {
    return this.upsertManySync([row], options);
  }

  async upsertMany(
    rows: Iterable<Insert>,
    options?: Returning,
  ): Promise<TransactionResult<Select>> {
    this.#calls.checkUpsert(options);
    // Without a validator nothing is waited for: what the caller changes later does not count.
    const given = [...rows];
    const valid = this.#schema === undefined ? given : await validateRows(this.#schema, given);
    return await runAsync(this.#run(() => this.#calls.upsert(valid), options));
  }

  upsertManySync(rows: Iterable<Insert>, options?: Returning): TransactionResult<Select> {
    this.#calls.checkUpsert(options);
    const valid = validateRowsSync(this.#schema, [...rows]);
    return runSync(this.#run(() => this.#calls.upsert(valid), options));
  }

  async update(
    key: PrimaryKey,
    patch: PatchOf<Select>,
    options?: Returning & { readonly where?: Where; readonly mustExist?: boolean },
  ): Promise<TransactionResult<Select>> {
    return await runAsync(this.#run(() => this.#calls.update(key, patch, options), options));
  }

  updateSync(
    key: PrimaryKey,
    patch: PatchOf<Select>,
    options?: Returning & { readonly where?: Where; readonly mustExist?: boolean },
  ): TransactionResult<Select> {
    return runSync(this.#run(() => this.#calls.update(key, patch, options), options));
  }

  async updateWhere(
    where: Where,
    patch: PatchOf<Select>,
    options?: Returning & { readonly limit?: number },
  ): Promise<TransactionResult<Select>> {
    return await runAsync(this.#run(() => this.#calls.updateWhere(where, patch, options), options));
  }

  updateWhereSync(
    where: Where,
    patch: PatchOf<Select>,
    options?: Returning & { readonly limit?: number },
  ): TransactionResult<Select> {
    return runSync(this.#run(() => this.#calls.updateWhere(where, patch, options), options));
  }

  /** Adds to a number of a row that must be there. */
  async increment(
    key: PrimaryKey,
    name: keyof Select & string,
    amount: number | bigint,
    options?: Returning,
  ): Promise<TransactionResult<Select>> {
    const change = { name, amount, isLess: false };
    return await runAsync(this.#run(() => this.#calls.change(key, change, options), options));
  }

  incrementSync(
    key: PrimaryKey,
    name: keyof Select & string,
    amount: number | bigint,
    options?: Returning,
  ): TransactionResult<Select> {
    const change = { name, amount, isLess: false };
    return runSync(this.#run(() => this.#calls.change(key, change, options), options));
  }

  /** Subtracts from a number of a row that must be there. */
  async decrement(
    key: PrimaryKey,
    name: keyof Select & string,
    amount: number | bigint,
    options?: Returning,
  ): Promise<TransactionResult<Select>> {
    const change = { name, amount, isLess: true };
    return await runAsync(this.#run(() => this.#calls.change(key, change, options), options));
  }

  decrementSync(
    key: PrimaryKey,
    name: keyof Select & string,
    amount: number | bigint,
    options?: Returning,
  ): TransactionResult<Select> {
    const change = { name, amount, isLess: true };
    return runSync(this.#run(() => this.#calls.change(key, change, options), options));
  }

  async delete(key: PrimaryKey, options?: Returning): Promise<TransactionResult<Select>> {
    return await runAsync(this.#run(() => this.#calls.delete(key, options), options));
  }

  deleteSync(key: PrimaryKey, options?: Returning): TransactionResult<Select> {
    return runSync(this.#run(() => this.#calls.delete(key, options), options));
  }

  async deleteWhere(
    where: Where,
    options?: Returning & { readonly limit?: number },
  ): Promise<TransactionResult<Select>> {
    return await runAsync(this.#run(() => this.#calls.deleteWhere(where, options), options));
  }

  deleteWhereSync(
    where: Where,
    options?: Returning & { readonly limit?: number },
  ): TransactionResult<Select> {
    return runSync(this.#run(() => this.#calls.deleteWhere(where, options), options));
  }

  *#run(
    prepare: () => Statement,
    options: Returning | undefined,
  ): Steps<TransactionResult<Select>> {
    yield* this.#enter();
    const statement = prepare();
    const { codec } = statement.state;
    const writer = new TransactionWriter(this.#attempt);
    const { changed, rows } = yield* statement.run(writer);
    this.#attempt.requireOpen();
    writer.flush();
    const isReturning = options?.returning === true;
    return { changed, rows: isReturning ? rows.map((one) => codec.rowOf(one) as Select) : [] };
  }

  /**
   * Makes sure that the transaction sees the table as it is now, and still does when it commits.
   */
  *#enter(): Steps<TableState> {
    this.#attempt.requireOpen();
    if (this.#isEntered) return this.#core.require();
    yield* enterTable(this.#tables, this.#core, this.#attempt);
    this.#isEntered = true;
    return this.#core.require();
  }
}

/**
 * Makes a table's schema part of what a transaction has read, so that a change of it in between is
 * a `conflict`. @throws CairnError `conflict`, `table_dropped`.
 */
export function* enterTable(tables: Tables, core: TableCore, attempt: Attempt): Steps<void> {
  const { tree, key } = tables.recordOf(core);
  const version = yield* attempt.read(tree, key, decodeVersion, true);
  if (version === core.state.stored.version) return;
  // A commit that came before this one in the same turn has changed it.
  tables.adopt();
  if (version === core.require().stored.version) return;
  attempt.isOutdated = true;
  throw new CairnError(
    "conflict",
    `Cannot use the table "${core.state.path.name}" in this transaction: it was changed ` +
      "since the transaction began. Run it again.",
  );
}
