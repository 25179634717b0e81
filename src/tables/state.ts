/**
 * A table as it is at a moment: what reads, writes and queries work with. It never changes; a
 * change of the table makes a new one.
 */
import { CairnError } from "../errors.ts";
import type { Tree } from "../transaction/index.ts";
import {
  type ColumnSource,
  compileExpression,
  type Evaluator,
  type ValueKind,
} from "./evaluate.ts";
import { KeyCodec } from "./key.ts";
import {
  foreignKeysOf,
  restoreExpression,
  restoreValue,
  type StoredForeignKey,
  type StoredTable,
  type StoredValue,
  type TablePath,
} from "./record.ts";
import { RowCodec } from "./row.ts";
import { TableIndex } from "./table-index.ts";
import {
  type CheckValue,
  type ColumnType,
  checkerOf,
  familyOf,
  isBigint,
  JsonText,
  type TypeSpec,
} from "./types.ts";
import { TableVectorIndex, type TableVectors } from "./vectors.ts";

/** A column of a table. */
export interface TableColumn extends TypeSpec {
  readonly id: number;
  readonly name: string;
  readonly type: ColumnType;
  readonly isNullable: boolean;
  /** In rows as arrays of values. */
  readonly position: number;
  readonly hasDefault: boolean;
  /** Checked already; null where there is none. */
  readonly defaultValue: unknown;
  readonly check: CheckValue;
  readonly kind: ValueKind;
}

/** A condition that every row must not break. */
export interface TableCheck {
  readonly name: string;
  /** The condition is that this column is not null. */
  readonly notNull: TableColumn | undefined;
  readonly evaluate: (values: readonly unknown[]) => unknown;
}

/** A reference from some columns to those of another table. */
export interface TableForeignKey extends Omit<StoredForeignKey, "columns"> {
  /** Positions. */
  readonly columns: readonly number[];
}

/** The tree of an id: one object for everybody. */
export type TreeOf = (id: number, kind: "ordered" | "hashed") => Tree;

export class TableState {
  readonly stored: StoredTable;
  readonly path: TablePath;
  readonly columns: readonly TableColumn[];
  /** Positions of the primary key's columns. */
  readonly primaryKey: readonly number[];
  readonly rows: Tree;
  readonly key: KeyCodec;
  readonly codec: RowCodec;
  readonly indexes: readonly TableIndex[];
  /** Those of the indexes that are unique. */
  readonly uniques: readonly TableIndex[];
  readonly vectorIndexes: readonly TableVectorIndex[];
  readonly checks: readonly TableCheck[];
  readonly foreignKeys: readonly TableForeignKey[];
  readonly #byName: ReadonlyMap<string, TableColumn>;
  readonly #byId: ReadonlyMap<number, TableColumn>;

  constructor(stored: StoredTable, treeOf: TreeOf, vectors: TableVectors) {
    this.stored = stored;
    this.path = { project: stored.project, scope: stored.scope, name: stored.name };
    this.columns = stored.columns.map(columnOf);
    this.#byName = new Map(this.columns.map((column) => [column.name, column]));
    this.#byId = new Map(this.columns.map((column) => [column.id, column]));
    this.primaryKey = stored.primaryKey.map((id) => this.columnById(id).position);
    this.rows = treeOf(stored.tree, "ordered");
    this.key = new KeyCodec(
      this.primaryKey.map((position, index) => {
        const { type } = this.columns[position];
        const isVariable = type === "text" || type === "blob";
        const isLast = index === this.primaryKey.length - 1;
        return { type, hasMark: false, isRaw: isVariable && isLast };
      }),
    );
    this.codec = new RowCodec(
      this.columns.map((column, index) => {
        const { missing } = stored.columns[index];
        return { ...column, missing: missing === undefined ? null : plainValue(missing) };
      }),
      stored.layouts,
    );
    this.checks = this.#checksOf(stored);
    this.foreignKeys = foreignKeysOf(stored).map((foreignKey) => ({
      ...foreignKey,
      columns: foreignKey.columns.map((id) => this.columnById(id).position),
    }));
    this.indexes = stored.indexes.map((index) => new TableIndex(this, index, treeOf));
    this.vectorIndexes = (stored.vectorIndexes ?? []).map(
      (index) => new TableVectorIndex(this, index, vectors),
    );
    this.uniques = this.indexes.filter((index) => index.isUnique);
  }

  #checksOf({ checks, pending }: StoredTable): TableCheck[] {
    const stored = [...checks, ...(pending?.checks ?? [])].map(({ name, expression }) => {
      const { evaluate } = compileExpression(restoreExpression(expression), this.valuesSource);
      return { name, notNull: undefined, evaluate };
    });
    const notNull = (pending?.notNull ?? []).map((id): TableCheck => {
      const column = this.columnById(id);
      const { name, position } = column;
      return { name, notNull: column, evaluate: (values) => values[position] !== null };
    });
    return [...stored, ...notNull];
  }

  /** The column `name`. @throws CairnError `unknown_column`. */
  column(name: string): TableColumn {
    const found = this.#byName.get(name);
    if (found === undefined) throw this.unknownColumn(name);
    return found;
  }

  hasColumn(name: string): boolean {
    return this.#byName.has(name);
  }

  columnById(id: number): TableColumn {
    const found = this.#byId.get(id);
    if (found === undefined) {
      throw new CairnError(
        "corruption",
        `Reading the schema of a table: it names the column ${id}, which it does not have.`,
      );
    }
    return found;
  }

  /** The index `name`. @throws CairnError `index_not_found`. */
  index(name: string): TableIndex {
    const found = this.indexes.find((index) => index.name === name);
    if (found === undefined) throw this.#indexNotFound(name);
    return found;
  }

  /** The vector index `name`. @throws CairnError `index_not_found`. */
  vectorIndex(name: string): TableVectorIndex {
    const found = this.vectorIndexes.find((index) => index.name === name);
    if (found === undefined) throw this.#indexNotFound(name);
    return found;
  }

  #indexNotFound(name: string): CairnError {
    const names = [...this.indexes, ...this.vectorIndexes].map((index) => `"${index.name}"`);
    return new CairnError(
      "index_not_found",
      `Cannot find the index "${name}" of the table "${this.path.name}". It has ` +
        `${names.join(", ") || "none"}.`,
    );
  }

  /** Expressions over rows as arrays of values. */
  readonly valuesSource: ColumnSource<readonly unknown[]> = {
    column: (name) => {
      const { position, kind, type } = this.column(name);
      return valueAt(position, kind, type, (values: readonly unknown[]) => values);
    },
  };

  /** The same, with the row that was to be inserted at hand. */
  readonly conflictSource: ColumnSource<ConflictRow> = {
    column: (name) => {
      const { position, kind, type } = this.column(name);
      return valueAt(position, kind, type, (row: ConflictRow) => row.existing);
    },
    excluded: (name) => {
      const { position, kind, type } = this.column(name);
      return valueAt(position, kind, type, (row: ConflictRow) => row.proposed);
    },
  };

  unknownColumn(name: string): CairnError {
    return new CairnError(
      "unknown_column",
      `The table "${this.path.name}" has no column "${name}". It has ` +
        `${this.columns.map((column) => `"${column.name}"`).join(", ")}.`,
      { details: { table: this.path.name } },
    );
  }
}

/** Both rows of a conflict. */
export interface ConflictRow {
  readonly existing: readonly unknown[];
  readonly proposed: readonly unknown[];
}

function valueAt<R>(
  position: number,
  kind: ValueKind,
  type: ColumnType,
  valuesOf: (row: R) => readonly unknown[],
): Evaluator<R> {
  if (type !== "json") return { kind, evaluate: (row) => valuesOf(row)[position] };
  return {
    kind,
    evaluate: (row) => {
      const value = valuesOf(row)[position];
      return value instanceof JsonText ? JSON.parse(value.text) : value;
    },
  };
}

/** A stored value as rows hand it out. */
function plainValue(stored: StoredValue): unknown {
  const value = restoreValue(stored);
  return value instanceof JsonText ? JSON.parse(value.text) : value;
}

function columnOf(stored: StoredTable["columns"][number], position: number): TableColumn {
  const { id, name, type, dimensions, isNullable } = stored;
  const spec = { type, ...(dimensions === undefined ? {} : { dimensions }) };
  return {
    ...spec,
    id,
    name,
    isNullable,
    position,
    hasDefault: stored.default !== undefined,
    defaultValue: stored.default === undefined ? null : restoreValue(stored.default),
    check: checkerOf(spec, name),
    kind: kindOfColumn(type),
  };
}

/** What a column is in expressions. */
export function kindOfColumn(type: ColumnType): ValueKind {
  const family = familyOf(type);
  if (family !== "number") return { family };
  if (isBigint(type)) return { family, number: "bigint" };
  return { family, number: type === "float" ? "float" : "whole" };
}
