import type { Database, TableDescription } from "../../index.ts";
import { type Command, type Context, needed, text } from "../command.ts";
import { withReader } from "../database.ts";
import { exitCode } from "../exit-code.ts";
import { count } from "../format.ts";
import { columns } from "../output.ts";
import { listTables, namespaceArgs, openTable } from "../table.ts";
import { dbArg } from "./arguments.ts";

export const tables: Command = {
  name: "tables",
  summary: "List the tables, or show what one is made of",
  args: {
    ...dbArg,
    table: { type: "positional", description: "A table to show", required: false },
    ...namespaceArgs,
  },
  run: (context) =>
    withReader(context, needed(context.args, "db"), async (db) => {
      const name = text(context.args, "table");
      if (name === undefined) return await list(db, context);
      const table = await openTable(db, context.args, name);
      return await show(table.describe(), context);
    }),
};

async function list(db: Database, { output }: Context): Promise<number> {
  const all = await listTables(db);
  if (output.isJson) {
    for (const table of all) await output.result({ ...table }, () => []);
    return exitCode.ok;
  }
  const rows = all.map(({ project, scope, name, rows }) => [
    project === "" ? name : `${project}/${scope}/${name}`,
    count(rows),
  ]);
  for (const line of columns([["name", "rows"], ...rows])) await output.text(`${line}\n`);
  return exitCode.ok;
}

async function show(table: TableDescription, { output }: Context): Promise<number> {
  await output.result({ ...table }, () => [
    ...columns(table.columns.map((column) => [column.name, ...describeColumn(table, column)])),
    ...table.indexes.map(describeIndex),
    ...table.checks.map(({ name }) => `check ${name}`),
    ...table.foreignKeys.map(describeForeignKey),
  ]);
  return exitCode.ok;
}

type Column = TableDescription["columns"][number];

function describeColumn({ primaryKey }: TableDescription, column: Column): string[] {
  const { name, type, dimensions, isNullable } = column;
  const at = primaryKey.indexOf(name);
  const key = primaryKey.length === 1 ? "primary key" : `primary key ${at + 1}`;
  return [
    dimensions === undefined ? type : `${type}(${dimensions})`,
    at >= 0 ? key : isNullable ? "" : "not null",
  ];
}

function describeIndex(index: TableDescription["indexes"][number]): string {
  const { name, columns: names, kind, isUnique, where, isReady } = index;
  const traits = [
    isUnique ? "unique " : "",
    kind,
    ` index ${name} (${names.join(", ")})`,
    where === undefined ? "" : ", partial",
    isReady ? "" : ", being built",
  ];
  return traits.join("");
}

function describeForeignKey(foreignKey: TableDescription["foreignKeys"][number]): string {
  const { name, columns: names, table, references, onDelete, onUpdate } = foreignKey;
  return (
    `foreign key ${name} (${names.join(", ")}) to ${table} (${references.join(", ")}), ` +
    `on delete ${onDelete}, on update ${onUpdate}`
  );
}
