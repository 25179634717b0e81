import { type Command, needed } from "../command.ts";
import { withWriter } from "../database.ts";
import { exitCode } from "../exit-code.ts";
import { count } from "../format.ts";
import { dbArg } from "./arguments.ts";

export const checkpoint: Command = {
  name: "checkpoint",
  summary: "Write a checkpoint, so that opening replays no log",
  args: dbArg,
  run: (context) =>
    withWriter(context, needed(context.args, "db"), async (db) => {
      const { output, progress, surroundings } = context;
      await db.checkpoint({ signal: surroundings.signal, onProgress: progress.show });
      await progress.end();
      const { checkpointSeq: seq } = db.stats();
      await output.result({ seq }, () => [`checkpoint at seq ${count(seq)}`]);
      return exitCode.ok;
    }),
};
