/** The thread that a mutant runs in: performs the checks that it is told to, and answers. */
import { parentPort, workerData } from "node:worker_threads";
import type { Said } from "../judge.ts";
import type { CheckName } from "../mutant.ts";
import { checkCrash, checkCrashLater, checkLargeGroup } from "./crash.ts";
import { checkDamage } from "./damage.ts";
import { checkDecoding } from "./decoding.ts";
import { checkFailures } from "./failures.ts";
import { checkFiles } from "./files.ts";
import { checkStories } from "./stories.ts";
import { checkTraces } from "./traces.ts";

const checks: Readonly<Record<CheckName, (seed: number) => Promise<void>>> = {
  stories: checkStories,
  crash: checkCrash,
  "crash-later": checkCrashLater,
  "large-group": checkLargeGroup,
  failures: checkFailures,
  damage: checkDamage,
  decoding: checkDecoding,
  files: checkFiles,
  traces: checkTraces,
};

const wanted = workerData as { checks: readonly CheckName[]; seed: number };

function say(said: Said): void {
  parentPort?.postMessage(said);
}

for (const check of wanted.checks) {
  say({ check });
  try {
    await checks[check](wanted.seed);
  } catch (error) {
    say({ check, failure: error instanceof Error ? error.message : String(error) });
    break;
  }
}
say({ check: wanted.checks.at(-1) ?? "stories", isLast: true });
