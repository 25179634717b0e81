/**
 * Adding constraints to a table that has rows.
 *
 * From a first commit on, every write has to meet the constraint, and what was prepared before is
 * refused. Then the rows that are there are looked at, a batch at a time, while the table is used.
 * Only a second commit writes the constraint down: until then it is in memory alone, so a crash, an
 * error or a row that breaks it leaves the table without it.
 */
import { type LongOptions, nextTurn, runAsync, type Steps } from "../engine/index.ts";
import { CairnError } from "../errors.ts";
import { checkOptions } from "../kv/index.ts";
import { throwIfAborted } from "../transaction/index.ts";
import { withColumnAs, withLayout } from "./alter.ts";
import { createIndex, draftOf, dropIndex } from "./build-index.ts";
import type { TableCore, Tables } from "./catalogue.ts";
import {
  depthOf,
  describeCheck,
  describeForeignKey,
  type ForeignKeyDefinition,
  type IndexDefinition,
  referenceDepthMax,
  type Surroundings,
  schemaInvalid,
  servesPrefix,
} from "./define.ts";
import type { Where } from "./expression.ts";
import { KeyBatch } from "./key-batch.ts";
import type { PendingConstraints, StoredColumn, StoredForeignKey, StoredTable } from "./record.ts";
import { referenceTarget } from "./reference.ts";
import { StateReader } from "./space.ts";
import type { TableForeignKey, TableState } from "./state.ts";

/** A constraint to be added: one of four kinds. */
export type ConstraintDefinition<Name extends string = string> =
  /** A condition that every row must meet; unknown passes. */
  | { readonly check: Where; readonly name: string }
  /** The column has a value in every row. */
  | { readonly notNull: Name }
  /** No two rows have the same values in these columns; nulls are exempt. */
  | ({ readonly unique: readonly Name[] } & Omit<IndexDefinition<Name>, "columns" | "unique">)
  /** Every value is one of another table's, or null. */
  | { readonly foreignKey: ForeignKeyDefinition<Name> };

type Judged = "check" | "notNull" | "foreignKey";

/** What is being added. */
interface Added {
  readonly kind: Judged;
  /** Of the check or foreign key, or of the column, as it was then. */
  readonly name: string;
  /** Of the column. */
  readonly column: number;
}

const rowsPerBatch = 1_024;
const none: PendingConstraints = { checks: [], notNull: [], foreignKeys: [] };
const action = "add a constraint";

/** Adds a constraint: its name. @throws CairnError as {@link Table.addConstraint}. */
export async function addConstraint(
  tables: Tables,
  core: TableCore,
  definition: ConstraintDefinition,
  options: LongOptions,
): Promise<string> {
  throwIfAborted(options.signal);
  if ("unique" in definition) {
    const { unique, ...rest } = definition;
    return await createIndex(tables, core, { ...rest, columns: unique, unique: true }, options);
  }
  const undo = await createServingIndex(tables, core, definition, options);
  try {
    const added = await begin(tables, core, definition);
    try {
      await judgeAll(tables, core, added, options);
      await end(tables, core, added, true);
    } catch (error) {
      await end(tables, core, added, false).catch(() => undefined);
      throw error;
    }
    return added.name;
  } catch (error) {
    await undo().catch(() => undefined);
    throw error;
  }
}

/** The index that finds rows by a foreign key, if there is none: what takes it away again. */
async function createServingIndex(
  tables: Tables,
  core: TableCore,
  definition: ConstraintDefinition,
  options: LongOptions,
): Promise<() => Promise<void>> {
  const nothing = async (): Promise<void> => undefined;
  if (!("foreignKey" in definition)) return nothing;
  await tables.load();
  const { stored } = core.require();
  const { name, columns } = foreignKeyOf(tables, core, referenceIn(definition));
  if (isServed(stored, columns)) return nothing;
  const index = { name: `${name}_index`, columns: definition.foreignKey.columns };
  await createIndex(tables, core, index, options);
  return () => dropIndex(tables, core, index.name);
}

function isServed({ indexes }: StoredTable, columns: readonly number[]): boolean {
  return indexes.some((index) => index.isReady && servesPrefix(index, columns));
}

/** Notes what writes have to meet from now on. */
function begin(tables: Tables, core: TableCore, definition: ConstraintDefinition): Promise<Added> {
  return tables.change((change) => {
    const { stored } = core.require();
    const { pending = none } = stored;
    const version = stored.version + 1;
    const put = (changed: Partial<PendingConstraints>): void =>
      change.putTable({ ...stored, version, pending: { ...pending, ...changed } });
    if ("notNull" in definition) {
      checkOptions(action, definition, new Set(["notNull"]));
      const { id, name, position } = core.require().column(definition.notNull);
      refuseNullable(stored, stored.columns[position]);
      put({ notNull: [...new Set([...pending.notNull, id])] });
      return { kind: "notNull", name, column: id };
    }
    if ("check" in definition) {
      checkOptions(action, definition, new Set(["check", "name"]));
      const check = describeCheck(definition.name, definition.check, draftOf(stored));
      refuseTwin(stored, check.name);
      put({ checks: [...pending.checks, check] });
      return { kind: "check", name: check.name, column: 0 };
    }
    const foreignKey = foreignKeyOf(tables, core, referenceIn(definition));
    refuseTwin(stored, foreignKey.name);
    if (!isServed(stored, foreignKey.columns)) {
      throw schemaInvalid(`the index for the foreign key "${foreignKey.name}" was dropped`);
    }
    put({ foreignKeys: [...pending.foreignKeys, foreignKey] });
    return { kind: "foreignKey", name: foreignKey.name, column: 0 };
  }, undefined);
}

function referenceIn(definition: ConstraintDefinition): ForeignKeyDefinition {
  checkOptions(action, definition, new Set(["foreignKey"]));
  if ("foreignKey" in definition) return definition.foreignKey;
  throw schemaInvalid("a constraint is one of check, notNull, unique and foreignKey");
}

function refuseNullable(stored: StoredTable, column: StoredColumn): void {
  if (column.default === null) {
    throw schemaInvalid(`the column "${column.name}" has the default null`);
  }
  const all = [...stored.foreignKeys, ...(stored.pending?.foreignKeys ?? [])];
  const setsNull = all.find(
    ({ columns, onDelete, onUpdate }) =>
      columns.includes(column.id) && (onDelete === "set null" || onUpdate === "set null"),
  );
  if (setsNull === undefined) return;
  throw schemaInvalid(
    `the column "${column.name}" must be able to be null for the foreign key "${setsNull.name}"`,
  );
}

function refuseTwin(stored: StoredTable, name: string): void {
  const { checks, foreignKeys, indexes, pending = none } = stored;
  const vectors = stored.vectorIndexes ?? [];
  const all = [checks, foreignKeys, indexes, vectors, pending.checks, pending.foreignKeys].flat();
  if (!all.some((one) => one.name === name)) return;
  throw new CairnError(
    "constraint_already_exists",
    `Cannot add the constraint "${name}" to the table "${stored.name}": it has a constraint or ` +
      "an index of this name. Use another name, or drop that one first.",
    { details: { table: stored.name, constraint: name } },
  );
}

/** The record of a foreign key of a table that others may refer to already. */
function foreignKeyOf(
  tables: Tables,
  core: TableCore,
  definition: ForeignKeyDefinition,
): StoredForeignKey {
  const { path, stored } = core.require();
  const surroundings: Surroundings = {
    takeTree: () => 0,
    table: (name) => tables.get({ ...path, name })?.require(),
    tableOf: (tree) => tables.byTree(tree)?.state,
  };
  const foreignKey = describeForeignKey(definition, draftOf(stored), surroundings);
  const target = surroundings.tableOf(foreignKey.table) as TableState;
  if (leadsTo(tables, target, stored.tree)) {
    throw schemaInvalid(`the foreign key "${foreignKey.name}" closes a circle of references`);
  }
  if (depthOf(target, surroundings) + heightOf(tables, stored.tree) > referenceDepthMax) {
    throw schemaInvalid(
      `the foreign key "${foreignKey.name}" makes a chain longer than ${referenceDepthMax}`,
    );
  }
  return foreignKey;
}

/** True when following foreign keys from a table leads to another one. */
function leadsTo(tables: Tables, from: TableState, tree: number): boolean {
  if (from.stored.tree === tree) return true;
  return from.foreignKeys.some(({ table }) => {
    const next = tables.byTree(table)?.state;
    return next !== undefined && leadsTo(tables, next, tree);
  });
}

/** How many tables a chain has that ends in this one. */
function heightOf(tables: Tables, tree: number): number {
  const heights = tables
    .referrers(tree)
    .map(({ core }) => heightOf(tables, core.state.stored.tree));
  return 1 + Math.max(0, ...heights);
}

// ---- rows that are there

async function judgeAll(
  tables: Tables,
  core: TableCore,
  added: Added,
  { signal, onProgress }: LongOptions,
): Promise<void> {
  const { context } = tables;
  let from: Uint8Array | undefined;
  let done = 0;
  do {
    throwIfAborted(signal);
    const pin = context.pin();
    try {
      const state = core.require();
      const batch = await runAsync(judgeSome(tables, state, added, { at: pin, from, done }));
      from = batch.last;
      done += batch.rows;
      const total = Math.max(done, context.engine.records(state.rows.id, pin));
      onProgress?.({ phase: "constraint", done, total, unit: "records" });
    } finally {
      pin.release();
    }
    await nextTurn();
  } while (from !== undefined);
}

interface Place {
  readonly at: ReturnType<Tables["context"]["pin"]>;
  readonly from: Uint8Array | undefined;
  readonly done: number;
}

/** Looks at the next rows. Those written since the constraint is pending have met it. */
function* judgeSome(
  tables: Tables,
  state: TableState,
  added: Added,
  { at, from, done }: Place,
): Steps<{ readonly rows: number; readonly last: Uint8Array | undefined }> {
  const { engine } = tables.context;
  const range = from === undefined ? {} : { low: from, lowExclusive: true };
  const columns = { keys: true, values: true, meta: true };
  const rows = yield* engine.scanSteps(state.rows.id, range, at, 0, rowsPerBatch, columns);
  const foreignKey = state.foreignKeys.find(({ name }) => name === added.name);
  const check = state.checks.find((one) => {
    return added.kind === "notNull" ? one.notNull?.id === added.column : one.name === added.name;
  });
  const all: unknown[][] = [];
  for (let row = 0; row < rows.count; row++) {
    const values = rows.decode(row, state.codec.decodeValues);
    if (added.kind === "foreignKey") all.push(values);
    else if (check?.evaluate(values) === false) throw broken(state, added, done + row);
  }
  if (added.kind === "foreignKey" && foreignKey !== undefined) {
    const missing = yield* findMissing(tables, foreignKey, all, at);
    if (missing >= 0) throw broken(state, added, done + missing);
  }
  const last = rows.more && rows.resume !== undefined ? rows.resume.slice() : undefined;
  return { rows: rows.count, last };
}

/** The first row whose reference leads nowhere; -1 for none. */
function* findMissing(
  tables: Tables,
  foreignKey: TableForeignKey,
  rows: readonly (readonly unknown[])[],
  at: Place["at"],
): Steps<number> {
  const { engine } = tables.context;
  const target = referenceTarget(tables, foreignKey);
  const keys = new KeyBatch();
  for (const values of rows) {
    const key = target.keyOf(values, foreignKey.columns);
    if (key !== undefined) keys.add(key);
  }
  if (keys.count === 0 || (yield* engine.findSteps(target.tree.id, keys, at, false)) < 0) return -1;
  const reader = new StateReader(engine, at);
  for (const [index, values] of rows.entries()) {
    const key = target.keyOf(values, foreignKey.columns)?.slice();
    if (key === undefined) continue;
    if ((yield* reader.read(target.tree, key, () => true)) === undefined) return index;
  }
  return -1;
}

const codes = {
  check: "check_constraint_failed",
  notNull: "not_null_violation",
  foreignKey: "foreign_key_violation",
} as const;

function broken({ path }: TableState, { kind, name }: Added, index: number): CairnError {
  const what = {
    check: `the check "${name}"`,
    notNull: `not null to the column "${name}"`,
    foreignKey: `the foreign key "${name}"`,
  }[kind];
  const row = index + 1;
  return new CairnError(
    codes[kind],
    `Cannot add ${what} of the table "${path.name}": row ${row} in the order of the primary key ` +
      "breaks it. Nothing was added. Change or delete that row first.",
    { details: { table: path.name, constraint: name, row } },
  );
}

// ---- the end

/** Writes the constraint down, or forgets it. */
function end(tables: Tables, core: TableCore, added: Added, isKept: boolean): Promise<void> {
  return tables.change((change) => {
    const { stored } = core.require();
    const { pending = none } = stored;
    const { kind, name, column } = added;
    const isOther = (one: { readonly name: string }): boolean => one.name !== name;
    const rest: PendingConstraints = {
      checks: kind === "check" ? pending.checks.filter(isOther) : pending.checks,
      notNull: pending.notNull.filter((id) => kind !== "notNull" || id !== column),
      foreignKeys:
        kind === "foreignKey" ? pending.foreignKeys.filter(isOther) : pending.foreignKeys,
    };
    const without = { ...stored, pending: rest };
    change.putTable(withLayout(isKept ? kept(without, pending, added) : without, stored));
  }, undefined);
}

/** The table with a constraint that all of its rows meet. */
function kept(stored: StoredTable, pending: PendingConstraints, added: Added): StoredTable {
  const { kind, name } = added;
  if (kind === "check") {
    const found = pending.checks.filter((one) => one.name === name);
    return { ...stored, checks: [...stored.checks, ...found] };
  }
  if (kind === "foreignKey") {
    const found = pending.foreignKeys.filter((one) => one.name === name);
    return { ...stored, foreignKeys: [...stored.foreignKeys, ...found] };
  }
  const column = stored.columns.find(({ id }) => id === added.column);
  if (column === undefined || !column.isNullable) return stored;
  // Keys of indexes go on telling whether it is null: they are not written again.
  const indexes = stored.indexes.map((index) =>
    index.columns.includes(column.id)
      ? { ...index, marked: [...(index.marked ?? []), column.id] }
      : index,
  );
  return withColumnAs({ ...stored, indexes }, column, { ...column, isNullable: false });
}
