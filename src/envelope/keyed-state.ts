/** A table as the state of some work: one row for each key. */
import { runAsync, type Steps } from "../engine/index.ts";
import { CairnError, isCairnError } from "../errors.ts";
import { checkOptions, checkWhole, type WriteOptions } from "../kv/index.ts";
import { coreOfTable } from "../query/index.ts";
import type { KeyValue, Table, TableMutation } from "../tables/index.ts";
import {
  encodeKey,
  expressionInvalid,
  StateReader,
  type TableIndex,
  type TableState,
  tableInside,
} from "../tables/inside.ts";
import type { Envelopes } from "./commit.ts";
import type { CommitResult } from "./envelope.ts";

/** Which part of an index is read. */
export interface KeyedStateQuery {
  /** Values of its first columns, or of none. */
  readonly prefix?: readonly unknown[];
  readonly offset?: number;
  readonly limit?: number;
}

/** How often an update is tried again. */
export interface KeyedStateUpdateOptions extends WriteOptions {
  /** Tries after the first, when another commit came first; 8 by default. */
  readonly retries?: number;
}

/** Carries a conflict of the commit itself. */
class Conflicted extends Error {
  constructor(cause: CairnError) {
    super(cause.message, { cause });
  }
}

const queryNames: ReadonlySet<string> = new Set(["prefix", "offset", "limit"]);
const updateNames: ReadonlySet<string> = new Set(["retries", "finality", "signal"]);
const retriesDefault = 8;

/**
 * Rows by their one key: read, written, changed by a function, found in the order of an index. Its
 * `effects` are for `db.commitEffects` and `db.commit`.
 */
export class KeyedState<Select, Insert> {
  readonly #envelopes: Envelopes;
  readonly #table: Table<Select, Insert>;
  readonly #keyName: string;

  /** Not for applications: `db.keyedState` makes it. */
  constructor(envelopes: Envelopes, table: Table<Select, Insert>) {
    const { path, primaryKey, columns } = tableInside(table).core.require();
    if (primaryKey.length !== 1) {
      throw new CairnError(
        "argument_invalid",
        `Cannot use the table "${path.name}" as keyed state: its primary key has ` +
          `${primaryKey.length} columns, expected one.`,
      );
    }
    this.#envelopes = envelopes;
    this.#table = table;
    this.#keyName = columns[primaryKey[0]].name;
  }

  /** Writes and deletions as data. */
  get effects(): {
    readonly write: (row: Insert) => TableMutation;
    readonly delete: (key: KeyValue) => TableMutation;
  } {
    const { mutations } = this.#table;
    return { write: (row) => mutations.upsert(row), delete: (key) => mutations.delete(key) };
  }

  async read(key: KeyValue): Promise<Select | undefined> {
    return await this.#table.get(key);
  }

  /** One column of a row; undefined where there is no row. */
  async readField<N extends keyof Select & string>(
    key: KeyValue,
    name: N,
  ): Promise<Select[N] | undefined> {
    // A misspelt name is never ignored.
    tableInside(this.#table).core.require().column(name);
    return (await this.#table.get(key))?.[name];
  }

  /** Inserts a row, or replaces the one with its key. */
  async write(row: Insert, options?: WriteOptions): Promise<CommitResult> {
    return await this.#envelopes.commit({ ...options, mutations: [this.effects.write(row)] });
  }

  /** Deletes a row: true when it was there. */
  async delete(key: KeyValue, options?: WriteOptions): Promise<boolean> {
    const done = await this.#envelopes.commit({
      ...options,
      mutations: [this.effects.delete(key)],
    });
    return done.results[0].changed === 1;
  }

  /**
   * Writes what the function makes of a row, or deletes it where that is undefined, if nobody has
   * changed it meanwhile; otherwise the function runs again. What it throws comes back.
   * @throws CairnError `conflict` when somebody else always came first.
   */
  async update(
    key: KeyValue,
    change: (row: Select | undefined) => Insert | undefined | Promise<Insert | undefined>,
    options: KeyedStateUpdateOptions = {},
  ): Promise<CommitResult | undefined> {
    checkOptions("update keyed state", options, updateNames);
    checkWhole("update keyed state", "retries", options.retries, 0);
    const { retries = retriesDefault, ...write } = options;
    for (let attempt = 0; ; attempt++) {
      const once = (): Promise<CommitResult | undefined> => this.#updateOnce(key, change, write);
      try {
        return attempt === 0 ? await once() : await this.#envelopes.again(once);
      } catch (error) {
        if (!(error instanceof Conflicted)) throw error;
        if (attempt >= retries) throw error.cause;
      }
    }
  }

  async #updateOnce(
    key: KeyValue,
    change: (row: Select | undefined) => Insert | undefined | Promise<Insert | undefined>,
    options: WriteOptions,
  ): Promise<CommitResult | undefined> {
    using reads = this.#envelopes.read();
    const before = await reads.table(this.#table).get(key);
    const after = await change(before);
    if (before === undefined && after === undefined) return undefined;
    const { effects } = this;
    if (after !== undefined) this.#requireKey(key, after);
    const mutation = after === undefined ? effects.delete(key) : effects.write(after);
    try {
      return await this.#envelopes.commit({ ...options, mutations: [mutation], readSet: reads });
    } catch (error) {
      // The function may have failed with a conflict of its own, which is not to be tried again.
      throw isCairnError(error, "conflict") ? new Conflicted(error) : error;
    }
  }

  #requireKey(key: KeyValue, row: Insert): void {
    const state = tableInside(this.#table).core.require();
    const found = (row as Record<string, unknown>)[this.#keyName];
    const [expected, given] = [encodeKey(state, key), encodeKey(state, found)];
    if (expected.length === given.length && expected.every((byte, at) => byte === given[at])) {
      return;
    }
    throw new CairnError(
      "argument_invalid",
      `Cannot update a row of the table "${state.path.name}": the function has answered a row ` +
        "with another primary key. Write that one by itself.",
    );
  }

  /** Rows in the order of an index, those with the same values there by primary key. */
  async queryIndex(name: string, query: KeyedStateQuery = {}): Promise<Select[]> {
    checkOptions("query keyed state", query, queryNames);
    checkWhole("query keyed state", "offset", query.offset, 0);
    checkWhole("query keyed state", "limit", query.limit, 0);
    const { core } = tableInside(this.#table);
    const { state, index } = orderedIndex(core.require(), name);
    const { prefix = [], offset = 0, limit } = query;
    const columns = [...index.columns, ...state.primaryKey].map((at) => state.columns[at].name);
    if (prefix.length > index.columns.length) {
      throw expressionInvalid(`the index "${name}" has fewer columns than the prefix has values`);
    }
    const clauses = coreOfTable(this.#table, undefined).with({
      where: prefix.map((value, at) => conditionOf(columns[at], value)),
      orderBy: columns.map((column) => {
        return { value: { op: "column" as const, name: column }, isDescending: false };
      }),
      index: name,
      offset,
      limit,
    });
    return (await clauses.run((isHeld) => clauses.all(undefined, isHeld))) as Select[];
  }

  /**
   * How many rows come before the row with this key in the order of an index; undefined where there
   * is no such row. Its time hardly grows with the number of rows.
   */
  async indexRank(name: string, key: KeyValue): Promise<number | undefined> {
    const { core, tables } = tableInside(this.#table);
    const { state, index } = orderedIndex(core.require(), name);
    const { context } = tables;
    const pinned = context.pin();
    try {
      const reader = new StateReader(context.engine, pinned);
      const encoded = encodeKey(state, key);
      return await runAsync(
        (function* (): Steps<number | undefined> {
          const values = yield* reader.read(state.rows, encoded, state.codec.decodeValues);
          if (values === undefined || !index.covers(values)) return undefined;
          const high = index.entryKey(values, encoded).slice();
          return yield* reader.count(index.tree, { high });
        })(),
      );
    } finally {
      pinned.release();
    }
  }
}

function conditionOf(name: string, value: unknown) {
  const of = { op: "column", name } as const;
  if (value === null) return { op: "isNull", of } as const;
  return { op: "eq", left: of, right: { op: "value", value } } as const;
}

function orderedIndex(state: TableState, name: string): { state: TableState; index: TableIndex } {
  const index = state.index(name);
  if (index.kind === "ordered" && index.isReady) return { state, index };
  throw new CairnError(
    "index_not_found",
    `Cannot read the index "${name}" of the table "${state.path.name}" in order: it has none, or ` +
      "is still being built.",
  );
}
