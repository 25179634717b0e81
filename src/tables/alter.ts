/** Changes of a table that has rows: its columns, in one commit that does not touch the rows. */

import { CairnError } from "../errors.ts";
import type { WriteOptions } from "../kv/index.ts";
import { checkOptions } from "../kv/index.ts";
import { refuseNeeded } from "./build-index.ts";
import type { CatalogueChange, TableCore, Tables } from "./catalogue.ts";
import type { Columns } from "./column.ts";
import { checkColumnName, Draft, layoutColumn, schemaInvalid } from "./define.ts";
import { columnsOf, renameColumn } from "./expression.ts";
import {
  foreignKeysOf,
  restoreExpression,
  type StoredColumn,
  type StoredTable,
  type StoredValue,
  storeValue,
} from "./record.ts";
import { checkerOf } from "./types.ts";

/**
 * What becomes of a table: columns are renamed, constraints are dropped, then columns, and others
 * are added; at last come rules of columns. What rows have to be asked for is `addConstraint`.
 */
export interface TableAlteration {
  /** New names by old ones. */
  readonly rename?: Readonly<Record<string, string>>;
  /** Columns that no key, index, check or foreign key uses. */
  readonly drop?: readonly string[];
  /** Rows that are there read their default, or null. */
  readonly add?: Columns;
  /** Checks, foreign keys and unique indexes, by name. */
  readonly dropConstraints?: readonly string[];
  /** Columns that may be null from now on, and in no index that has no room for null. */
  readonly nullable?: readonly string[];
  /** What rows get from now on that leave a column out; null for none. */
  readonly defaults?: Readonly<Record<string, unknown>>;
}

const alterations: ReadonlySet<string> = new Set([
  "rename",
  "drop",
  "add",
  "dropConstraints",
  "nullable",
  "defaults",
]);
/** The version of a layout is a u16. */
const layoutsMax = 65_535;

/** @throws CairnError `schema_invalid`, `unknown_column`. */
export async function alterTable(
  tables: Tables,
  core: TableCore,
  alteration: TableAlteration,
  options: WriteOptions | undefined,
): Promise<void> {
  checkOptions("alter a table", alteration, alterations);
  await tables.change((change) => {
    const state = core.require();
    let stored = state.stored;
    for (const [from, to] of Object.entries(alteration.rename ?? {})) {
      state.column(from);
      stored = renamed(stored, from, to);
    }
    for (const name of alteration.dropConstraints ?? []) {
      stored = withoutConstraint(tables, core, stored, name, change);
    }
    for (const name of alteration.drop ?? []) stored = without(tables, stored, name);
    const isEmpty = tables.context.engine.records(stored.tree, "newest") === 0;
    for (const name of Object.keys(alteration.add ?? {})) {
      stored = withColumn(stored, name, alteration.add as Columns, isEmpty);
    }
    for (const name of alteration.nullable ?? []) stored = nullable(stored, name);
    for (const [name, value] of Object.entries(alteration.defaults ?? {})) {
      stored = withDefault(stored, name, value);
    }
    change.putTable(withLayout(stored, state.stored));
  }, options);
}

function columnOf(stored: StoredTable, name: string): StoredColumn {
  const column = stored.columns.find((one) => one.name === name);
  if (column === undefined) throw schemaInvalid(`there is no column "${name}"`);
  return column;
}

/** The table with one column as it says. */
export function withColumnAs(
  stored: StoredTable,
  column: StoredColumn,
  changed: StoredColumn,
): StoredTable {
  const columns = stored.columns.map((one) => (one === column ? changed : one));
  return { ...stored, columns };
}

function nullable(stored: StoredTable, name: string): StoredTable {
  const column = columnOf(stored, name);
  const { id, isNullable } = column;
  if (isNullable) return stored;
  if (stored.primaryKey.includes(id)) {
    throw schemaInvalid(`the column "${name}" belongs to the primary key, and cannot be null`);
  }
  const index = stored.indexes.find(
    (one) => one.columns.includes(id) && one.marked?.includes(id) !== true,
  );
  if (index !== undefined) {
    throw schemaInvalid(
      `the column "${name}" cannot become nullable: the index "${index.name}" has no room for ` +
        "null. Drop it, and create it again afterwards",
    );
  }
  return withColumnAs(stored, column, { ...column, isNullable: true });
}

function withDefault(stored: StoredTable, name: string, value: unknown): StoredTable {
  const column = columnOf(stored, name);
  const { default: _default, ...rest } = column;
  if (value === null || value === undefined) return withColumnAs(stored, column, rest);
  const checked = storeValue(checkerOf(column, name)(value));
  return withColumnAs(stored, column, { ...rest, default: checked });
}

/** The table without a check, a foreign key or a unique index. */
function withoutConstraint(
  tables: Tables,
  core: TableCore,
  stored: StoredTable,
  name: string,
  change: CatalogueChange,
): StoredTable {
  const isOther = (one: { readonly name: string }): boolean => one.name !== name;
  const checks = stored.checks.filter(isOther);
  const foreignKeys = stored.foreignKeys.filter(isOther);
  if (checks.length < stored.checks.length || foreignKeys.length < stored.foreignKeys.length) {
    return { ...stored, checks, foreignKeys };
  }
  const index = stored.indexes.find((one) => one.name === name && one.isUnique);
  if (index === undefined) throw constraintNotFound(stored, name);
  refuseNeeded(tables, core.require(), name);
  change.dropTree(index.tree);
  return { ...stored, indexes: stored.indexes.filter(isOther) };
}

function constraintNotFound({ name: table, checks, foreignKeys }: StoredTable, name: string) {
  const names = [...checks, ...foreignKeys].map((one) => `"${one.name}"`).join(", ") || "none";
  return new CairnError(
    "constraint_not_found",
    `Cannot find the constraint "${name}" of the table "${table}": none of its checks, foreign ` +
      `keys and unique indexes has this name. Of the first two it has ${names}.`,
    { details: { table, constraint: name } },
  );
}

function renamed(stored: StoredTable, from: string, to: string): StoredTable {
  checkColumnName(to);
  if (stored.columns.some((column) => column.name === to)) throw taken(to);
  const again = (expression: StoredValue): StoredValue =>
    storeValue(renameColumn(restoreExpression(expression), from, to));
  const inWhere = <I extends { readonly where?: StoredValue }>(one: I): I =>
    one.where === undefined ? one : { ...one, where: again(one.where) };
  return {
    ...stored,
    columns: stored.columns.map((one) => (one.name === from ? { ...one, name: to } : one)),
    checks: stored.checks.map((one) => ({ ...one, expression: again(one.expression) })),
    ...(stored.pending === undefined
      ? {}
      : {
          pending: {
            ...stored.pending,
            checks: stored.pending.checks.map((one) => ({
              ...one,
              expression: again(one.expression),
            })),
          },
        }),
    indexes: stored.indexes.map(inWhere),
    ...(stored.vectorIndexes === undefined
      ? {}
      : { vectorIndexes: stored.vectorIndexes.map(inWhere) }),
  };
}

function without(tables: Tables, stored: StoredTable, name: string): StoredTable {
  const column = stored.columns.find((one) => one.name === name);
  if (column === undefined) throw schemaInvalid(`there is no column "${name}" to drop`);
  const user = userOf(tables, stored, column);
  if (user !== undefined) {
    throw schemaInvalid(`the column "${name}" cannot be dropped: ${user} uses it`);
  }
  return { ...stored, columns: stored.columns.filter((one) => one !== column) };
}

/** What needs a column. */
function userOf(tables: Tables, stored: StoredTable, column: StoredColumn): string | undefined {
  const { id, name } = column;
  if (stored.primaryKey.includes(id)) return "the primary key";
  const reads = (expression: StoredValue): boolean =>
    columnsOf(restoreExpression(expression)).has(name);
  const indexes = [
    ...stored.indexes,
    ...(stored.vectorIndexes ?? []).map((one) => ({ ...one, columns: [one.column] })),
  ];
  const index = indexes.find(
    (one) => one.columns.includes(id) || (one.where !== undefined && reads(one.where)),
  );
  if (index !== undefined) return `the index "${index.name}"`;
  const { pending } = stored;
  const checks = [...stored.checks, ...(pending?.checks ?? [])];
  const check = checks.find((one) => reads(one.expression));
  if (check !== undefined) return `the check "${check.name}"`;
  if (pending?.notNull.includes(id) === true) return "a constraint that is being added";
  const foreignKey = foreignKeysOf(stored).find((one) => one.columns.includes(id));
  if (foreignKey !== undefined) return `the foreign key "${foreignKey.name}"`;
  const referrer = tables
    .referrers(stored.tree)
    .find((one) => one.foreignKey.references.includes(id));
  return referrer === undefined ? undefined : `the table "${referrer.core.state.path.name}"`;
}

function withColumn(
  stored: StoredTable,
  name: string,
  columns: Columns,
  isEmpty: boolean,
): StoredTable {
  if (stored.columns.some((column) => column.name === name)) throw taken(name);
  const { shape } = columns[name];
  if (shape.isPrimaryKey || shape.isUnique || shape.references !== undefined) {
    throw schemaInvalid(
      `the column "${name}" is added with a key, which needs an index. Add it without, then ` +
        "create the index",
    );
  }
  if (!shape.isNullable && !shape.hasDefault && !isEmpty) {
    throw schemaInvalid(
      `the column "${name}" is not nullable and has no default, and there are rows without it`,
    );
  }
  const column = new Draft([name], [shape]).stored(name, stored.nextColumn);
  const missing = column.default === undefined ? {} : { missing: column.default };
  return {
    ...stored,
    nextColumn: stored.nextColumn + 1,
    columns: [...stored.columns, { ...column, ...missing }],
  };
}

/** The next version, with a layout of its own where the columns are others. */
export function withLayout(stored: StoredTable, before: StoredTable): StoredTable {
  const version = before.version + 1;
  const shape = ({ columns }: StoredTable): string =>
    columns.map(({ id, isNullable }) => `${id} ${isNullable}`).join();
  if (shape(stored) === shape(before)) return { ...stored, version };
  const layout = before.layouts[before.layouts.length - 1].version + 1;
  if (layout > layoutsMax) throw schemaInvalid(`the table has had ${layoutsMax} layouts already`);
  const columns = stored.columns.map(layoutColumn);
  return { ...stored, version, layouts: [...before.layouts, { version: layout, columns }] };
}

function taken(name: string): Error {
  return schemaInvalid(`there is a column "${name}" already`);
}
