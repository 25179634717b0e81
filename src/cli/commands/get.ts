import { CliError } from "../cli-error.ts";
import { type Command, isSet, needed } from "../command.ts";
import { withReader } from "../database.ts";
import { exitCode } from "../exit-code.ts";
import { keyspaceArg, openKeyspace } from "../keyspace.ts";
import { dbArg } from "./arguments.ts";

export const get: Command = {
  name: "get",
  summary: "Print the value of a key",
  args: {
    ...dbArg,
    key: { type: "positional", description: "The key", required: true },
    ...keyspaceArg,
    raw: { type: "boolean", description: "Print the value's bytes and nothing else" },
  },
  run: (context) =>
    withReader(context, needed(context.args, "db"), async (db) => {
      const { args, output } = context;
      const { records, forms } = await openKeyspace(db, args);
      const key = forms.key(needed(args, "key"));
      const value = await records.get(key);
      if (value === undefined) throw keyNotFound();
      if (isSet(args, "raw")) await output.bytes(forms.valueBytes(value));
      else {
        const expiresAt = await records.expiresAt(key);
        const json = { key: forms.keyText(key), value: forms.valueJson(value), expiresAt };
        await output.result(json, () => [forms.valueText(value)]);
      }
      return exitCode.ok;
    }),
};

function keyNotFound(): CliError {
  return new CliError("key_not_found", exitCode.notFound, "There is no such key.");
}
