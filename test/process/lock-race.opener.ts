/**
 * One opener in the race of lock-race.mjs: opens the database for writing again and again, and says
 * so in a journal that all openers append to. The order of the journal's lines is the order of
 * events.
 *
 *     E id generation   is in            L id generation   is about to leave, in whatever way
 *     T id generation   is still in      X id code         failed otherwise than by lock_held
 */
import { openSync, writeSync } from "node:fs";
import process from "node:process";
import { isCairnError } from "../../src/errors.ts";
import { type NodeStorage, openNodeStorage } from "../../src/storage/node-fs/index.ts";
import type { Claim } from "../../src/storage/port.ts";

const [folder = "", journalPath = "", id = "", holdMsMax = "20"] = process.argv.slice(2);
const journal = openSync(journalPath, "a");

function note(kind: string, what: number | string): void {
  writeSync(journal, `${kind} ${id} ${what}\n`);
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

async function hold(storage: NodeStorage, claim: Claim): Promise<void> {
  const { generation } = claim;
  // A generation is nobody else's, so its number is free; and nobody else writes here now.
  storage.log.create(generation, 8192);
  storage.log.append(generation, 0, new TextEncoder().encode(id));
  storage.log.remove(storage.log.list().filter((segment) => segment < generation));
  // Not waited for: the claim may be released, or the process killed, in the middle of it.
  const ahead = 1_000_000 + generation;
  storage.log.createAhead(ahead, 65_536).catch(() => undefined);
  const ticks = Math.random() * Number(holdMsMax);
  for (let tick = 0; tick < ticks; tick++) {
    note("T", generation);
    claim.check();
    await sleep(1);
  }
  storage.log.remove([ahead]);
}

async function openOnce(): Promise<void> {
  const storage = openNodeStorage(folder);
  const claim = await storage.acquire("exclusive", { create: true });
  note("E", claim.generation);
  await hold(storage, claim);
  note("L", claim.generation);
  const ending = Math.random();
  if (ending < 0.1) process.kill(process.pid, "SIGKILL");
  if (ending < 0.2) process.exit(0);
  storage.close();
  claim.release();
}

while (true) {
  try {
    await openOnce();
  } catch (error) {
    if (!isCairnError(error, "lock_held")) {
      note("X", isCairnError(error) ? error.code : "unknown");
      writeSync(2, `${id}: ${error instanceof Error ? error.stack : error}\n`);
      process.exit(1);
    }
  }
  await sleep(Math.random() * 6);
}
