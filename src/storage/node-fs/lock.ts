/**
 * The lock of a file storage: who may write, decided without any lock of the kernel.
 *
 * `lock/` holds one small file per claim, numbered by generation, and a number called the floor.
 * The newest claim counts and no other. An opener
 *
 *   1. lets a socket of its own listen (sign-of-life.ts),
 *   2. reads the newest claim N and goes on only if N is released, or its holder proven dead,
 *   3. creates claim N + 1 by linking a finished file to that name, which one opener can do,
 *   4. looks again which generation is the newest: is it N + 1, the claim is good, else it came
 *      late;
 *   5. then, holding the claim, raises the floor to N + 1 and removes the claims below it.
 *
 * No two openers ever hold a good claim at once:
 *
 * - Claims are removed only below a floor that was raised before, or when their own maker finds in
 *   step 4 that there is a newer one. The newest claim is thus never removed.
 * - The newest generation is read as the larger of the names listed and the floor, in this order.
 *   A listing is no picture of one moment, but it shows every name that was there all the time; and
 *   a claim that vanished from it meanwhile has raised the floor that is read after it.
 * - So whoever, paused between 2 and 3, creates an N + 1 that had existed and was removed, sees a
 *   newer generation in step 4 and takes its claim back. A good claim N + 1 is the first and only
 *   one of its number, made when the holder of N was released or dead; and a dead holder stays
 *   dead.
 *
 * What a kill can leave: a listening socket that now refuses, a finished but unlinked file, old
 * claims, each removed in some later step 5. A claim whose maker died right after step 3 is
 * one with a dead holder. Removing files by hand defeats all of this; `checkClaim` notices.
 */
import type { Awaitable } from "../port.ts";
import { type ClaimRecord, holderOf, lockHeld, lockInvalid } from "./lock-record.ts";

/** The files of the lock, each method one step that others may interleave with. */
export interface LockFolder {
  readonly path: string;
  /** Generations of the claims that are there, in any order. */
  generations(): Awaitable<number[]>;
  /** 0 when it was never raised. */
  floor(): Awaitable<number>;
  read(generation: number): Awaitable<ClaimRecord | undefined>;
  /** False when that generation exists already; then nothing has changed. */
  publish(record: ClaimRecord): Awaitable<boolean>;
  raiseFloor(generation: number): Awaitable<void>;
  remove(generations: readonly number[]): Awaitable<void>;
  /** True only if the holder of the claim can write no more. */
  isDead(record: ClaimRecord): Awaitable<boolean>;
}

/** A claim before it has a generation. */
export type Claimant = Omit<ClaimRecord, "generation">;

/** Each lost race means that another opener won; so many in a row mean that something is wrong. */
const attemptsMax = 100;

export async function newestGeneration(lock: LockFolder): Promise<number> {
  const listed = await lock.generations();
  const floor = await lock.floor();
  return Math.max(floor, ...listed);
}

/** The claim that counts; undefined when there was never one. */
export async function newestClaim(lock: LockFolder): Promise<ClaimRecord | undefined> {
  let generation = await newestGeneration(lock);
  while (generation > 0) {
    const record = await lock.read(generation);
    if (record !== undefined) return record;
    const again = await newestGeneration(lock);
    if (again === generation) {
      throw lockInvalid(lock.path, `no claim of generation ${generation}`, "one, or a lower floor");
    }
    generation = again;
  }
  return undefined;
}

/** Like {@link newestClaim}, but undefined also when its holder holds it no longer. */
export async function heldClaim(lock: LockFolder): Promise<ClaimRecord | undefined> {
  const record = await newestClaim(lock);
  return record === undefined || (await isFree(lock, record)) ? undefined : record;
}

/**
 * Takes the lock (steps 2 to 4). `lock_held` when its holder lives, or may live, unless `force`
 * names the generation to take it from.
 */
export async function claimNext(
  lock: LockFolder,
  claimant: Claimant,
  force = 0,
): Promise<ClaimRecord> {
  for (let attempt = 0; attempt < attemptsMax; attempt++) {
    const newest = await newestClaim(lock);
    if (newest !== undefined && newest.generation !== force && !(await isFree(lock, newest))) {
      if ((await newestGeneration(lock)) !== newest.generation) continue;
      throw lockHeld(lock.path, holderOf(newest));
    }
    const generation = (newest?.generation ?? 0) + 1;
    const record: ClaimRecord = { ...claimant, generation };
    if (!(await lock.publish(record))) continue;
    if ((await newestGeneration(lock)) === generation) return record;
    await lock.remove([generation]);
  }
  throw lockInvalid(lock.path, `${attemptsMax} attempts that failed`, "one of them to succeed");
}

/** Removes what older generations left (step 5). Only the holder of `generation` may do it. */
export async function removeOlderClaims(lock: LockFolder, generation: number): Promise<void> {
  await lock.raiseFloor(generation);
  const listed = await lock.generations();
  await lock.remove(listed.filter((other) => other < generation));
}

async function isFree(lock: LockFolder, record: ClaimRecord): Promise<boolean> {
  if (record.state !== "held" || (await lock.isDead(record))) return true;
  // It may just have been released: its socket went, and its process is still there.
  const again = await lock.read(record.generation);
  return again !== undefined && again.id === record.id && again.state !== "held";
}
