/**
 * Steps that change tables. Each is one commit, or ends in one (indexes and constraints of tables
 * with rows). After a crash nobody knows whether it was made: run again as `isResumed`, a step that
 * finds what it would leave behind is done.
 */
import { isCairnError } from "../errors.ts";
import {
  Column,
  type Columns,
  type ConstraintDefinition,
  type IndexDefinition,
  type Table,
  type TableAlteration,
  type TableDefinition,
  type TableDescription,
} from "../tables/index.ts";
import { indexName, tableNotFound } from "../tables/inside.ts";
import type { SchemaStep, Step } from "./step.ts";

type Run = SchemaStep["run"];

function schemaStep(
  description: string,
  data: unknown,
  undo: (() => Step) | undefined,
  run: Run,
): SchemaStep {
  return {
    mode: "schema",
    description,
    data: { step: description, ...(data as object) },
    get undo(): Step | undefined {
      return undo?.();
    },
    run,
  };
}

/** Creates a table. One that is there and agrees with the definition is taken as it is. */
export function createTable<C extends Columns>(
  name: string,
  definition: TableDefinition<C>,
): SchemaStep {
  const { schema: _schema, ...rest } = definition as unknown as TableDefinition & {
    schema?: unknown;
  };
  return schemaStep(
    `create the table ${name}`,
    { definition: rest },
    () => dropTable(name, rest),
    async (place) => {
      await place.table(name, rest);
    },
  );
}

/** Drops a table with its rows. With its definition the step can be taken back, without rows. */
export function dropTable(name: string, restoreAs?: TableDefinition): SchemaStep {
  return schemaStep(
    `drop the table ${name}`,
    {},
    restoreAs && (() => createTable(name, restoreAs)),
    async (place, isResumed) => {
      if (!(await place.dropTable(name)) && !isResumed) throw tableNotFound(name);
    },
  );
}

/** Adds columns; rows that are there read their defaults, or null. */
export function addColumns(table: string, columns: Columns): SchemaStep {
  const names = Object.keys(columns);
  return alteration(
    `add columns to ${table}`,
    { columns },
    table,
    () => dropColumns(table, names, columns),
    { add: columns },
    (has) => names.every(has),
  );
}

/**
 * Drops columns. With their declarations the step can be taken back, without values: columns
 * without a default that were not null come back nullable, if there are rows.
 */
export function dropColumns(
  table: string,
  names: readonly string[],
  restoreAs?: Columns,
): SchemaStep {
  return alteration(
    `drop columns of ${table}`,
    { names },
    table,
    restoreAs && (() => restoreColumns(table, restoreAs)),
    { drop: names },
    (has) => !names.some(has),
  );
}

/** Adds columns again; rows that are there have no values for those that must not be null. */
function restoreColumns(table: string, columns: Columns): SchemaStep {
  const step = addColumns(table, columns);
  const loose = Object.fromEntries(
    Object.entries(columns).map(([name, { shape }]) => [
      name,
      new Column({ ...shape, isNullable: shape.isNullable || !shape.hasDefault }),
    ]),
  );
  const run: Run = async (place, isResumed, options) => {
    const isEmpty = (await place.table(table)).count() === 0;
    await (isEmpty ? step : addColumns(table, loose)).run(place, isResumed, options);
  };
  return { ...step, undo: step.undo, run };
}

/** Renames columns: new names by old ones. */
export function renameColumns(table: string, names: Readonly<Record<string, string>>): SchemaStep {
  const renamed = Object.entries(names);
  const back = Object.fromEntries(renamed.map(([from, to]) => [to, from]));
  return alteration(
    `rename columns of ${table}`,
    { names },
    table,
    () => renameColumns(table, back),
    { rename: names },
    (has) => renamed.every(([from, to]) => has(to) && !has(from)),
  );
}

/** Rules of columns, which rows that are there meet anyway. */
export type ColumnRules = Pick<TableAlteration, "nullable" | "defaults">;

/**
 * Lets columns be null, and says what rows get that leave columns out. With the rules that were
 * there before, the step can be taken back; for not null that is {@link addConstraint}.
 */
export function relaxColumns(table: string, rules: ColumnRules, before?: ColumnRules): SchemaStep {
  return alteration(
    `change rules of columns of ${table}`,
    { rules },
    table,
    before && (() => relaxColumns(table, before, rules)),
    rules,
    () => false,
  );
}

/** Creates an index while the table is used; one that a crash left unfinished is finished. */
export function createIndex(table: string, definition: IndexDefinition): SchemaStep {
  const name = indexName(definition);
  return schemaStep(
    `create the index ${name} of ${table}`,
    { definition },
    () => dropIndex(table, name, definition),
    async (place, isResumed, options) => {
      const opened = await place.table(table);
      const found = opened.describe().indexes.find((index) => index.name === name);
      if (isResumed && found?.isReady === true) return;
      await opened.createIndex(definition, options);
    },
  );
}

/** Drops an index. With its definition the step can be taken back. */
export function dropIndex(table: string, name: string, restoreAs?: IndexDefinition): SchemaStep {
  return schemaStep(
    `drop the index ${name} of ${table}`,
    {},
    restoreAs && (() => createIndex(table, restoreAs)),
    async (place, isResumed) => {
      const opened = await place.table(table);
      const isThere = opened.describe().indexes.some((index) => index.name === name);
      if (isThere || !isResumed) await opened.dropIndex(name);
    },
  );
}

/** Adds a constraint; rows that are there must meet it. */
export function addConstraint(table: string, definition: ConstraintDefinition): SchemaStep {
  const name = constraintName(definition);
  return schemaStep(
    `add the constraint ${name} to ${table}`,
    { definition },
    () => dropConstraint(table, definition),
    async (place, isResumed, options) => {
      const opened = await place.table(table);
      if (isResumed && hasConstraint(opened.describe(), definition)) return;
      await opened.addConstraint(definition, options);
    },
  );
}

/**
 * Drops a constraint: its name, or (so that the step can be taken back) its definition. Of a
 * foreign key by definition the index goes, too, that it was given.
 */
export function dropConstraint(
  table: string,
  constraint: string | ConstraintDefinition,
): SchemaStep {
  const isNamed = typeof constraint === "string";
  const name = isNamed ? constraint : constraintName(constraint);
  return schemaStep(
    `drop the constraint ${name} of ${table}`,
    {},
    isNamed ? undefined : () => addConstraint(table, constraint),
    async (place, isResumed) => {
      const opened = await place.table(table);
      if (!isNamed && "notNull" in constraint) {
        await opened.alter({ nullable: [constraint.notNull] });
        return;
      }
      await dropNamed(opened, name, isResumed);
      if (!isNamed && "foreignKey" in constraint) await dropBrought(opened, name);
    },
  );
}

/** Drops the index that a foreign key was given, unless another one needs it. */
async function dropBrought(table: Table, foreignKey: string): Promise<void> {
  const { indexes, foreignKeys } = table.describe();
  const brought = indexes.find(({ name }) => name === `${foreignKey}_index`);
  if (brought === undefined) return;
  const isNeeded = foreignKeys.some(({ columns }) =>
    columns.every((name, at) => brought.columns[at] === name),
  );
  if (!isNeeded) await table.dropIndex(brought.name);
}

async function dropNamed(table: Table, name: string, isResumed: boolean): Promise<void> {
  try {
    await table.alter({ dropConstraints: [name] });
  } catch (error) {
    if (!isResumed || !isCairnError(error, "constraint_not_found")) throw error;
  }
}

function constraintName(definition: ConstraintDefinition): string {
  if ("check" in definition) return definition.name;
  if ("notNull" in definition) return definition.notNull;
  if ("unique" in definition) {
    const { unique, ...rest } = definition;
    return indexName({ ...rest, columns: unique, unique: true });
  }
  const { name, columns } = definition.foreignKey;
  return name ?? `${columns.join("_")}_reference`;
}

function hasConstraint(description: TableDescription, definition: ConstraintDefinition): boolean {
  const name = constraintName(definition);
  const isIt = (one: { readonly name: string }): boolean => one.name === name;
  if ("check" in definition) return description.checks.some(isIt);
  if ("foreignKey" in definition) return description.foreignKeys.some(isIt);
  if ("unique" in definition) return description.indexes.some((one) => isIt(one) && one.isReady);
  return description.columns.find(isIt)?.isNullable === false;
}

/** A change of columns in one commit, known to be made by the names that are there. */
function alteration(
  description: string,
  data: unknown,
  table: string,
  undo: (() => Step) | undefined,
  change: TableAlteration,
  isDone: (has: (name: string) => boolean) => boolean,
): SchemaStep {
  return schemaStep(description, data, undo, async (place, isResumed) => {
    const opened = await place.table(table);
    const names = new Set(opened.describe().columns.map(({ name }) => name));
    if (isResumed && isDone((name) => names.has(name))) return;
    await opened.alter(change);
  });
}
