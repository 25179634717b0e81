/** A table's schema as plain data, with names instead of ids. */

import type { VectorMetric } from "../../bindings/vector.ts";
import type { Tables } from "./catalogue.ts";
import type { ReferenceAction } from "./column.ts";
import type { Expression } from "./expression.ts";
import { type IndexKind, restoreExpression as restored } from "./record.ts";
import type { TableState } from "./state.ts";
import { type ColumnType, JsonText } from "./types.ts";

/** What a table is made of. */
export interface TableDescription {
  readonly name: string;
  readonly columns: readonly {
    readonly name: string;
    readonly type: ColumnType;
    readonly dimensions?: number;
    readonly isNullable: boolean;
    /** Absent for none. */
    readonly default?: unknown;
  }[];
  readonly primaryKey: readonly string[];
  readonly indexes: readonly {
    readonly name: string;
    readonly columns: readonly string[];
    readonly kind: IndexKind | "vector";
    readonly isUnique: boolean;
    readonly where?: Expression;
    /** False while it is built. */
    readonly isReady: boolean;
    /** Of a vector index. */
    readonly metric?: VectorMetric;
  }[];
  readonly checks: readonly { readonly name: string; readonly expression: Expression }[];
  readonly foreignKeys: readonly {
    readonly name: string;
    readonly columns: readonly string[];
    readonly table: string;
    readonly references: readonly string[];
    readonly onDelete: ReferenceAction;
    readonly onUpdate: ReferenceAction;
  }[];
}

export function describeState(tables: Tables, state: TableState): TableDescription {
  const { stored } = state;
  const nameOf = (id: number): string => state.columnById(id).name;
  return {
    name: state.path.name,
    columns: state.columns.map(
      ({ name, type, dimensions, isNullable, hasDefault, defaultValue }) => ({
        name,
        type,
        ...(dimensions === undefined ? {} : { dimensions }),
        isNullable,
        ...(hasDefault ? { default: plain(defaultValue) } : {}),
      }),
    ),
    primaryKey: stored.primaryKey.map(nameOf),
    indexes: [
      ...stored.indexes.map(({ name, columns, kind, isUnique, where, isReady }) => ({
        name,
        columns: columns.map(nameOf),
        kind,
        isUnique,
        ...(where === undefined ? {} : { where: restored(where) }),
        isReady,
      })),
      ...(stored.vectorIndexes ?? []).map(({ name, column, where, isReady, metric }) => ({
        name,
        columns: [nameOf(column)],
        kind: "vector" as const,
        isUnique: false,
        ...(where === undefined ? {} : { where: restored(where) }),
        isReady,
        metric,
      })),
    ],
    checks: stored.checks.map(({ name, expression }) => ({
      name,
      expression: restored(expression),
    })),
    foreignKeys: stored.foreignKeys.map((foreignKey) => {
      const target = tables.byTree(foreignKey.table)?.state;
      const { name, columns, references, onDelete, onUpdate } = foreignKey;
      return {
        name,
        columns: columns.map(nameOf),
        table: target?.path.name ?? "",
        references: references.map((id) => target?.columnById(id).name ?? ""),
        onDelete,
        onUpdate,
      };
    }),
  };
}

function plain(value: unknown): unknown {
  return value instanceof JsonText ? JSON.parse(value.text) : value;
}
