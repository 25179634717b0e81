import { resolve } from "node:path";
import { type Command, isSet, needed } from "../command.ts";
import { withReader, withWriter } from "../database.ts";
import { dbArg } from "./arguments.ts";
import { copyDatabase } from "./copy-database.ts";

export const backup: Command = {
  name: "backup",
  summary: "Copy a consistent state to a new place",
  args: {
    ...dbArg,
    target: { type: "positional", description: "Path of the folder to create", required: true },
    checkpoint: {
      type: "boolean",
      description: "Copy the last checkpoint as it is, also while a process has the database open",
    },
  },
  async run(context) {
    const { args } = context;
    const target = resolve(needed(args, "target"));
    const use = isSet(args, "checkpoint") ? withReader : withWriter;
    return await use(context, needed(args, "db"), (db) => copyDatabase(db, target, context));
  },
};
