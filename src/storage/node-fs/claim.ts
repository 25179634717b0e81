import { CairnError } from "../../errors.ts";
import type { AccessMode, Claim, LockHolder } from "../port.ts";
import { claimNext, heldClaim, removeOlderClaims } from "./lock.ts";
import { NodeLockFolder } from "./lock-folder.ts";
import { type ClaimRecord, holderOf, randomId } from "./lock-record.ts";
import { processIdentity } from "./process-identity.ts";
import { SignOfLife } from "./sign-of-life.ts";

/** Takes the lock of the database in folder `path`, which exists. */
export async function claimExclusively(path: string): Promise<Claim> {
  const id = randomId();
  const lock = new NodeLockFolder(path, id);
  lock.folder.create();
  const life = await SignOfLife.listen(lock.folder.path, id);
  try {
    const claimant = { ...processIdentity(), id, since: life.since, state: "held" } as const;
    const record = await claimNext(lock, claimant);
    await tidy(lock, record);
    return new ExclusiveClaim(lock, life, record);
  } catch (error) {
    // A claim that others saw stays; its socket says from now on that its holder is dead.
    life.close({ remove: !lock.wasSeen });
    lock.folder.close();
    throw error;
  }
}

async function tidy(lock: NodeLockFolder, record: ClaimRecord): Promise<void> {
  try {
    await removeOlderClaims(lock, record.generation);
    await lock.sweep(record);
  } catch {
    // The claim is good without it, and every later one tries again.
  }
}

class ExclusiveClaim implements Claim {
  readonly mode: AccessMode = "exclusive";
  readonly generation: number;
  readonly #lock: NodeLockFolder;
  readonly #life: SignOfLife;
  readonly #record: ClaimRecord;
  #released = false;

  constructor(lock: NodeLockFolder, life: SignOfLife, record: ClaimRecord) {
    this.generation = record.generation;
    this.#lock = lock;
    this.#life = life;
    this.#record = record;
  }

  check(): void {
    if (!this.#released && this.#lock.isNewest(this.#record)) return;
    throw new CairnError(
      "generation_lost",
      `Cannot go on writing ${this.#lock.path}: the lock of generation ${this.generation} is no ` +
        "longer ours. It was broken, or its files were removed. Open the database again.",
      { details: { path: this.#lock.path, generation: this.generation } },
    );
  }

  release(): void {
    if (this.#released) return;
    this.#released = true;
    let marked = false;
    try {
      this.#lock.markReleased(this.#record);
      marked = true;
    } catch {
      // No space, say. The socket then stays and refuses, which says the same to the next opener.
    }
    this.#life.close({ remove: marked });
    this.#lock.folder.close();
  }
}

/** Who holds the database in folder `path` for writing. */
export async function findHolder(path: string): Promise<LockHolder | undefined> {
  const record = await heldClaim(new NodeLockFolder(path, randomId()));
  return record === undefined ? undefined : holderOf(record);
}
