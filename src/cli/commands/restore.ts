import { resolve } from "node:path";
import type { Database } from "../../index.ts";
import { type Command, needed } from "../command.ts";
import { withReader, withWriter } from "../database.ts";
import { exitCode } from "../exit-code.ts";
import { copyDatabase } from "./copy-database.ts";

export const restore: Command = {
  name: "restore",
  summary: "Copy a backup to a new place; the backup stays as it is",
  args: {
    backup: { type: "positional", description: "Path of the backup", required: true },
    db: { type: "positional", description: "Path of the folder to create", required: true },
  },
  async run(context) {
    const { args } = context;
    const source = needed(args, "backup");
    const target = resolve(needed(args, "db"));
    const copy = (db: Database): Promise<number> => copyDatabase(db, target, context);
    let hasLog = false;
    const code = await withReader(context, source, async (db) => {
      const { seq, checkpointSeq } = db.stats();
      hasLog = seq > checkpointSeq;
      return hasLog ? exitCode.ok : await copy(db);
    });
    // Somebody has written to the backup. What only its log has comes along with a checkpoint.
    return hasLog ? await withWriter(context, source, copy) : code;
  },
};
