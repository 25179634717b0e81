import { type Command, needed } from "../command.ts";
import { withReader } from "../database.ts";
import { exitCode } from "../exit-code.ts";
import { count } from "../format.ts";
import { columns } from "../output.ts";
import { dbArg } from "./arguments.ts";

export const vectors: Command = {
  name: "vectors",
  summary: "List the vector indexes",
  args: dbArg,
  run: (context) =>
    withReader(context, needed(context.args, "db"), async (db) => {
      const { output } = context;
      const all = db.vectorIndexes();
      if (output.isJson) {
        for (const info of all) await output.result({ ...info }, () => []);
        return exitCode.ok;
      }
      const head = ["name", "dimensions", "metric", "precision", "fields", "vectors"];
      const rows = all.map(({ name, dimensions, metric, precision, fields, count: vectors }) => [
        name,
        count(dimensions),
        metric,
        precision,
        fields.join(",") || "-",
        count(vectors),
      ]);
      for (const line of columns([head, ...rows])) await output.text(`${line}\n`);
      return exitCode.ok;
    }),
};
