import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { CairnError } from "../../errors.ts";
import { open } from "../../index.ts";
import { type Command, needed } from "../command.ts";
import { exitCode } from "../exit-code.ts";

export const init: Command = {
  name: "init",
  summary: "Create a database",
  args: {
    db: { type: "positional", description: "Path of the folder to create", required: true },
  },
  async run({ args, output }) {
    const path = resolve(needed(args, "db"));
    if (existsSync(join(path, "root"))) throw databaseExists(path);
    const db = await open(path);
    try {
      // Somebody may have been faster.
      if (db.recovery.outcome !== "created") throw databaseExists(path);
      // The keyspace that commands use without --keyspace, as the library makes it.
      await db.keyspace("");
    } finally {
      await db.close();
    }
    await output.result({ path, created: true }, () => [`created ${path}`]);
    return exitCode.ok;
  },
};

function databaseExists(path: string): CairnError {
  return new CairnError(
    "database_exists",
    `Cannot create ${path}: there is a database already. Choose another path.`,
    { details: { path } },
  );
}
