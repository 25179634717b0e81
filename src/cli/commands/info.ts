import type { RecoveryReport } from "../../index.ts";
import { type Command, needed } from "../command.ts";
import { withReader } from "../database.ts";
import { exitCode } from "../exit-code.ts";
import { byteCount, count, counted, duration, moment } from "../format.ts";
import { identityOf } from "../identity.ts";
import { columns } from "../output.ts";
import { listTables } from "../table.ts";
import { dbArg } from "./arguments.ts";

export const info: Command = {
  name: "info",
  summary: "Show what a database is and how it was left",
  args: dbArg,
  run: (context) =>
    withReader(context, needed(context.args, "db"), async (db) => {
      const identity = await identityOf(needed(context.args, "db"));
      const { recovery } = db;
      const { seq, checkpointSeq, storage } = db.stats();
      const keyspaces = db.keyspaces().length;
      const tables = (await listTables(db)).length;
      const vectors = db.vectorIndexes().length;
      const { usedBytes } = storage;
      const counts = { keyspaces, tables, vectors };
      const json = { ...identity, seq, checkpointSeq, ...counts, usedBytes, recovery };
      await context.output.result(json, () =>
        columns([
          ["path", identity.path],
          ["identity", identity.id],
          ["created", moment(identity.createdAt)],
          ["format", String(identity.formatVersion)],
          ["seq", `${count(seq)}, checkpointed up to ${count(checkpointSeq)}`],
          ["holds", describeCounts(counts)],
          ["on disk", byteCount(usedBytes)],
          ["opening", describe(recovery)],
        ]),
      );
      return exitCode.ok;
    }),
};

function describeCounts(counts: { keyspaces: number; tables: number; vectors: number }): string {
  const { keyspaces, tables, vectors } = counts;
  const parts = [
    counted(keyspaces, "keyspace"),
    counted(tables, "table"),
    counted(vectors, "vector index", "vector indexes"),
  ];
  return parts.join(", ");
}

function describe(report: RecoveryReport): string {
  const { outcome, commitsReplayed, bytesReplayed, droppedBytes, rootDamaged } = report;
  const parts = [
    outcome === "clean" ? "nothing to recover" : "was not closed, the log was replayed",
    `${counted(commitsReplayed, "commit")} (${byteCount(bytesReplayed)}) replayed`,
  ];
  if (droppedBytes > 0) parts.push(`${byteCount(droppedBytes)} of an unfinished commit dropped`);
  if (rootDamaged) parts.push("one root slot is damaged, the other one was used");
  return `${parts.join(", ")}, ${duration(report.milliseconds)}`;
}
