/** The steps from one set of tables to another. */
import type {
  ColumnShape,
  ConstraintDefinition,
  ForeignKeyDefinition,
  IndexDefinition,
} from "../tables/index.ts";
import { predicateOf, storeValue } from "../tables/inside.ts";
import { migrationInvalid } from "./errors.ts";
import {
  addColumns,
  addConstraint,
  createIndex,
  createTable,
  dropColumns,
  dropConstraint,
  dropIndex,
  dropTable,
  relaxColumns,
  renameColumns,
} from "./schema-steps.ts";
import {
  columnsOf,
  renamed,
  specificationOf,
  type TableDefinitions,
  type TableSpecification,
} from "./specification.ts";
import type { Step } from "./step.ts";

/** How two sets of tables are to be understood. */
export interface DifferenceOptions {
  /** Columns that have other names now: new names by old ones, by table. */
  readonly rename?: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

type Specifications = ReadonlyMap<string, TableSpecification>;

/**
 * The steps that make tables of one set those of another: tables, columns, indexes and constraints
 * are added, dropped and changed, columns are renamed as the options say. All can be taken back,
 * without the rows and values of what was dropped.
 *
 * @throws CairnError `migration_invalid` where the type of a column or a primary key differs.
 */
export function stepsBetween(
  before: TableDefinitions,
  after: TableDefinitions,
  options: DifferenceOptions = {},
): Step[] {
  const from = specificationsOf(before);
  const to = specificationsOf(after);
  const changes = [...to]
    .filter(([name]) => from.has(name))
    .map(([name, table]) => {
      const earlier = from.get(name) as TableSpecification;
      return new Change(name, earlier, table, options.rename?.[name] ?? {}, { from, to });
    });
  const dropped = sorted(from).filter(([name]) => !to.has(name));
  const created = sorted(to).filter(([name]) => !from.has(name));
  return [
    ...changes.flatMap((change) => change.constraintsGone()),
    ...dropped.reverse().map(([name, { definition }]) => dropTable(name, definition)),
    ...changes.flatMap((change) => change.columns()),
    ...created.map(([name, { definition }]) => createTable(name, definition)),
    ...changes.flatMap((change) => change.constraintsNew()),
  ];
}

function specificationsOf(definitions: TableDefinitions): Specifications {
  return new Map(
    Object.entries(definitions).map(([name, definition]) => [name, specificationOf(definition)]),
  );
}

/** Each table behind those that it refers to. */
function sorted(tables: Specifications): [string, TableSpecification][] {
  const done = new Map<string, TableSpecification>();
  const visit = (name: string, table: TableSpecification): void => {
    if (done.has(name)) return;
    for (const { references } of table.foreignKeys.values()) {
      const target = tables.get(references.table);
      if (target !== undefined && references.table !== name) visit(references.table, target);
    }
    done.set(name, table);
  };
  for (const [name, table] of tables) visit(name, table);
  return [...done];
}

/** What becomes of one table. */
class Change {
  readonly #name: string;
  readonly #before: TableSpecification;
  /** Before, with the names of columns that come. */
  readonly #renamed: TableSpecification;
  readonly #after: TableSpecification;
  readonly #names: Readonly<Record<string, string>>;
  readonly #all: { readonly from: Specifications; readonly to: Specifications };

  constructor(
    name: string,
    before: TableSpecification,
    after: TableSpecification,
    names: Readonly<Record<string, string>>,
    all: { readonly from: Specifications; readonly to: Specifications },
  ) {
    this.#name = name;
    this.#before = before;
    this.#after = after;
    this.#names = Object.fromEntries(
      Object.entries(names).filter(([from]) => before.columns.has(from)),
    );
    this.#renamed = renamed(before, this.#names);
    this.#all = all;
    if (this.#renamed.primaryKey.join() !== after.primaryKey.join()) {
      throw migrationInvalid(`the primary key of the table "${name}" differs`);
    }
  }

  constraintsGone(): Step[] {
    const before = this.#before;
    const foreignKeys = [...before.foreignKeys]
      .filter(([name]) => !this.#hasForeignKey(name))
      .map(([, foreignKey]): ConstraintDefinition => ({ foreignKey }));
    const checks = [...before.checks]
      .filter(([name]) => !this.#hasCheck(name))
      .map(([name, check]): ConstraintDefinition => ({ name, check }));
    const indexes = [...before.indexes].filter(([name]) => !this.#hasIndex(name));
    return [
      ...[...foreignKeys, ...checks].map((one) => dropConstraint(this.#name, one)),
      ...indexes.map(([name, definition]) => dropIndex(this.#name, name, definition)),
    ];
  }

  columns(): Step[] {
    const [before, after] = [this.#renamed.columns, this.#after.columns];
    const gone = [...before.keys()].filter((name) => !after.has(name));
    const added = [...after.keys()].filter((name) => !before.has(name));
    const steps: Step[] = [];
    if (Object.keys(this.#names).length > 0) steps.push(renameColumns(this.#name, this.#names));
    if (gone.length > 0) {
      steps.push(dropColumns(this.#name, gone, columnsOf(this.#renamed, gone)));
    }
    if (added.length > 0) steps.push(addColumns(this.#name, columnsOf(this.#after, added)));
    for (const [name, shape] of after) {
      const earlier = before.get(name);
      if (earlier !== undefined) steps.push(...this.#columnRules(name, earlier, shape));
    }
    const indexes = [...this.#after.indexes].filter(([name]) => !this.#hasIndex(name));
    return [...steps, ...indexes.map(([, definition]) => createIndex(this.#name, definition))];
  }

  #columnRules(name: string, before: ColumnShape, after: ColumnShape): Step[] {
    if (before.type !== after.type || before.dimensions !== after.dimensions) {
      throw migrationInvalid(
        `the column "${name}" of the table "${this.#name}" is of another type; add a column, ` +
          "fill it, and drop the old one",
      );
    }
    const steps: Step[] = [];
    const values = [before, after].map((shape) => (shape.hasDefault ? shape.defaultValue : null));
    const [old, next] = values.map((value) => JSON.stringify(storeValue(value)));
    if (old !== next) {
      const rules = { defaults: { [name]: values[1] } };
      steps.push(relaxColumns(this.#name, rules, { defaults: { [name]: values[0] } }));
    }
    if (before.isNullable && !after.isNullable) {
      steps.push(addConstraint(this.#name, { notNull: name }));
    } else if (!before.isNullable && after.isNullable) {
      steps.push(dropConstraint(this.#name, { notNull: name }));
    }
    return steps;
  }

  constraintsNew(): Step[] {
    const checks = [...this.#after.checks]
      .filter(([name]) => !this.#hasCheck(name))
      .map(([name, check]): ConstraintDefinition => ({ name, check }));
    const foreignKeys = [...this.#after.foreignKeys]
      .filter(([name]) => !this.#hasForeignKey(name))
      .map(([, foreignKey]): ConstraintDefinition => ({ foreignKey }));
    return [...checks, ...foreignKeys].map((one) => addConstraint(this.#name, one));
  }

  #hasForeignKey(name: string): boolean {
    const { from, to } = this.#all;
    const [before, after] = [this.#renamed, this.#after].map((one) => one.foreignKeys.get(name));
    return isSame(before && linkOf(before, from), after && linkOf(after, to));
  }

  #hasCheck(name: string): boolean {
    return isSame(this.#renamed.checks.get(name), this.#after.checks.get(name));
  }

  #isLoosened(column: string): boolean {
    const [before, after] = [this.#renamed, this.#after].map((one) => one.columns.get(column));
    return before?.isNullable === false && after?.isNullable === true;
  }

  #hasIndex(name: string): boolean {
    const [before, after] = [this.#renamed, this.#after].map((one) => one.indexes.get(name));
    // An index of columns that could not be null has no room for null.
    if (after?.columns.some((column) => this.#isLoosened(column))) return false;
    return isSame(before && shapeOfIndex(before), after && shapeOfIndex(after));
  }
}

function shapeOfIndex({ columns, unique, kind, where, metric }: IndexDefinition): unknown {
  return {
    columns,
    unique: unique === true,
    kind: kind ?? "ordered",
    where: where === undefined ? undefined : predicateOf(where),
    metric: kind === "vector" ? (metric ?? "cosine") : undefined,
  };
}

/** A foreign key with everything that it leaves to defaults. */
function linkOf(one: ForeignKeyDefinition, tables: Specifications): unknown {
  const { table, columns } = one.references;
  return {
    columns: one.columns,
    table,
    references: columns ?? tables.get(table)?.primaryKey,
    onDelete: one.onDelete ?? "no action",
    onUpdate: one.onUpdate ?? "no action",
  };
}

/** True when both are there and say the same. */
function isSame(left: unknown, right: unknown): boolean {
  if (left === undefined || right === undefined) return false;
  return JSON.stringify(storeValue(left)) === JSON.stringify(storeValue(right));
}
