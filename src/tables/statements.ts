/**
 * The statements that change a table. Each is prepared when it is called, with everything checked
 * that does not depend on rows, and runs at its commit's turn or within a transaction.
 */
import type { Steps } from "../engine/index.ts";
import { CairnError } from "../errors.ts";
import { findRows } from "./access.ts";
import type { TableCore, Tables } from "./catalogue.ts";
import { ChangeSet } from "./change-set.ts";
import { compilePredicate } from "./evaluate.ts";
import { type Expression, predicateOf, type Where } from "./expression.ts";
import { duplicateKey, insertRows, uniqueViolation } from "./insert.ts";
import {
  applyPatch,
  encodeKey,
  enforceChecks,
  type Patch,
  preparePatch,
  type Values,
} from "./prepare.ts";
import type { TableWriter } from "./space.ts";
import type { ConflictRow, TableState } from "./state.ts";
import type { TableIndex } from "./table-index.ts";

/** What a statement has done. */
export interface Outcome {
  /** Rows that were inserted, updated or deleted. */
  readonly changed: number;
  /** Those rows as they are now, deleted ones as they were. */
  readonly rows: readonly Values[];
}

/** A statement that is ready to run over the table as it was when it was prepared. */
export interface Statement {
  readonly state: TableState;
  readonly run: Run;
  /** The same over a later state with the same columns; absent where it must be prepared again. */
  readonly over?: (state: TableState) => Run;
}

type Run = (writer: TableWriter) => Steps<Outcome>;

function statementOver(core: TableCore, over: (state: TableState) => Run): Statement {
  const state = core.require();
  return { state, run: over(state), over };
}

/** True when rows and expressions of one state are those of the other. */
export function hasSameColumns(left: TableState, right: TableState): boolean {
  const newest = ({ stored }: TableState): number =>
    stored.layouts[stored.layouts.length - 1].version;
  return (
    newest(left) === newest(right) &&
    left.columns.every(({ name }, position) => right.columns[position].name === name)
  );
}

/** What to do where a row cannot be inserted because of another one. */
export type OnConflict<Row = Record<string, unknown>> =
  | "nothing"
  /** Copies every column that is not null in the new row. */
  | "merge"
  | {
      /** The unique index, or columns of it or of the primary key; any of them by default. */
      readonly target?: string | readonly (keyof Row & string)[];
      /** Values, or expressions over the row that is there and `excluded(…)`, the new one. */
      readonly update: Readonly<Record<string, unknown>>;
      /** Only where this is true of the row that is there; otherwise nothing is done. */
      readonly where?: Where;
    };

/** Inserts new rows. */
export function insertStatement(
  tables: Tables,
  core: TableCore,
  rows: readonly Values[],
): Statement {
  return statementOver(
    core,
    (state) =>
      function* (writer) {
        if (rows.length > 0) yield* insertRows(tables, state, writer, rows);
        return { changed: rows.length, rows };
      },
  );
}

/** Inserts rows, and does something else with those that cannot be. */
export function insertOrStatement(
  tables: Tables,
  core: TableCore,
  rows: readonly Values[],
  onConflict: OnConflict,
): Statement {
  const state = core.require();
  const resolve = resolverOf(state, onConflict);
  return {
    state,
    *run(writer) {
      const changes = new ChangeSet(tables, writer);
      const done: Values[] = [];
      for (const proposed of rows) {
        // A row that may not be there may not be proposed either.
        enforceChecks(state, proposed);
        const conflict = yield* findConflict(core, changes, proposed, resolve.targets);
        if (conflict === undefined) {
          changes.set(core, keyOf(state, proposed), undefined, proposed);
          done.push(proposed);
          continue;
        }
        const after = resolve.apply({ existing: conflict.existing, proposed });
        if (after === undefined) continue;
        changes.set(core, conflict.key, conflict.existing, after);
        done.push(after);
      }
      yield* changes.finish();
      return { changed: done.length, rows: done };
    },
  };
}

/**
 * Inserts rows, or replaces those that have the same primary key; the last of equal keys counts.
 */
export function upsertStatement(
  tables: Tables,
  core: TableCore,
  rows: readonly Values[],
): Statement {
  return statementOver(
    core,
    (state) =>
      function* (writer) {
        const changes = new ChangeSet(tables, writer);
        for (const values of rows) {
          const key = keyOf(state, values);
          changes.set(core, key, yield* changes.read(core, key), values);
        }
        yield* changes.finish();
        return { changed: rows.length, rows };
      },
  );
}

/** Changes columns of the row with a key. */
export function updateStatement(
  tables: Tables,
  core: TableCore,
  key: unknown,
  update: {
    readonly patch: unknown;
    readonly where?: Where | undefined;
    readonly mustExist?: boolean;
  },
): Statement {
  const state = core.require();
  const encoded = encodeKey(state, key);
  const patch = preparePatch(state, update.patch, false);
  const isSelected = selectorOf(state, update.where);
  const run: Run = function* (writer) {
    const changes = new ChangeSet(tables, writer);
    const existing = yield* changes.read(core, encoded);
    if (existing === undefined && update.mustExist === true) throw rowNotFound(state);
    if (existing === undefined || !isSelected(existing)) return nothing;
    const after = patched(patch, existing);
    changes.set(core, encoded, existing, after);
    yield* changes.finish();
    return { changed: 1, rows: [after] };
  };
  return { state, run, over: () => run };
}

/** Changes columns of the rows for which a predicate is true, the first `limit` by primary key. */
export function updateWhereStatement(
  tables: Tables,
  core: TableCore,
  where: Where,
  update: { readonly patch: unknown; readonly limit: number },
): Statement {
  const state = core.require();
  const expression = checkedPredicate(state, where);
  const patch = preparePatch(state, update.patch, false);
  return statementOver(
    core,
    (current) =>
      function* (writer) {
        const changes = new ChangeSet(tables, writer);
        const found = yield* findRows(current, writer, expression, update.limit);
        const rows = found.map(({ key, values }) => {
          const after = patched(patch, values);
          changes.set(core, key, values, after);
          return after;
        });
        yield* changes.finish();
        return { changed: rows.length, rows };
      },
  );
}

/** Deletes the row with a key; no row is no error. */
export function deleteStatement(tables: Tables, core: TableCore, key: unknown): Statement {
  const state = core.require();
  const encoded = encodeKey(state, key);
  const run: Run = function* (writer) {
    const changes = new ChangeSet(tables, writer);
    const existing = yield* changes.read(core, encoded);
    if (existing === undefined) return nothing;
    changes.set(core, encoded, existing, undefined);
    yield* changes.finish();
    return { changed: 1, rows: [existing] };
  };
  return { state, run, over: () => run };
}

/** Deletes the rows for which a predicate is true, the first `limit` by primary key. */
export function deleteWhereStatement(
  tables: Tables,
  core: TableCore,
  where: Where,
  limit: number,
): Statement {
  const state = core.require();
  const expression = checkedPredicate(state, where);
  return statementOver(
    core,
    (current) =>
      function* (writer) {
        const changes = new ChangeSet(tables, writer);
        const found = yield* findRows(current, writer, expression, limit);
        for (const { key, values } of found) changes.set(core, key, values, undefined);
        yield* changes.finish();
        return { changed: found.length, rows: found.map(({ values }) => values) };
      },
  );
}

const nothing: Outcome = { changed: 0, rows: [] };

function patched(patch: Patch, existing: Values): Values {
  return applyPatch(patch, { existing, proposed: existing });
}

function keyOf(state: TableState, values: Values): Uint8Array {
  return state.key.encode(values, state.primaryKey).slice();
}

/** The predicate, checked against the table. */
function checkedPredicate(state: TableState, where: Where): Expression {
  const expression = predicateOf(where);
  compilePredicate(expression, state.valuesSource);
  return expression;
}

function selectorOf(state: TableState, where: Where | undefined): (values: Values) => boolean {
  if (where === undefined) return () => true;
  return compilePredicate(predicateOf(where), state.valuesSource);
}

// ---- conflicts

/** What a conflict may be with: the primary key, or a unique index. */
type Target = "primary key" | TableIndex;

interface Resolver {
  readonly targets: readonly Target[];
  /** The row as it will be; undefined to leave it. */
  readonly apply: (row: ConflictRow) => Values | undefined;
}

function resolverOf(state: TableState, onConflict: OnConflict): Resolver {
  const every: Target[] = ["primary key", ...state.indexes.filter((index) => index.isUnique)];
  if (onConflict === "nothing") return { targets: every, apply: () => undefined };
  if (onConflict === "merge") {
    return {
      targets: ["primary key"],
      apply: ({ existing, proposed }) =>
        existing.map((value, at) => (proposed[at] === null ? value : proposed[at])),
    };
  }
  const { target, update, where } = onConflict;
  const patch = preparePatch(state, update, true);
  const selects =
    where === undefined ? () => true : compilePredicate(predicateOf(where), state.conflictSource);
  return {
    targets: target === undefined ? every : [targetOf(state, target)],
    apply: (row) => (selects(row) ? applyPatch(patch, row) : undefined),
  };
}

function targetOf(state: TableState, target: string | readonly string[]): Target {
  if (typeof target === "string") {
    const index = state.index(target);
    if (index.isUnique) return index;
    throw new CairnError(
      "index_not_found",
      `Cannot tell conflicts by the index "${target}": it is not unique. Name one that is.`,
    );
  }
  const positions = target.map((name) => state.column(name).position);
  const isSame = (columns: readonly number[]): boolean =>
    columns.length === positions.length && columns.every((one) => positions.includes(one));
  if (isSame(state.primaryKey)) return "primary key";
  const index = state.indexes.find((one) => one.isUnique && isSame(one.columns));
  if (index !== undefined) return index;
  throw new CairnError(
    "index_not_found",
    "Cannot tell conflicts by these columns: they are neither the primary key nor a unique index.",
  );
}

/** The row that stands in the way of another one, if that is what `targets` say. */
function* findConflict(
  core: TableCore,
  changes: ChangeSet,
  proposed: Values,
  targets: readonly Target[],
): Steps<{ key: Uint8Array; existing: Values } | undefined> {
  const state = core.require();
  const own = keyOf(state, proposed);
  const existing = yield* changes.read(core, own);
  if (existing !== undefined) {
    if (targets.includes("primary key")) return { key: own, existing };
    throw duplicateKey(state);
  }
  for (const index of state.indexes) {
    if (!index.isUnique) continue;
    const key = yield* changes.findUnique(core, index, proposed);
    if (key === undefined) continue;
    if (!targets.includes(index)) throw uniqueViolation(state, index.name);
    const row = yield* changes.read(core, key);
    if (row !== undefined) return { key, existing: row };
  }
  return undefined;
}

function rowNotFound(state: TableState): CairnError {
  return new CairnError(
    "row_not_found",
    `Cannot change a row of the table "${state.path.name}": there is none with this primary key. ` +
      "Insert it first, or use upsert.",
    { details: { table: state.path.name } },
  );
}
