/** States that are held while the database goes on: snapshots, and iterators under way. */
import { isCairnError, type Snapshot } from "../../../src/index.ts";
import type { Operation } from "./operation.ts";
import type { Performer } from "./perform.ts";
import { unbounded } from "./perform-range.ts";
import type { Shelf } from "./reference.ts";
import { shelfKinds } from "./shelf-kind.ts";

export interface Held {
  readonly snapshot: Snapshot;
  readonly shelves: readonly Shelf[];
  readonly time: number;
}

interface Under {
  readonly shelf: number;
  readonly rows: Iterator<unknown> | AsyncIterator<unknown>;
  /** Numbers of the keys that are still to come; undefined where there is no order. */
  readonly keys: number[] | undefined;
  /** Keys to come where there is no order. */
  readonly left: Set<number>;
  readonly state: Shelf;
}

type HeldOperation = Extract<
  Operation,
  { do: "snapshot" | "release" | "getThen" | "entriesThen" | "iterate" | "advance" }
>;

export class Keeper {
  readonly #performer: Performer;
  readonly #iterators: (Under | undefined)[] = [];

  constructor(performer: Performer) {
    this.#performer = performer;
  }

  clear(): void {
    this.#iterators.length = 0;
  }

  perform(operation: HeldOperation): void | Promise<void> {
    switch (operation.do) {
      case "snapshot":
        return this.#take();
      case "release":
        return this.#release(operation.which);
      case "iterate":
        return this.#iterate(operation);
      case "advance":
        return this.#advance(operation.which, operation.rows);
      default:
        return this.#read(operation);
    }
  }

  #take(): void {
    const { held, world, reference } = this.#performer;
    if (held.length >= 3) return;
    const snapshot = world.db.snapshot();
    if (snapshot.time !== world.time) {
      this.#performer.fail("the time of a snapshot", snapshot.time, world.time);
    }
    const shelves = reference.shelves.map((shelf) => shelf.copy());
    held.push({ snapshot, shelves, time: world.time });
  }

  #release(which: number): void {
    const { held } = this.#performer;
    if (which >= held.length) return;
    held.splice(which, 1)[0].snapshot.release();
  }

  #read(
    operation: Extract<HeldOperation, { do: "getThen" | "entriesThen" }>,
  ): void | Promise<void> {
    const { shelf, which } = operation;
    const performer = this.#performer;
    const held = performer.held[which];
    if (held === undefined) return;
    const { snapshot, time } = held;
    const then = held.shelves[shelf];
    const isSame = then.exists && then.incarnation === performer.shelf(shelf).incarnation;
    const state = isSame ? then : empty(then);
    const target = performer.keyspace(shelf);
    if (operation.do === "getThen") {
      const name = performer.key(shelf, operation.key);
      return this.#then(
        held,
        () => performer.call(target, "get", name, { snapshot }),
        (found) => performer.requireRead("get", shelf, operation.key, found, state, time),
      );
    }
    const options = { ...performer.ranges.options(shelf, operation.bounds), snapshot };
    return this.#then(
      held,
      () => performer.ranges.rowsOf(performer.call(target, "entries", options)),
      (rows) => {
        const { bounds } = operation;
        performer.ranges.requireRows("entries", shelf, bounds, rows as unknown[], state, time);
      },
    );
  }

  /** A read of a snapshot, which may have been taken back where memory is short. */
  #then(held: Held, work: () => unknown, check: (found: unknown) => void): void | Promise<void> {
    const performer = this.#performer;
    const lapsed = (error: unknown): void => {
      const isAllowed = isCairnError(error, "snapshot_expired") && held.snapshot.expired;
      if (!isAllowed || !performer.world.isTight) throw error;
      performer.held.splice(performer.held.indexOf(held), 1);
    };
    try {
      const done = performer.reading(work, check);
      return done instanceof Promise ? done.catch(lapsed) : done;
    } catch (error) {
      lapsed(error);
    }
  }

  #iterate({ shelf, which, bounds }: Extract<HeldOperation, { do: "iterate" }>): void {
    const performer = this.#performer;
    const state = performer.shelf(shelf).copy();
    const options = performer.ranges.options(shelf, bounds);
    const rows = performer.call(performer.keyspace(shelf), "keys", options) as Under["rows"];
    const isOrdered = shelfKinds[shelf].isOrdered;
    const keys = performer.ranges.expected(state, shelf, bounds, performer.now);
    // With a limit nobody knows which of the unordered keys are meant.
    const all = performer.ranges.expected(state, shelf, unbounded, performer.now);
    this.#iterators[which]?.rows.return?.();
    const left = new Set(isOrdered ? [] : all);
    this.#iterators[which] = { shelf, rows, keys: isOrdered ? keys : undefined, left, state };
  }

  #advance(which: number, rows: number): void | Promise<void> {
    const under = this.#iterators[which];
    if (under === undefined || rows === 0) return;
    const performer = this.#performer;
    try {
      const done = performer.reading(
        () => under.rows.next(),
        (row) => {
          if (!this.#requireNext(under, row as IteratorResult<unknown>)) return;
          return this.#advance(which, rows - 1);
        },
      );
      return done instanceof Promise ? done.catch((error) => this.#ended(which, error)) : done;
    } catch (error) {
      this.#ended(which, error);
    }
  }

  #ended(which: number, error: unknown): void {
    const { world } = this.#performer;
    if (!isCairnError(error, "snapshot_expired") || !world.isTight) throw error;
    this.#iterators[which] = undefined;
  }

  #requireNext(under: Under, { done, value }: IteratorResult<unknown>): boolean {
    const performer = this.#performer;
    const { shelf, keys, left } = under;
    if (keys === undefined) {
      if (done === true) return false;
      const key = performer.ranges.numberOf(shelf, value);
      if (!left.delete(key)) performer.fail("an iterator", key, "a key that was there, once");
      return true;
    }
    const expected = keys.shift();
    const found = done === true ? undefined : performer.ranges.numberOf(shelf, value);
    if (found !== expected) performer.fail("an iterator", found, expected);
    return done !== true;
  }
}

function empty(shelf: Shelf): Shelf {
  const copy = shelf.copy();
  copy.values.fill(undefined);
  return copy;
}
