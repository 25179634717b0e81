import type { RecoveryReport } from "../../engine/index.ts";
import { type Command, needed } from "../command.ts";
import { withReader } from "../database.ts";
import { exitCode } from "../exit-code.ts";
import { byteCount, count, counted, duration } from "../format.ts";
import { columns } from "../output.ts";
import { dbArg } from "./arguments.ts";

export const info: Command = {
  name: "info",
  summary: "Show what a database is and how it was left",
  args: dbArg,
  run: (context) =>
    withReader(context, needed(context.args, "db"), async (db) => {
      const { path, id, format } = db.identity;
      const { recovery } = db;
      const found = db.stats();
      const keyspaces = db.keyspaces().length;
      const { seq, checkpointSeq } = found;
      const json = { path, id, format, seq, checkpointSeq, keyspaces, recovery };
      await context.output.result(json, () =>
        columns([
          ["path", path],
          ["identity", id],
          ["format", String(format)],
          ["seq", `${count(seq)}, checkpointed up to ${count(checkpointSeq)}`],
          ["keyspaces", count(keyspaces)],
          ["on disk", byteCount(found.storage.usedBytes)],
          ["opening", describe(recovery)],
        ]),
      );
      return exitCode.ok;
    }),
};

function describe(report: RecoveryReport): string {
  const { outcome, commitsReplayed, bytesReplayed, droppedBytes, rootDamaged, milliseconds } =
    report;
  const parts = [
    outcome === "clean" ? "was closed cleanly" : "was not closed; the log was replayed",
    `${counted(commitsReplayed, "commit")} (${byteCount(bytesReplayed)}) replayed`,
  ];
  if (droppedBytes > 0) parts.push(`${byteCount(droppedBytes)} of an unfinished commit dropped`);
  if (rootDamaged) parts.push("one root slot is damaged, the other one was used");
  return `${parts.join(", ")}, ${duration(milliseconds)}`;
}
