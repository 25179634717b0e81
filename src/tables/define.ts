/** From a declaration to the record of a table, with everything checked. */
import type { VectorMetric, VectorPrecision } from "../../bindings/vector.ts";
import { CairnError } from "../errors.ts";
import { checkOneOf, checkOptions } from "../kv/index.ts";
import { checkVectorsOptions, describeVectors } from "../vector/inside.ts";
import type { Column, ColumnShape, Columns, ReferenceAction } from "./column.ts";
import { type ColumnSource, compileExpression } from "./evaluate.ts";
import { type Expression, predicateOf, type Where } from "./expression.ts";
import {
  type IndexKind,
  type StoredCheck,
  type StoredColumn,
  type StoredForeignKey,
  type StoredIndex,
  type StoredTable,
  type StoredVectorIndex,
  storeValue,
  type TablePath,
} from "./record.ts";
import { columnsOfSchema } from "./schema-columns.ts";
import type { OutputOf, StandardSchema } from "./standard-schema.ts";
import { kindOfColumn, type TableState } from "./state.ts";
import { checkerOf, isOrdered } from "./types.ts";

/** An index of a table. */
export interface IndexDefinition<Name extends string = string> {
  /** Made of the columns' names by default. */
  readonly name?: string;
  readonly columns: readonly Name[];
  /** Refuses rows with the same values in these columns; nulls are exempt. */
  readonly unique?: boolean;
  /**
   * `ordered` (default) has ranges; `hashed` finds equal values only, with short keys; `vector`, of
   * one column of vectors, finds the nearest.
   */
  readonly kind?: IndexKind | "vector";
  /** Only rows for which it is true are in the index. */
  readonly where?: Where;
  /** Of a vector index; as those of {@link VectorsOptions}. */
  readonly metric?: VectorMetric;
  readonly precision?: VectorPrecision;
  readonly connections?: number;
  readonly efConstruction?: number;
  readonly keepVectors?: boolean;
}

/** A reference to another table of the same scope. */
export interface ForeignKeyDefinition<Name extends string = string> {
  readonly name?: string;
  readonly columns: readonly Name[];
  readonly references: {
    readonly table: string;
    /** The primary key by default; otherwise the columns of a unique index. */
    readonly columns?: readonly string[];
  };
  /** `no action` by default: refused if the reference leads nowhere at the end of the call. */
  readonly onDelete?: ReferenceAction;
  readonly onUpdate?: ReferenceAction;
}

/** What a table is made of. */
export interface TableDefinition<C extends Columns = Columns> {
  readonly columns: C;
  /** Unless columns are declared with `primaryKey()`. */
  readonly primaryKey?: readonly (keyof C & string)[];
  readonly indexes?: readonly IndexDefinition<keyof C & string>[];
  /** Conditions that every row must meet, by name; unknown passes. */
  readonly checks?: Readonly<Record<string, Where>>;
  readonly foreignKeys?: readonly ForeignKeyDefinition<keyof C & string>[];
}

type NameOf<S> = keyof OutputOf<S> & string;

/** What a table is made of whose columns are those of what a validator makes. */
export interface SchemaDefinition<S extends StandardSchema> {
  /** Describes itself: zod from 4.2, arktype, valibot with `toStandardJsonSchema`. */
  readonly schema: S;
  readonly columns?: undefined;
  readonly primaryKey: readonly NameOf<S>[];
  readonly indexes?: readonly IndexDefinition<NameOf<S>>[];
  readonly checks?: TableDefinition["checks"];
  readonly foreignKeys?: readonly ForeignKeyDefinition<NameOf<S>>[];
}

/** What a declaration needs to know of the database. */
export interface Surroundings {
  /** An id for a new tree. */
  takeTree(): number;
  /** A table of the same scope. */
  table(name: string): TableState | undefined;
  /** The table of a rows tree. */
  tableOf(tree: number): TableState | undefined;
}

/** Longest chain of foreign keys, so that a cascade ends. */
export const referenceDepthMax = 8;

const actions: readonly ReferenceAction[] = [
  "restrict",
  "cascade",
  "set null",
  "set default",
  "no action",
];
const identifierPattern = /^[A-Za-z0-9_-]{1,128}$/;
const columnPattern = /^[A-Za-z_][A-Za-z0-9_]{0,127}$/;
const definitionOptions: ReadonlySet<string> = new Set([
  "columns",
  "primaryKey",
  "indexes",
  "checks",
  "foreignKeys",
  "schema",
]);
const indexOptions: ReadonlySet<string> = new Set(["name", "columns", "unique", "kind", "where"]);
const vectorOptions = [
  "metric",
  "precision",
  "connections",
  "efConstruction",
  "keepVectors",
] as const;
const vectorIndexOptions: ReadonlySet<string> = new Set([
  "name",
  "columns",
  "kind",
  "where",
  ...vectorOptions,
]);

/** Refuses what is no name of a project, scope, table, index or constraint: `schema_invalid`. */
export function checkIdentifier(what: string, name: unknown): asserts name is string {
  if (typeof name === "string" && identifierPattern.test(name)) return;
  throw schemaInvalid(
    `the name of a ${what} is not 1 to 128 of the characters A-Z, a-z, 0-9, "_" and "-"`,
  );
}

/** Refuses what is no name of a column: `schema_invalid`. */
export function checkColumnName(name: string): void {
  if (columnPattern.test(name) && name !== "__proto__") return;
  throw schemaInvalid(
    "a column's name is not 1 to 128 letters, digits and underscores, beginning with no digit",
  );
}

/** The declaration with the columns that its schema says. @throws CairnError `schema_invalid`. */
export function withColumns(
  definition: TableDefinition | SchemaDefinition<StandardSchema>,
): TableDefinition {
  if (definition.columns !== undefined) return definition;
  const { schema } = definition;
  if (schema === undefined) throw schemaInvalid("it has neither columns nor a schema");
  return { ...definition, columns: columnsOfSchema(schema) } as TableDefinition;
}

/** The record of a new table. @throws CairnError `schema_invalid`, `table_not_found`, … */
export function describeTable(
  path: TablePath,
  definition: TableDefinition,
  surroundings: Surroundings,
): StoredTable {
  checkOptions("declare a table", definition, definitionOptions);
  checkIdentifier("table", path.name);
  const names = Object.keys(definition.columns);
  if (names.length === 0) throw schemaInvalid("the table has no columns");
  const shapes = names.map((name) => shapeOf(name, definition.columns[name]));
  const draft = new Draft(names, shapes);
  const primaryKey = primaryKeyOf(definition, names, shapes);
  for (const name of primaryKey) draft.makeRequired(name);
  const columns = names.map((name, index) => draft.stored(name, index + 1));
  const tree = surroundings.takeTree();
  const { indexes, vectorIndexes, foreignKeys } = linksOf(definition, draft, surroundings);
  return {
    format: 1,
    version: 1,
    ...path,
    tree,
    nextColumn: names.length + 1,
    columns,
    layouts: [{ version: 1, columns: columns.map(layoutColumn) }],
    primaryKey: primaryKey.map((name) => draft.idOf(name)),
    indexes,
    ...(vectorIndexes.length === 0 ? {} : { vectorIndexes }),
    checks: checksOf(definition, draft),
    foreignKeys,
  };
}

/** The part of a column that decides where it lies in a row. */
export function layoutColumn(
  column: StoredColumn,
): StoredTable["layouts"][number]["columns"][number] {
  const { id, type, dimensions, isNullable } = column;
  return { id, type, isNullable, ...(dimensions === undefined ? {} : { dimensions }) };
}

/** The columns of a table that is being declared. */
export class Draft {
  readonly #ids: Map<string, number>;
  readonly #shapes: Map<string, ColumnShape>;

  constructor(names: readonly string[], shapes: readonly ColumnShape[], ids?: readonly number[]) {
    this.#ids = new Map(names.map((name, index) => [name, ids?.[index] ?? index + 1]));
    this.#shapes = new Map(names.map((name, index) => [name, shapes[index]]));
  }

  get entries(): IterableIterator<[string, ColumnShape]> {
    return this.#shapes.entries();
  }

  idOf(name: string): number {
    const id = this.#ids.get(name);
    if (id === undefined) throw schemaInvalid(`there is no column "${String(name)}"`);
    return id;
  }

  shape(name: string): ColumnShape {
    this.idOf(name);
    return this.#shapes.get(name) as ColumnShape;
  }

  makeRequired(name: string): void {
    this.#shapes.set(name, { ...this.shape(name), isNullable: false });
  }

  stored(name: string, id: number): StoredColumn {
    checkColumnName(name);
    const { type, dimensions, isNullable, hasDefault, defaultValue } = this.shape(name);
    const spec = { type, ...(dimensions === undefined ? {} : { dimensions }) };
    if (hasDefault && defaultValue === null && !isNullable) {
      throw schemaInvalid(`the column "${name}" is not nullable, and its default is null`);
    }
    const value = hasDefault && defaultValue !== null ? checkerOf(spec, name)(defaultValue) : null;
    return { id, name, ...spec, isNullable, ...(hasDefault ? { default: storeValue(value) } : {}) };
  }

  /** Checks an expression over the columns. */
  check(expression: Expression): void {
    const source: ColumnSource<undefined> = {
      column: (name) => ({ kind: kindOfColumn(this.shape(name).type), evaluate: () => null }),
    };
    const { kind } = compileExpression(expression, source);
    if (kind.family === "boolean") return;
    throw schemaInvalid("a check or the where of an index is neither true nor false");
  }
}

function shapeOf(name: string, column: Column | undefined): ColumnShape {
  const shape = column?.shape;
  if (shape !== undefined && typeof shape.type === "string") return shape;
  throw schemaInvalid(`the column "${name}" is not declared with t, as in t.text()`);
}

function primaryKeyOf(
  definition: TableDefinition,
  names: readonly string[],
  shapes: readonly ColumnShape[],
): readonly string[] {
  const marked = names.filter((_name, index) => shapes[index].isPrimaryKey);
  const primaryKey = definition.primaryKey ?? marked;
  if (primaryKey.length === 0) {
    throw schemaInvalid("there is no primary key; declare one with primaryKey()");
  }
  if (definition.primaryKey !== undefined && marked.length > 0) {
    throw schemaInvalid("the primary key is declared twice, at columns and at the table");
  }
  if (new Set(primaryKey).size !== primaryKey.length) {
    throw schemaInvalid("the primary key names a column twice");
  }
  for (const name of primaryKey) {
    const index = names.indexOf(name);
    if (index < 0) throw schemaInvalid(`the primary key names "${name}", which is no column`);
    if (!isOrdered(shapes[index].type)) {
      throw schemaInvalid(`the column "${name}" of type ${shapes[index].type} cannot be a key`);
    }
  }
  return primaryKey;
}

function checksOf(definition: TableDefinition, draft: Draft): StoredCheck[] {
  return Object.entries(definition.checks ?? {}).map(([name, where]) =>
    describeCheck(name, where, draft),
  );
}

/** The record of a check. */
export function describeCheck(name: string, where: Where, draft: Draft): StoredCheck {
  checkIdentifier("check", name);
  const expression = predicateOf(where);
  draft.check(expression);
  return { name, expression: storeValue(expression) };
}

/** Indexes and foreign keys, those that columns declare included. */
function linksOf(
  definition: TableDefinition,
  draft: Draft,
  surroundings: Surroundings,
): {
  indexes: StoredIndex[];
  vectorIndexes: StoredVectorIndex[];
  foreignKeys: StoredForeignKey[];
} {
  const wanted: IndexDefinition[] = [...(definition.indexes ?? [])];
  const references: ForeignKeyDefinition[] = [...(definition.foreignKeys ?? [])];
  for (const [name, shape] of draft.entries) {
    if (shape.isUnique) wanted.push({ columns: [name], unique: true });
    if (shape.references !== undefined) {
      const { table, column, ...rest } = shape.references;
      const target = column === undefined ? { table } : { table, columns: [column] };
      references.push({ columns: [name], references: target, ...rest });
    }
  }
  const foreignKeys = references.map((one) => describeForeignKey(one, draft, surroundings));
  const takeTree = (): number => surroundings.takeTree();
  const indexes = wanted
    .filter(({ kind }) => kind !== "vector")
    .map((one) => describeIndex(one, draft, takeTree(), true));
  const vectorIndexes = wanted
    .filter(({ kind }) => kind === "vector")
    .map((one) => describeVectorIndex(one, draft, takeTree, true));
  for (const { name, columns } of foreignKeys) {
    if (indexes.some((index) => servesPrefix(index, columns))) continue;
    const tree = surroundings.takeTree();
    const isUnique = false;
    indexes.push({
      name: `${name}_index`,
      tree,
      kind: "ordered",
      isUnique,
      columns,
      isReady: true,
    });
  }
  refuseTwins([...indexes, ...vectorIndexes, ...foreignKeys].map(({ name }) => name));
  return { indexes, vectorIndexes, foreignKeys };
}

/** True when the index finds all rows by these columns. */
export function servesPrefix(index: StoredIndex, columns: readonly number[]): boolean {
  if (index.where !== undefined || index.kind !== "ordered") return false;
  return columns.every((id, at) => index.columns[at] === id);
}

/** The record of an index. */
export function describeIndex(
  definition: IndexDefinition,
  draft: Draft,
  tree: number,
  isReady: boolean,
): StoredIndex {
  checkOptions("declare an index", definition, indexOptions);
  const { columns, unique = false, kind = "ordered", where } = definition;
  checkOneOf("declare an index", "kind", kind, ["ordered", "hashed", "vector"]);
  if (!Array.isArray(columns) || columns.length === 0)
    throw schemaInvalid("an index has no columns");
  if (new Set(columns).size !== columns.length)
    throw schemaInvalid("an index names a column twice");
  const name = indexName(definition);
  checkIdentifier("index", name);
  for (const column of columns) {
    const { type } = draft.shape(column);
    if (!isOrdered(type)) {
      throw schemaInvalid(`the column "${column}" of type ${type} cannot be indexed`);
    }
  }
  const expression = where === undefined ? undefined : predicateOf(where);
  if (expression !== undefined) draft.check(expression);
  return {
    name,
    tree,
    kind: kind as IndexKind,
    isUnique: unique,
    columns: columns.map((column) => draft.idOf(column)),
    ...(expression === undefined ? {} : { where: storeValue(expression) }),
    isReady,
  };
}

/** The record of a vector index. */
export function describeVectorIndex(
  definition: IndexDefinition,
  draft: Draft,
  takeTree: () => number,
  isReady: boolean,
): StoredVectorIndex {
  checkOptions("declare a vector index", definition, vectorIndexOptions);
  const { columns, where } = definition;
  if (!Array.isArray(columns) || columns.length !== 1) {
    throw schemaInvalid("a vector index has one column");
  }
  const name = indexName(definition);
  checkIdentifier("index", name);
  const { type, dimensions = 0 } = draft.shape(columns[0]);
  if (type !== "vector") {
    throw schemaInvalid(`the column "${columns[0]}" of type ${type} has no vectors`);
  }
  const given = vectorOptions.map((option) => [option, definition[option]] as const);
  const options = Object.fromEntries(given.filter(([, value]) => value !== undefined));
  checkVectorsOptions(name, { dimensions, ...options });
  const described = describeVectors(name, { dimensions, ...options });
  const { metric, precision, connections, efConstruction, keepVectors } = described;
  const expression = where === undefined ? undefined : predicateOf(where);
  if (expression !== undefined) draft.check(expression);
  return {
    name,
    column: draft.idOf(columns[0]),
    tree: takeTree(),
    ids: takeTree(),
    pending: takeTree(),
    metric,
    precision,
    connections,
    efConstruction,
    keepVectors,
    ...(expression === undefined ? {} : { where: storeValue(expression) }),
    isReady,
  };
}

/** The name of an index: given, or made of its columns. */
export function indexName({ name, columns, unique }: IndexDefinition): string {
  return name ?? `${columns.join("_")}_${unique === true ? "unique" : "index"}`;
}

/** The record of a foreign key. */
export function describeForeignKey(
  definition: ForeignKeyDefinition,
  draft: Draft,
  surroundings: Surroundings,
): StoredForeignKey {
  const action = "declare a foreign key";
  const { columns, references, onDelete = "no action", onUpdate = "no action" } = definition;
  checkOneOf(action, "onDelete", onDelete, actions);
  checkOneOf(action, "onUpdate", onUpdate, actions);
  const name = definition.name ?? `${columns.join("_")}_reference`;
  checkIdentifier("foreign key", name);
  const target = surroundings.table(references.table);
  if (target === undefined) throw tableNotFound(references.table);
  const names = references.columns ?? target.primaryKey.map((at) => target.columns[at].name);
  if (names.length !== columns.length) {
    throw schemaInvalid(
      `the foreign key "${name}" has ${columns.length} columns, and refers to ` + `${names.length}`,
    );
  }
  const ids = names.map((column) => target.column(column).id);
  if (!isKeyOf(target, ids)) {
    throw schemaInvalid(
      `the foreign key "${name}" refers to columns that are neither the primary ` +
        "key nor a unique index of their table, in its order",
    );
  }
  for (const [index, column] of columns.entries()) {
    const shape = draft.shape(column);
    const other = target.columnById(ids[index]);
    if (shape.type !== other.type) {
      throw schemaInvalid(
        `the column "${column}" has the type ${shape.type}, and refers to one of ` +
          `type ${other.type}`,
      );
    }
    const setsNull = onDelete === "set null" || onUpdate === "set null";
    if (setsNull && !shape.isNullable) {
      throw schemaInvalid(`the column "${column}" is to be set to null, and is not nullable`);
    }
  }
  if (depthOf(target, surroundings) >= referenceDepthMax) {
    throw schemaInvalid(`the foreign key "${name}" makes a chain longer than ${referenceDepthMax}`);
  }
  const ownIds = columns.map((column) => draft.idOf(column));
  return { name, columns: ownIds, table: target.stored.tree, references: ids, onDelete, onUpdate };
}

/** How many tables one reaches from here by following foreign keys. They cannot form a circle:
 * a table refers to tables that were there before it. */
export function depthOf(table: TableState, surroundings: Surroundings): number {
  const depths = table.foreignKeys.map((foreignKey) => {
    const target = surroundings.tableOf(foreignKey.table);
    return target === undefined ? 0 : depthOf(target, surroundings);
  });
  return 1 + Math.max(0, ...depths);
}

function isKeyOf(target: TableState, ids: readonly number[]): boolean {
  const isSame = (columns: readonly number[]): boolean =>
    columns.length === ids.length && columns.every((id, at) => id === ids[at]);
  const { primaryKey, indexes } = target.stored;
  if (isSame(primaryKey)) return true;
  return indexes.some((one) => one.isUnique && one.where === undefined && isSame(one.columns));
}

function refuseTwins(names: readonly string[]): void {
  const twin = names.find((name, at) => names.indexOf(name) !== at);
  if (twin === undefined) return;
  throw schemaInvalid(`two indexes or foreign keys have the name "${twin}"; give one another name`);
}

export function schemaInvalid(found: string): CairnError {
  return new CairnError("schema_invalid", `Cannot declare this: ${found}.`);
}

export function tableNotFound(name: string): CairnError {
  return new CairnError(
    "table_not_found",
    `Cannot find the table "${name}": none has this name in its scope. Declare it with columns.`,
  );
}
