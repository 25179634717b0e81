/** Changes of a table that has rows: its columns, in one commit that does not touch the rows. */
import type { WriteOptions } from "../kv/index.ts";
import { checkOptions } from "../kv/index.ts";
import type { TableCore, Tables } from "./catalogue.ts";
import type { Columns } from "./column.ts";
import { checkColumnName, Draft, layoutColumn, schemaInvalid } from "./define.ts";
import { columnsOf, renameColumn } from "./expression.ts";
import {
  restoreExpression,
  type StoredColumn,
  type StoredTable,
  type StoredValue,
  storeValue,
} from "./record.ts";

/** What becomes of a table's columns: first renamed, then dropped, then added. */
export interface TableAlteration {
  /** New names by old ones. */
  readonly rename?: Readonly<Record<string, string>>;
  /** Columns that no key, index, check or foreign key uses. */
  readonly drop?: readonly string[];
  /** Rows that are there read their default, or null. */
  readonly add?: Columns;
}

const alterations: ReadonlySet<string> = new Set(["rename", "drop", "add"]);
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
    for (const name of alteration.drop ?? []) stored = without(tables, stored, name);
    const isEmpty = tables.context.engine.records(stored.tree, "newest") === 0;
    for (const name of Object.keys(alteration.add ?? {})) {
      stored = withColumn(stored, name, alteration.add as Columns, isEmpty);
    }
    change.putTable(withLayout(stored, state.stored));
  }, options);
}

function renamed(stored: StoredTable, from: string, to: string): StoredTable {
  checkColumnName(to);
  if (stored.columns.some((column) => column.name === to)) throw taken(to);
  const again = (expression: StoredValue): StoredValue =>
    storeValue(renameColumn(restoreExpression(expression), from, to));
  return {
    ...stored,
    columns: stored.columns.map((one) => (one.name === from ? { ...one, name: to } : one)),
    checks: stored.checks.map((one) => ({ ...one, expression: again(one.expression) })),
    indexes: stored.indexes.map((one) =>
      one.where === undefined ? one : { ...one, where: again(one.where) },
    ),
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
  const index = stored.indexes.find(
    (one) => one.columns.includes(id) || (one.where !== undefined && reads(one.where)),
  );
  if (index !== undefined) return `the index "${index.name}"`;
  const check = stored.checks.find((one) => reads(one.expression));
  if (check !== undefined) return `the check "${check.name}"`;
  const foreignKey = stored.foreignKeys.find((one) => one.columns.includes(id));
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
function withLayout(stored: StoredTable, before: StoredTable): StoredTable {
  const version = before.version + 1;
  const ids = ({ columns }: StoredTable): string => columns.map(({ id }) => id).join();
  if (ids(stored) === ids(before)) return { ...stored, version };
  const layout = before.layouts[before.layouts.length - 1].version + 1;
  if (layout > layoutsMax) throw schemaInvalid(`the table has had ${layoutsMax} layouts already`);
  const columns = stored.columns.map(layoutColumn);
  return { ...stored, version, layouts: [...before.layouts, { version: layout, columns }] };
}

function taken(name: string): Error {
  return schemaInvalid(`there is a column "${name}" already`);
}
