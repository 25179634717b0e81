import { type Command, isSet, needed, text } from "../command.ts";
import { withReader } from "../database.ts";
import { exitCode } from "../exit-code.ts";
import { toJson } from "../output.ts";
import { conditionOf, namespaceArgs, openTable, rowJson } from "../table.ts";
import { dbArg } from "./arguments.ts";
import { wholeNumber } from "./number.ts";

export const rows: Command = {
  name: "rows",
  summary: "Print rows of a table as JSON, one per line",
  args: {
    ...dbArg,
    table: { type: "positional", description: "The table", required: true },
    ...namespaceArgs,
    where: { type: "string", description: "A condition on columns", valueHint: "json" },
    order: { type: "string", description: "A column to sort by", valueHint: "column" },
    reverse: { type: "boolean", description: "From the last row to the first" },
    limit: { type: "string", description: "Rows at most", valueHint: "rows" },
  },
  run: (context) =>
    withReader(context, needed(context.args, "db"), async (db) => {
      const { args, output, surroundings } = context;
      const table = await openTable(db, args, needed(args, "table"));
      const { columns, primaryKey } = table.describe();
      const where = text(args, "where");
      const order = text(args, "order");
      const limit = wholeNumber(args, "limit");
      const direction = isSet(args, "reverse") ? "desc" : "asc";
      const by = order === undefined ? primaryKey : [order];
      let query = db.from(table);
      if (where !== undefined) query = query.where(conditionOf(where, columns));
      for (const column of by) query = query.orderBy(column, direction);
      if (limit !== undefined) query = query.limit(limit);
      for await (const row of query.rows({ signal: surroundings.signal })) {
        await output.text(`${toJson(rowJson(row))}\n`);
      }
      return exitCode.ok;
    }),
};
