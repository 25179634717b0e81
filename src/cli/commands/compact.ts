import { type Command, needed } from "../command.ts";
import { withWriter } from "../database.ts";
import { exitCode } from "../exit-code.ts";
import { byteCount } from "../format.ts";
import { dbArg } from "./arguments.ts";

export const compact: Command = {
  name: "compact",
  summary: "Rewrite the data densely and give space back",
  args: dbArg,
  run: (context) =>
    withWriter(context, needed(context.args, "db"), async (db) => {
      const { output, progress, surroundings } = context;
      const bytesBefore = db.stats().storage.usedBytes;
      await db.compact({ signal: surroundings.signal, onProgress: progress.show });
      await progress.end();
      const bytesAfter = db.stats().storage.usedBytes;
      await output.result({ bytesBefore, bytesAfter }, () => [
        `${byteCount(bytesBefore)} before, ${byteCount(bytesAfter)} after`,
      ]);
      return exitCode.ok;
    }),
};
