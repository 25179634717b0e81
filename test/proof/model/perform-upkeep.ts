/** What happens to the whole database: time, upkeep, faults, and opening it again. */
import { isCairnError } from "../../../src/index.ts";
import { MemoryStorage } from "../../../src/storage/memory/index.ts";
import { difference, readAll } from "./compare.ts";
import type { Operation } from "./operation.ts";
import { Mismatch, type Performer } from "./perform.ts";
import { shelfKinds } from "./shelf-kind.ts";

export function performUpkeep(performer: Performer, operation: Operation): void | Promise<void> {
  const { world } = performer;
  switch (operation.do) {
    case "wait":
      return world.wait(operation.milliseconds);
    case "turn":
      return turn();
    case "sweep":
      return sweep(performer);
    case "clear":
      return clear(performer, operation.shelf);
    case "drop":
      return drop(performer, operation.shelf);
    case "create":
      return create(performer, operation.shelf);
    case "checkpoint":
    case "flush":
    case "compact":
      return upkeep(performer, operation.do);
    case "verify":
      return verify(performer);
    case "backup":
      return backup(performer);
    case "compare":
      return compare(performer);
    case "fault":
      if (!world.arm(operation.kind, operation.after, operation.bytes)) return;
      world.personality = operation.personality;
      world.seed = operation.seed;
      return;
    case "crash":
      world.personality = operation.personality;
      world.seed = operation.seed;
      world.storage.crash();
      return;
    case "reopen":
      return reopen(performer, operation.crashAfter, operation.seed);
    default:
      throw new Error(`There is no operation ${operation.do}`);
  }
}

export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function sweep(performer: Performer): Promise<void> | void {
  const { db } = performer.world;
  return performer.writing(
    () => db.sweep(),
    (count) => {
      if (!Number.isSafeInteger(count) || count < 0) performer.fail("sweep", count, "a count");
    },
    () => undefined,
    false,
    true,
  );
}

function clear(performer: Performer, shelf: number): Promise<void> | void {
  return performer.writing(
    () => performer.keyspace(shelf).clear(),
    (receipt) => performer.requireReceipt(receipt, performer.isDurable(undefined)),
    () => performer.reference.deleteAll(shelf),
    performer.isDurable(undefined),
  );
}

function drop(performer: Performer, shelf: number): Promise<void> | void {
  const { exists } = performer.shelf(shelf);
  return performer.writing(
    () => performer.world.db.drop(shelfKinds[shelf].name),
    (found) => {
      if (found !== exists) performer.fail("drop", found, exists);
    },
    () => {
      if (!exists) return;
      performer.reference.deleteAll(shelf);
      performer.reference.setExists(shelf, false);
    },
    exists && performer.isDurable(undefined),
    !exists,
  );
}

/** Creates a keyspace that is not there, or opens it once more. */
export function create(performer: Performer, shelf: number): Promise<void> | void {
  const { world } = performer;
  const { exists } = performer.shelf(shelf);
  // Only creating writes.
  if (exists && performer.isPoisoned) return;
  return performer.writing(
    async () => {
      world.keyspaces[shelf] = await world.openKeyspace(world.db, shelf);
    },
    () => undefined,
    () => {
      if (!exists) performer.reference.setExists(shelf, true);
    },
    !exists && performer.isDurable(undefined),
  );
}

async function upkeep(
  performer: Performer,
  method: "checkpoint" | "compact" | "flush",
): Promise<void> {
  await performer.writing(
    () => performer.world.db[method](),
    () => undefined,
    () => undefined,
    !performer.isPoisoned,
  );
}

async function verify(performer: Performer): Promise<void> {
  const { world } = performer;
  if (world.isArmed) return;
  const { ok, findings } = await world.db.verify();
  if (!ok) throw new Mismatch(`verify found ${JSON.stringify(findings.slice(0, 3))}`);
}

async function backup(performer: Performer): Promise<void> {
  const { world } = performer;
  const target = new MemoryStorage();
  try {
    await world.until(world.db.backup(target));
  } catch (error) {
    if (world.isCrashed) return;
    if (!world.hasStruck || !isCairnError(error)) throw error;
    return;
  }
  if (!world.hasStruck) performer.reference.settle();
  const copy = await world.openOn(new MemoryStorage(target.medium), 1);
  const found = await readAll(performer, copy);
  await copy.close();
  const differing = difference(performer, found);
  if (differing !== undefined) throw new Mismatch(`the backup differs: ${differing}`);
}

/** All that the database holds, against all that it should. */
export async function compare(performer: Performer): Promise<void> {
  if (performer.world.isArmed) return;
  const differing = difference(performer, await readAll(performer, performer.world.db));
  if (differing !== undefined) throw new Mismatch(`the database differs: ${differing}`);
}

async function reopen(performer: Performer, crashAfter: number, seed: number): Promise<void> {
  const { world } = performer;
  let isClean = false;
  try {
    await world.until(world.db.close());
    isClean = true;
  } catch (error) {
    if (!world.isCrashed && !(world.hasStruck && isCairnError(error))) throw error;
  }
  if (isClean && !performer.isPoisoned && !world.isCrashed && !world.hasStruck) {
    performer.reference.settle();
  }
  await recover(performer, crashAfter, seed);
}

/** Opens what the last process has left, and finds out which state that is. */
export async function recover(
  performer: Performer,
  crashAfter: number,
  seed: number,
): Promise<void> {
  const { world, reference } = performer;
  // What the process has written is there, unless the power failed.
  const { personality } = world;
  const oldest = personality === "kill" ? reference.version : reference.durable;
  if (world.isCrashed) performer.crashes++;
  else if (world.hasStruck) performer.faults++;
  await turn();
  await world.openAgain(crashAfter, seed);
  performer.reset();
  const found = await readAll(performer, world.db);
  const newest = reference.version + reference.maybe.length;
  if (!reference.goBackTo(oldest, found.differs)) {
    throw new Mismatch(
      `what was found after a crash (${personality}) is no state from version ${oldest} to ` +
        `${newest}: ${difference(performer, found)}`,
    );
  }
  for (const shelf of shelfKinds.keys()) {
    if (performer.shelf(shelf).exists) {
      world.keyspaces[shelf] = await world.openKeyspace(world.db, shelf);
    }
  }
}
