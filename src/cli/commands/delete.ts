import { type Command, needed } from "../command.ts";
import { withWriter } from "../database.ts";
import { exitCode } from "../exit-code.ts";
import { keyspaceArg, openKeyspace } from "../keyspace.ts";
import { dbArg } from "./arguments.ts";

/** `delete` cannot be a variable's name. */
export const deleteKey: Command = {
  name: "delete",
  summary: "Delete a key; it is no error if there is none",
  args: {
    ...dbArg,
    key: { type: "positional", description: "The key", required: true },
    ...keyspaceArg,
  },
  run: (context) =>
    withWriter(context, needed(context.args, "db"), async (db) => {
      const { args, output, surroundings } = context;
      const { records, forms } = await openKeyspace(db, args);
      const key = forms.key(needed(args, "key"));
      const { signal } = surroundings;
      const deleted = await records.delete(key, { finality: "durable", signal });
      await output.result({ deleted }, () => []);
      return exitCode.ok;
    }),
};
