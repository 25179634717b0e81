import { resolve } from "node:path";
import { isCairnError } from "../../errors.ts";
import type { LockHolder } from "../port.ts";
import { findHolder } from "./claim.ts";
import { claimNext, newestClaim } from "./lock.ts";
import { NodeLockFolder } from "./lock-folder.ts";
import { type ClaimRecord, randomId } from "./lock-record.ts";
import { processIdentity } from "./process-identity.ts";

/**
 * Who holds the database in folder `path` for writing; undefined when nobody does, also when the
 * holder is certainly dead. Takes no lock and changes nothing.
 *
 * @throws CairnError `lock_invalid` when the lock's files were changed by hand.
 */
export function lockHolder(path: string): Promise<LockHolder | undefined> {
  return findHolder(resolve(path));
}

/**
 * Ends the claim of a holder that is gone, so that the database in folder `path` can be opened for
 * writing. Never needed where a dead holder can be told from a live one: opening does it by itself.
 *
 * With `force` it also takes the lock from a holder that lives or may live. That one notices at its
 * next check, before its next root, and fails with `generation_lost`; until then two processes may
 * write. It also mends a lock whose files were changed by hand.
 *
 * @returns false when nobody held the lock.
 * @throws CairnError `lock_held` when the holder is not certainly dead, and `force` is not set.
 */
export async function breakLock(path: string, options: { force?: boolean } = {}): Promise<boolean> {
  const lock = new NodeLockFolder(resolve(path), randomId());
  const breaker = { ...processIdentity(), id: randomId(), since: 0, state: "broken" } as const;
  try {
    const newest = await readClaim(lock, options.force === true);
    if (newest === "unreadable") lock.reset(breaker);
    else if (newest?.state !== "held") return false;
    else await claimNext(lock, breaker, options.force === true ? newest.generation : 0);
    return true;
  } finally {
    lock.folder.close();
  }
}

async function readClaim(
  lock: NodeLockFolder,
  force: boolean,
): Promise<ClaimRecord | "unreadable" | undefined> {
  try {
    return await newestClaim(lock);
  } catch (error) {
    if (force && isCairnError(error, "lock_invalid")) return "unreadable";
    throw error;
  }
}
