import { type Command, isSet, needed, text } from "../command.ts";
import { withReader } from "../database.ts";
import { exitCode } from "../exit-code.ts";
import type { Forms } from "../forms.ts";
import { keyspaceArg, openKeyspace } from "../keyspace.ts";
import { toJson } from "../output.ts";
import type { Arguments } from "../parse.ts";
import { dbArg } from "./arguments.ts";
import { wholeNumber } from "./number.ts";

/** Rows per write: few enough to come at once, many enough to be quick. */
const rowsPerWrite = 256;

const bounds = ["prefix", "gt", "gte", "lt", "lte"] as const;

export const scan: Command = {
  name: "scan",
  summary: "Print keys and values in the order of the keys",
  args: {
    ...dbArg,
    ...keyspaceArg,
    prefix: { type: "string", description: "Keys that begin with this", valueHint: "key" },
    gt: { type: "string", description: "Keys above this one", valueHint: "key" },
    gte: { type: "string", description: "Keys from this one on", valueHint: "key" },
    lt: { type: "string", description: "Keys below this one", valueHint: "key" },
    lte: { type: "string", description: "Keys up to this one", valueHint: "key" },
    reverse: { type: "boolean", description: "From the last key to the first" },
    limit: { type: "string", description: "Rows at most", valueHint: "rows" },
    keys: { type: "boolean", description: "Print keys only" },
  },
  run: (context) =>
    withReader(context, needed(context.args, "db"), async (db) => {
      const { args, output, surroundings } = context;
      const { records, forms } = await openKeyspace(db, args);
      const { signal } = surroundings;
      const options = { ...rangeOf(args, forms), signal };
      const print = output.isJson ? jsonRow : textRow;
      if (isSet(args, "keys")) {
        for await (const keys of records.keys(options).batches(rowsPerWrite)) {
          await output.text(keys.map((key) => print(forms, key)).join(""));
        }
        return exitCode.ok;
      }
      for await (const rows of records.entries(options).batches(rowsPerWrite)) {
        await output.text(rows.map(({ key, value }) => print(forms, key, { value })).join(""));
      }
      return exitCode.ok;
    }),
};

function rangeOf(args: Arguments, forms: Forms): object {
  const range: Record<string, unknown> = {};
  for (const name of bounds) {
    const bound = text(args, name);
    if (bound !== undefined) range[name] = forms.key(bound);
  }
  const limit = wholeNumber(args, "limit");
  if (limit !== undefined) range.limit = limit;
  if (isSet(args, "reverse")) range.reverse = true;
  return range;
}

type Key = string | Uint8Array;

function jsonRow(forms: Forms, key: Key, row?: { value: unknown }): string {
  const value = row === undefined ? {} : { value: forms.valueJson(row.value) };
  return `${toJson({ key: forms.keyText(key), ...value })}\n`;
}

/** Tabs and line ends within a key or a value are escaped, so that a row is a line. */
function textRow(forms: Forms, key: Key, row?: { value: unknown }): string {
  const value = row === undefined ? "" : `\t${onOneLine(forms.valueText(row.value))}`;
  return `${onOneLine(forms.keyText(key))}${value}\n`;
}

const escapes: Readonly<Record<string, string>> = {
  "\\": "\\\\",
  "\t": "\\t",
  "\n": "\\n",
  "\r": "\\r",
};

function onOneLine(text: string): string {
  return text.replace(/[\\\t\n\r]/g, (found) => escapes[found]);
}
