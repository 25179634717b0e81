import type { Finding } from "../../index.ts";
import { type Command, needed } from "../command.ts";
import { withReader } from "../database.ts";
import { exitCode } from "../exit-code.ts";
import { counted } from "../format.ts";
import { dbArg } from "./arguments.ts";

export const verify: Command = {
  name: "verify",
  summary: "Check every page, checksum, order and reference",
  args: dbArg,
  run: (context) =>
    withReader(context, needed(context.args, "db"), async (db) => {
      const { output, progress, surroundings } = context;
      const { signal } = surroundings;
      const report = await db.verify({ signal, onProgress: progress.show });
      await progress.end();
      const { ok, pages, trees, records, findings } = report;
      await output.result({ ...report }, () => [
        ...findings.map(describe),
        `${ok ? "ok" : counted(findings.length, "finding")}: ${counted(pages, "page")}, ` +
          `${counted(trees, "tree")}, ${counted(records, "record")}`,
      ]);
      return ok ? exitCode.ok : exitCode.problems;
    }),
};

function describe({ what, where, slot, reason }: Finding): string {
  return `${what} in ${where}${slot === undefined ? "" : `, slot ${slot}`}: ${reason}`;
}
