/** Transactions: what they see of themselves, and when they conflict. */
import { isCairnError } from "../../../src/index.ts";
import type { Operation, Step } from "./operation.ts";
import { Mismatch, type Performer } from "./perform.ts";
import type { Shelf } from "./reference.ts";
import { shelfKinds } from "./shelf-kind.ts";

type Transaction = Extract<Operation, { do: "transaction" }>;
type Conflict = Extract<Operation, { do: "conflict" }>;

class OnPurpose extends Error {}

export function performTransaction(
  performer: Performer,
  operation: Transaction | Conflict,
): void | Promise<void> {
  if (operation.do === "conflict") return conflict(performer, operation);
  const { db, options } = performer.world;
  const { shelf, steps, end } = operation;
  performer.done += steps.length;
  // What the transaction should see: the state and, over it, its own writes.
  const inside = performer.shelf(shelf).copy();
  const keyspace = performer.keyspace(shelf);
  const isAsync = operation.isAsync || options.isAsync;
  const hasWrites = steps.some((step) => step.do === "put" || step.do === "delete");
  const isLasting = performer.isDurable(undefined) && hasWrites && end === "commit";
  const work = (): unknown => {
    if (!isAsync) {
      return db.transactionSync((tx) => {
        for (const step of steps) {
          stepSync(performer, shelf, step, tx.keyspace(keyspace), inside);
        }
        if (end === "throw") throw new OnPurpose();
      });
    }
    return db.transaction(async (tx) => {
      for (const step of steps) {
        await stepAsync(performer, shelf, step, tx.keyspace(keyspace), inside);
      }
      if (end === "throw") throw new OnPurpose();
    });
  };
  const apply = (): void => {
    for (const step of steps) {
      if (step.do !== "put" && step.do !== "delete") continue;
      performer.applyWrite(shelf, step.do === "delete" ? { ...step, value: -1 } : step);
    }
  };
  const isDurable = isLasting && !deletesNothing(operation);
  return guarded(performer, work, apply, { isThrown: end === "throw", isDurable, hasWrites });
}

/** Deletes of what is not there leave no trace, so that such a commit need not be durable. */
function deletesNothing({ steps }: Transaction): boolean {
  return !steps.some((step) => step.do === "put");
}

function guarded(
  performer: Performer,
  work: () => unknown,
  apply: () => void,
  { isThrown, isDurable, hasWrites }: { isThrown: boolean; isDurable: boolean; hasWrites: boolean },
): void | Promise<void> {
  const caught = (error: unknown): boolean => {
    if (isThrown && error instanceof OnPurpose) return true;
    throw error;
  };
  return performer.writing(
    () => {
      try {
        const done = work();
        return done instanceof Promise ? done.then(() => false, caught) : false;
      } catch (error) {
        return caught(error);
      }
    },
    (wasThrown) => {
      if (wasThrown !== isThrown) performer.fail("a transaction", wasThrown, isThrown);
    },
    () => {
      if (!isThrown) apply();
    },
    isDurable,
    isThrown || !hasWrites,
  );
}

interface Inside {
  put(key: unknown, value: unknown, options?: object): void;
}

function stage(performer: Performer, shelf: number, step: Step, inside: Shelf): void {
  if (step.do === "delete") inside.values[step.key] = undefined;
  if (step.do !== "put") return;
  const kind = shelfKinds[shelf];
  inside.values[step.key] = kind.kept(kind.valueOf(step.value));
  inside.expires[step.key] = performer.expiryOf(kind, step);
}

function stepSync(
  performer: Performer,
  shelf: number,
  step: Step,
  target: Inside & object,
  inside: Shelf,
): void {
  const call = target as unknown as Record<string, (...given: unknown[]) => unknown>;
  if (step.do === "scan") {
    const options = performer.ranges.options(shelf, step.bounds);
    const rows = (call.entriesSync(options) as { toArray(): unknown[] }).toArray();
    performer.ranges.requireRows("entries", shelf, step.bounds, rows, inside, performer.now);
    return;
  }
  const key = performer.key(shelf, step.key);
  if (step.do === "put") {
    const value = shelfKinds[shelf].valueOf(step.value);
    target.put(key, value, performer.putOptions(step, undefined));
  } else requireStep(performer, shelf, step, inside, call[`${step.do}Sync`](key));
  stage(performer, shelf, step, inside);
}

async function stepAsync(
  performer: Performer,
  shelf: number,
  step: Step,
  target: Inside & object,
  inside: Shelf,
): Promise<void> {
  const call = target as unknown as Record<string, (...given: unknown[]) => unknown>;
  if (step.do === "scan") {
    const options = performer.ranges.options(shelf, step.bounds);
    const rows = await (call.entries(options) as { toArray(): Promise<unknown[]> }).toArray();
    performer.ranges.requireRows("entries", shelf, step.bounds, rows, inside, performer.now);
    return;
  }
  const key = performer.key(shelf, step.key);
  if (step.do === "put") {
    const value = shelfKinds[shelf].valueOf(step.value);
    target.put(key, value, performer.putOptions(step, undefined));
  } else requireStep(performer, shelf, step, inside, await call[step.do](key));
  stage(performer, shelf, step, inside);
}

function requireStep(
  performer: Performer,
  shelf: number,
  step: Exclude<Step, { do: "scan" | "put" }>,
  inside: Shelf,
  found: unknown,
): void {
  const method = step.do === "get" ? "get" : "has";
  performer.requireRead(method, shelf, step.key, found, inside, performer.now);
}

/**
 * A transaction beside which somebody writes. It must fail when that touched what it writes, or,
 * serializable, what it has read; and nothing else may make it fail.
 */
async function conflict(performer: Performer, operation: Conflict): Promise<void> {
  const { shelf, read, write, other, isolation } = operation;
  const { world } = performer;
  const { db } = world;
  const keyspace = performer.keyspace(shelf);
  const state = performer.shelf(shelf);
  // Expired records may be there or not: then nobody can tell what counts as a change.
  const isVague = [write.key, other.key, read].some(
    (key) => state.values[key] !== undefined && !state.isLive(key, performer.now),
  );
  if (isVague || write.life.how > 1 || other.life.how > 1) return;
  const changesNothing = other.value < 0 && !state.isLive(other.key, performer.now);
  const isHit = other.key === write.key || (isolation === "serializable" && other.key === read);
  const expected = isHit && !changesNothing;
  let hasWritten = false;
  const run = db.transaction(
    async (tx) => {
      const inside = tx.keyspace(keyspace);
      await inside.get(performer.key(shelf, read));
      stageWrite(performer, shelf, write, inside);
      const key = performer.key(shelf, other.key);
      const value = other.value < 0 ? undefined : shelfKinds[shelf].valueOf(other.value);
      await performer.writing(
        async () => {
          if (value === undefined) await keyspace.delete(key);
          else await keyspace.put(key, value, performer.putOptions(other, undefined));
        },
        () => undefined,
        () => performer.applyWrite(shelf, other),
        performer.isDurable(undefined) && !changesNothing,
      );
      hasWritten = !performer.isPoisoned && !world.isCrashed;
      if (!hasWritten) throw new OnPurpose();
    },
    { isolation, retries: 0 },
  );
  await performer.writing(
    () =>
      run.then(
        () => false,
        (error: unknown) => {
          if (isCairnError(error, "conflict") && expected) return true;
          if (error instanceof OnPurpose) return true;
          throw error;
        },
      ),
    (hasFailed) => {
      if (hasWritten && hasFailed !== expected) {
        throw new Mismatch(`a conflict was ${hasFailed ? "found" : "missed"}`);
      }
    },
    () => {
      if (hasWritten && !expected) performer.applyWrite(shelf, write);
    },
    performer.isDurable(undefined) && hasWritten && !expected && write.value >= 0,
    true,
  );
}

function stageWrite(
  performer: Performer,
  shelf: number,
  write: Conflict["write"],
  inside: { put(key: string | Uint8Array, value: unknown, options?: object): void } & {
    delete(key: string | Uint8Array): Promise<boolean>;
  },
): void {
  const key = performer.key(shelf, write.key);
  if (write.value < 0) inside.delete(key);
  else {
    const value = shelfKinds[shelf].valueOf(write.value);
    inside.put(key, value, performer.putOptions(write, undefined));
  }
}
