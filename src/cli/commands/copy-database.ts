import type { Database } from "../../index.ts";
import type { Context } from "../command.ts";
import { exitCode } from "../exit-code.ts";
import { count } from "../format.ts";

/** Copies the newest checkpoint, which a writer makes first, to the folder `target`. */
export async function copyDatabase(
  db: Database,
  target: string,
  { output, progress, surroundings }: Context,
): Promise<number> {
  await db.backup(target, { signal: surroundings.signal, onProgress: progress.show });
  await progress.end();
  const { checkpointSeq: seq } = db.stats();
  await output.result({ path: target, seq }, () => [`copied seq ${count(seq)} to ${target}`]);
  return exitCode.ok;
}
