import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { CairnError } from "../../errors.ts";
import { breakLock, lockHolder } from "../../storage/node-fs/index.ts";
import { usageInvalid } from "../cli-error.ts";
import { type Command, isSet, needed } from "../command.ts";
import { exitCode } from "../exit-code.ts";
import { moment } from "../format.ts";
import { columns } from "../output.ts";
import { dbArg } from "./arguments.ts";

export const lock: Command = {
  name: "lock",
  summary: "Show which process has a database open for writing",
  args: {
    ...dbArg,
    break: { type: "boolean", description: "Free the lock of a process that is gone" },
    force: { type: "boolean", description: "With --break: also if the process may live" },
  },
  async run({ args, output }) {
    const path = resolve(needed(args, "db"));
    if (!existsSync(join(path, "root"))) throw databaseNotFound(path);
    if (isSet(args, "break")) {
      const broken = await breakLock(path, { force: isSet(args, "force") });
      await output.result({ broken }, () => [broken ? "lock broken" : "not locked"]);
      return exitCode.ok;
    }
    if (isSet(args, "force")) throw usageInvalid("--force goes with --break only.");
    const holder = await lockHolder(path);
    await output.result({ locked: holder !== undefined, holder: holder ?? null }, () => {
      if (holder === undefined) return ["not locked"];
      const { pid, host, runtime, since, generation } = holder;
      return columns([
        ["locked by", `process ${pid} on ${host || "an unknown host"}`],
        ["runtime", runtime],
        ["since", moment(since)],
        ["generation", String(generation)],
      ]);
    });
    return exitCode.ok;
  },
};

function databaseNotFound(path: string): CairnError {
  return new CairnError(
    "database_not_found",
    `Cannot look at the lock of ${path}: there is no database. Check the path.`,
    { details: { path } },
  );
}
