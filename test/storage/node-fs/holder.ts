/**
 * A process that opens a database for writing and then does as it is told, line by line:
 * `check`, `release`, `exit`, `child` (starts one that outlives it). Answers each with a line.
 */
import { spawn } from "node:child_process";
import process from "node:process";
import { createInterface } from "node:readline";
import { isCairnError } from "../../../src/errors.ts";
import { openNodeStorage } from "../../../src/storage/node-fs/index.ts";

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

function outcome(work: () => unknown): string {
  try {
    work();
    return "ok";
  } catch (error) {
    return isCairnError(error) ? error.code : String(error);
  }
}

const [folder = "", keepsRunning = "yes"] = process.argv.slice(2);
const storage = openNodeStorage(folder);
try {
  const claim = await storage.acquire("exclusive", { create: true });
  say(`held ${claim.generation}`);
  if (keepsRunning === "yes") {
    for await (const line of createInterface({ input: process.stdin })) {
      if (line === "check") say(outcome(() => claim.check()));
      if (line === "release") {
        storage.close();
        say(outcome(() => claim.release()));
      }
      if (line === "exit") process.exit(0);
      if (line === "child") {
        const child = spawn("sleep", ["20"], { stdio: "ignore", detached: true });
        say(`child ${child.pid}`);
      }
    }
  }
} catch (error) {
  say(isCairnError(error) ? `${error.code} ${error.details.pid ?? ""}` : String(error));
}
