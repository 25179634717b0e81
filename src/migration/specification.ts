/** What tables are made of, in one form, whether it was declared or is there. */
import {
  Column,
  type ColumnShape,
  type Columns,
  type Expression,
  type ForeignKeyDefinition,
  type IndexDefinition,
  type TableDefinition,
  type TableDescription,
} from "../tables/index.ts";
import { indexName, predicateOf, renameColumn } from "../tables/inside.ts";

/** Tables by name. */
export type TableDefinitions = Readonly<Record<string, TableDefinition>>;

/** One table, with everything by its name. */
export interface TableSpecification {
  readonly columns: ReadonlyMap<string, ColumnShape>;
  readonly primaryKey: readonly string[];
  readonly indexes: ReadonlyMap<string, IndexDefinition>;
  readonly checks: ReadonlyMap<string, Expression>;
  readonly foreignKeys: ReadonlyMap<string, ForeignKeyDefinition>;
  /** As one declares it. */
  readonly definition: TableDefinition;
}

export function specificationOf(definition: TableDefinition): TableSpecification {
  const columns = Object.entries(definition.columns).map(
    ([name, { shape }]) => [name, shape] as const,
  );
  const marked = columns.filter(([, shape]) => shape.isPrimaryKey).map(([name]) => name);
  const primaryKey = definition.primaryKey ?? marked;
  const indexes = [...(definition.indexes ?? [])];
  const foreignKeys = [...(definition.foreignKeys ?? [])];
  for (const [name, { isUnique, references }] of columns) {
    if (isUnique) indexes.push({ columns: [name], unique: true });
    if (references === undefined) continue;
    const { table, column, ...rest } = references;
    const target = column === undefined ? { table } : { table, columns: [column] };
    foreignKeys.push({ columns: [name], references: target, ...rest });
  }
  const shapes = columns.map(([name, shape]): readonly [string, ColumnShape] => [
    name,
    primaryKey.includes(name) ? { ...shape, isNullable: false } : shape,
  ]);
  const checks = Object.entries(definition.checks ?? {});
  return {
    columns: new Map(shapes),
    primaryKey,
    ...linksOf(indexes, foreignKeys),
    checks: new Map(checks.map(([name, where]) => [name, predicateOf(where)])),
    definition,
  };
}

/** The name of a foreign key: given, or made of its columns. */
export function foreignKeyName({ name, columns }: ForeignKeyDefinition): string {
  return name ?? `${columns.join("_")}_reference`;
}

function linksOf(
  indexes: readonly IndexDefinition[],
  foreignKeys: readonly ForeignKeyDefinition[],
): Pick<TableSpecification, "indexes" | "foreignKeys"> {
  // A foreign key brings the index that it needs, and nobody declares it.
  const brought = new Set(foreignKeys.map((one) => `${foreignKeyName(one)}_index`));
  const named = indexes
    .map((one) => [indexName(one), one] as const)
    .filter(([name]) => !brought.has(name));
  return {
    indexes: new Map(named),
    foreignKeys: new Map(foreignKeys.map((one) => [foreignKeyName(one), one])),
  };
}

/** The declaration of a table that is there. */
export function definitionOf(description: TableDescription): TableDefinition {
  const columns: Record<string, Column> = {};
  for (const { name, type, dimensions, isNullable, ...rest } of description.columns) {
    columns[name] = new Column({
      type,
      ...(dimensions === undefined ? {} : { dimensions }),
      isNullable,
      hasDefault: "default" in rest,
      defaultValue: rest.default,
      isPrimaryKey: false,
      isUnique: false,
      references: undefined,
    });
  }
  return {
    columns,
    primaryKey: description.primaryKey,
    indexes: description.indexes
      .filter(({ isReady }) => isReady)
      .map(({ name, columns: of, kind, isUnique, where, metric }) => ({
        name,
        columns: of,
        ...(kind === "ordered" ? {} : { kind }),
        ...(isUnique ? { unique: true } : {}),
        ...(where === undefined ? {} : { where }),
        ...(metric === undefined ? {} : { metric }),
      })),
    checks: Object.fromEntries(
      description.checks.map(({ name, expression }) => [name, expression]),
    ),
    foreignKeys: description.foreignKeys.map(
      ({ name, columns: of, table, references, ...rest }) => ({
        name,
        columns: of,
        references: { table, columns: references },
        ...rest,
      }),
    ),
  };
}

/** The table with new names of columns, by old ones. */
export function renamed(
  before: TableSpecification,
  names: Readonly<Record<string, string>>,
): TableSpecification {
  const to = (name: string): string => names[name] ?? name;
  const again = (expression: Expression): Expression =>
    Object.entries(names).reduce((one, [from, next]) => renameColumn(one, from, next), expression);
  const map = <V>(values: ReadonlyMap<string, V>, change: (value: V) => V): Map<string, V> =>
    new Map([...values].map(([name, value]) => [name, change(value)]));
  return {
    ...before,
    columns: new Map([...before.columns].map(([name, shape]) => [to(name), shape])),
    primaryKey: before.primaryKey.map(to),
    indexes: map(before.indexes, (one) => ({
      ...one,
      columns: one.columns.map(to),
      ...(one.where === undefined ? {} : { where: again(predicateOf(one.where)) }),
    })),
    checks: map(before.checks, again),
    foreignKeys: map(before.foreignKeys, (one) => ({ ...one, columns: one.columns.map(to) })),
  };
}

/** Columns of a table, to be declared again. */
export function columnsOf(table: TableSpecification, names: readonly string[]): Columns {
  return Object.fromEntries(
    names.map((name) => {
      const shape = table.columns.get(name) as ColumnShape;
      const plain = { isPrimaryKey: false, isUnique: false, references: undefined };
      return [name, new Column({ ...shape, ...plain })];
    }),
  );
}
