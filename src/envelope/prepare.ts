/**
 * From mutations as data to what runs at the commit's turn. Everything that does not depend on what
 * is stored is checked and encoded here, before the envelope is queued; what the caller changes
 * later does not count.
 */
import type { Steps } from "../engine/index.ts";
import { CairnError, isCairnError } from "../errors.ts";
import { type Context, describeValue, invalid, type KeyspaceMutation } from "../kv/index.ts";
import { checkKey } from "../kv/key-check.ts";
import { coreOf, type Keyspace } from "../kv/keyspace.ts";
import { changeNumber } from "../kv/numbers.ts";
import type { Table, TableMutation } from "../tables/index.ts";
import {
  type NumberChangeCall,
  PlainNumberChange,
  requireSame,
  type Statement,
  TableCalls,
  type TableCore,
  type TableInside,
  TransactionWriter,
  tableInside,
  validateRows,
  validateRowsSync,
} from "../tables/inside.ts";
import { type Attempt, type Key, ownedBytes, ownedKey } from "../transaction/index.ts";
import { type VectorMutation, vectorsInside } from "../vector/index.ts";
import type { Mutation, MutationResult } from "./envelope.ts";

/** A mutation that is ready for its turn. */
export interface Prepared {
  /** Makes the change in the attempt, which sees what was changed before. */
  readonly run: (attempt: Attempt) => Steps<MutationResult> | MutationResult;
  /** Refuses a table that has changed since; first thing in the turn. */
  readonly check?: () => void;
  /** After the commit. */
  readonly committed?: () => void;
}

const one: MutationResult = { changed: 1, rows: [] };
const none: MutationResult = { changed: 0, rows: [] };
const isThere = (): true => true;

/** The same as {@link prepare}, where a table's validator answers later. */
export async function prepareAsync(context: Context, mutation: Mutation): Promise<Prepared> {
  if (!hasRows(mutation)) return prepare(context, mutation);
  const { schema } = tableInside(mutation.target as Table);
  if (schema === undefined) return prepare(context, mutation);
  const rows = await validateRows(schema, [...mutation.rows]);
  return prepareTable(context, { ...mutation, rows }, true);
}

/** Checks a mutation and makes it ready. @throws CairnError as the method of the same name. */
export function prepare(context: Context, mutation: Mutation): Prepared {
  const model = (mutation as Mutation | undefined)?.model;
  if (model === "table") return prepareTable(context, mutation as TableMutation, false);
  if (model === "keyspace") return prepareKeyspace(context, mutation as KeyspaceMutation);
  if (model === "vectors") return prepareVectors(context, mutation as VectorMutation);
  const expected = "what the mutations of a table, keyspace or vector index make";
  throw invalid("commit an envelope", "a mutation", describeValue(mutation), expected);
}

/** A mutation of rows that a validator may have to look at. */
export function hasRows(
  mutation: Mutation,
): mutation is Extract<TableMutation, { operation: "insert" | "upsert" }> {
  return (mutation as Mutation | undefined)?.model === "table" && "rows" in mutation;
}

function unknownOperation(operation: unknown): CairnError {
  return invalid("commit an envelope", "an operation", describeValue(operation), "a known one");
}

function foreign(): CairnError {
  return invalid("commit an envelope", "a handle's database", "another one", "the one at hand");
}

// ---- tables

function prepareTable(context: Context, mutation: TableMutation, isValid: boolean): Prepared {
  const inside = tableInside(mutation.target as Table);
  if (inside.tables.context !== context) throw foreign();
  const { core, tables, schema } = inside;
  if (mutation.operation === "increment" || mutation.operation === "decrement") {
    const { column: name, amount, operation } = mutation;
    const change = { name, amount, isLess: operation === "decrement" };
    const plain = PlainNumberChange.of(core, mutation.key, change);
    const isReturning = mutation.returning === true;
    if (plain !== undefined) return new PlainChange(inside, plain, change, isReturning);
    const calls = new TableCalls(tables, core);
    return preparedOf(core, calls.change(mutation.key, change, undefined), isReturning);
  }
  const calls = new TableCalls(tables, core);
  const rows = !hasRows(mutation)
    ? []
    : isValid
      ? mutation.rows
      : validateRowsSync(schema, [...mutation.rows]);
  const statement = statementOf(calls, mutation, rows);
  return preparedOf(core, statement, mutation.returning === true);
}

function preparedOf(core: TableCore, statement: Statement, isReturning: boolean): Prepared {
  const { vectorIndexes } = statement.state;
  return {
    committed: () => {
      for (const index of vectorIndexes) index.core.keeper.wake();
    },
    check: () => requireSame(core, statement.state),
    *run(attempt) {
      const writer = new TransactionWriter(attempt);
      const { changed, rows: found } = yield* statement.run(writer);
      writer.flush();
      if (!isReturning) return changed === 1 ? one : { changed, rows: [] };
      const { codec } = statement.state;
      return { changed, rows: found.map((values) => codec.rowOf(values) as Row) };
    },
  };
}

/** The change of a number that mostly concerns one row alone: transfers are made of these. */
class PlainChange implements Prepared {
  readonly #inside: TableInside;
  readonly #change: PlainNumberChange;
  readonly #call: NumberChangeCall;
  readonly #isReturning: boolean;

  constructor(
    inside: TableInside,
    change: PlainNumberChange,
    call: NumberChangeCall,
    isReturning: boolean,
  ) {
    this.#inside = inside;
    this.#change = change;
    this.#call = call;
    this.#isReturning = isReturning;
  }

  check(): void {
    requireSame(this.#inside.core, this.#change.state);
  }

  run(attempt: Attempt): Steps<MutationResult> | MutationResult {
    if (!attempt.isNewest) return this.#general(attempt);
    const { state, key } = this.#change;
    const found = attempt.readNewest(state.rows, key, state.codec.decodeValues);
    return found instanceof Promise ? this.#later(attempt, found) : this.#apply(attempt, found);
  }

  *#later(attempt: Attempt, found: Promise<unknown>): Steps<MutationResult> {
    const done = this.#apply(attempt, (yield found) as Values | undefined);
    return "changed" in done ? done : yield* done;
  }

  #apply(attempt: Attempt, found: Values | undefined): Steps<MutationResult> | MutationResult {
    const { state, key } = this.#change;
    const values = found === undefined ? undefined : this.#change.apply(found);
    if (values === undefined) return this.#general(attempt);
    attempt.put(state.rows, key, ownedBytes(state.codec.encode(values)), undefined);
    return this.#isReturning ? { changed: 1, rows: [state.codec.rowOf(values) as Row] } : one;
  }

  /** The statement that does the same, for everything that is not plain. */
  #general(attempt: Attempt): Steps<MutationResult> {
    const { tables, core } = this.#inside;
    const statement = new TableCalls(tables, core).change(
      this.#change.given,
      this.#call,
      undefined,
    );
    const steps = preparedOf(core, statement, this.#isReturning).run(attempt);
    return steps as Steps<MutationResult>;
  }
}

type Values = unknown[];
type Row = Readonly<Record<string, unknown>>;

function statementOf(
  calls: TableCalls,
  mutation: Exclude<TableMutation, { operation: "increment" | "decrement" }>,
  rows: readonly unknown[],
): Statement {
  switch (mutation.operation) {
    case "insert": {
      const { onConflict } = mutation;
      return calls.insert(rows, onConflict === undefined ? undefined : { onConflict });
    }
    case "upsert":
      return calls.upsert(rows);
    case "update": {
      const { where, mustExist } = mutation;
      const options = {
        ...(where === undefined ? {} : { where }),
        ...(mustExist === undefined ? {} : { mustExist }),
      };
      return calls.update(mutation.key, mutation.patch, options);
    }
    case "updateWhere":
      return calls.updateWhere(mutation.where, mutation.patch, limitOf(mutation));
    case "delete":
      return calls.delete(mutation.key, undefined);
    case "deleteWhere":
      return calls.deleteWhere(mutation.where, limitOf(mutation));
    default:
      throw unknownOperation((mutation as { operation?: unknown }).operation);
  }
}

function limitOf({ limit }: { readonly limit?: number }): { readonly limit: number } | undefined {
  return limit === undefined ? undefined : { limit };
}

// ---- keyspaces

function prepareKeyspace(context: Context, mutation: KeyspaceMutation): Prepared {
  const core = coreOf(mutation.target as Keyspace<Key, unknown>);
  if (core.context !== context) throw foreign();
  const { tree } = core;
  checkKey(tree, mutation.key);
  const key = ownedKey(mutation.key);
  switch (mutation.operation) {
    case "put": {
      const options = mutation.options ?? {};
      const lifetime = core.lifetimeOf("put a record", options);
      // The encoder uses its memory again, and bytes may be changed by whoever owns them.
      const bytes = ownedBytes(core.codec.encode(mutation.value));
      return {
        check: () => core.requireTree(),
        run(attempt) {
          attempt.put(tree, key, bytes, lifetime);
          return one;
        },
      };
    }
    case "delete":
      return {
        check: () => core.requireTree(),
        *run(attempt) {
          if ((yield* attempt.read(tree, key, isThere)) === undefined) return none;
          attempt.delete(tree, key);
          return one;
        },
      };
    case "add":
    case "subtract":
    case "max":
    case "min": {
      const { operation, operand, options } = mutation;
      return {
        check: () => core.requireTree(),
        *run(attempt) {
          const done = yield* changeNumber(attempt, core, key, operation, operand, options);
          const { value, previous } = done;
          return { changed: done.changed ? 1 : 0, rows: [], value, previous };
        },
      };
    }
    default:
      throw unknownOperation((mutation as { operation?: unknown }).operation);
  }
}

// ---- vectors

function prepareVectors(context: Context, mutation: VectorMutation): Prepared {
  const core = vectorsInside(mutation.target);
  if (core.context !== context) throw foreign();
  core.requireTree();
  const key = core.idCodec.encode(mutation.id);
  const { tree } = core.trees;
  const check = (): void => core.requireTree();
  const committed = (): void => core.keeper.wake();
  switch (mutation.operation) {
    case "put": {
      const row = core.encode(key, mutation.vector, mutation.metadata);
      return {
        check,
        committed,
        run(attempt) {
          attempt.put(tree, key, row, undefined);
          return one;
        },
      };
    }
    case "delete":
      return {
        check,
        committed,
        *run(attempt) {
          if ((yield* attempt.read(tree, key, isThere)) === undefined) return none;
          attempt.delete(tree, key);
          return one;
        },
      };
    default:
      throw unknownOperation((mutation as { operation?: unknown }).operation);
  }
}

/** The error of a mutation with its place in the envelope. */
export function inMutation(error: unknown, index: number): unknown {
  if (!isCairnError(error) || error.class !== "validation") return error;
  const { code, message, details, cause } = error;
  return new CairnError(code, message, {
    ...(cause === undefined ? {} : { cause }),
    details: { ...details, mutation: index },
  });
}
