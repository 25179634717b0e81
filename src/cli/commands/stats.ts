import type { EngineStats } from "../../index.ts";
import { type Command, needed } from "../command.ts";
import { withReader } from "../database.ts";
import { exitCode } from "../exit-code.ts";
import { byteCount, count } from "../format.ts";
import { columns } from "../output.ts";
import { dbArg } from "./arguments.ts";

export const stats: Command = {
  name: "stats",
  summary: "Show sizes and counts",
  args: dbArg,
  run: (context) =>
    withReader(context, needed(context.args, "db"), async (db) => {
      const found = db.stats();
      const records = db.keyspaces().reduce((sum, keyspace) => sum + keyspace.records, 0);
      await context.output.result({ records, ...found }, () => columns(rowsOf(found, records)));
      return exitCode.ok;
    }),
};

function rowsOf({ seq, checkpointSeq, trees, storage }: EngineStats, records: number): string[][] {
  return [
    ["records", count(records)],
    ["commits", `${count(seq)}, checkpointed up to ${count(checkpointSeq)}`],
    ["trees", count(trees)],
    ["on disk", `${byteCount(storage.usedBytes)} in ${count(storage.blobs)} blobs, log and root`],
    ["live", byteCount(storage.liveBytes)],
    ["reclaimable", `${byteCount(storage.reclaimableBytes)}, about; "cairn compact" returns it`],
  ];
}
