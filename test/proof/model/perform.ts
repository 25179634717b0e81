/** Performs operations on a database and on the reference, and compares what both say. */
import { isCairnError, type Receipt } from "../../../src/index.ts";
import type { Operation, Write } from "./operation.ts";
import { type Held, Keeper } from "./perform-held.ts";
import { Ranges } from "./perform-range.ts";
import { performTransaction } from "./perform-transaction.ts";
import { performUpkeep } from "./perform-upkeep.ts";
import type { Reference, Shelf } from "./reference.ts";
import { isSameStored, type ShelfKind, shelfKinds } from "./shelf-kind.ts";
import type { Universe } from "./universe.ts";
import type { AnyKeyspace, World } from "./world.ts";

export type AnyUniverse = Universe<string | Uint8Array>;

/** The database does not say what the reference says. */
export class Mismatch extends Error {
  override readonly name = "Mismatch";
}

type Now<T> = T | Promise<T>;

/** What a write may answer once the storage has failed. */
const refusals = new Set(["outcome_unknown", "poisoned", "disk_full", "storage_failed"]);

const asyncNames = {
  get: "get",
  has: "has",
  expiresAt: "expiresAt",
  ttl: "ttl",
  view: "view",
  getMany: "getMany",
  count: "count",
  put: "put",
  delete: "delete",
  persist: "persist",
  batch: "batch",
  deleteGroup: "deleteGroup",
  entries: "entries",
  keys: "keys",
  values: "values",
  group: "group",
} as const;
export type Method = keyof typeof asyncNames;
const syncNames = Object.fromEntries(
  Object.keys(asyncNames).map((name) => [name, `${name}Sync`]),
) as Record<Method, string>;

export class Performer {
  readonly world: World;
  readonly reference: Reference;
  readonly universes: readonly AnyUniverse[];
  readonly held: Held[] = [];
  readonly ranges: Ranges;
  readonly keeper: Keeper;
  /** Operations that were compared. */
  done = 0;
  /** Storage calls that were made to fail, and processes that died. */
  faults = 0;
  crashes = 0;
  isPoisoned = false;
  /** Operations since a fault has struck. */
  sinceStrike = 0;
  readonly #names: Readonly<Record<Method, string>>;
  readonly #isDurable: boolean;
  #seq = 0n;

  constructor(world: World, reference: Reference, universes: readonly AnyUniverse[]) {
    this.world = world;
    this.reference = reference;
    this.universes = universes;
    this.#names = world.options.isAsync ? asyncNames : syncNames;
    const { durability } = world.options.engine;
    this.#isDurable = durability === undefined || durability === "full";
    this.ranges = new Ranges(this);
    this.keeper = new Keeper(this);
  }

  get now(): number {
    return this.world.time;
  }

  shelf(index: number): Shelf {
    return this.reference.shelves[index];
  }

  keyspace(index: number): AnyKeyspace {
    return this.world.keyspaces[index] as AnyKeyspace;
  }

  key(shelf: number, key: number): string | Uint8Array {
    return this.universes[shelf].keys[key];
  }

  /** Calls a method, in its synchronous form where there is one. */
  call(target: object, method: Method, ...given: unknown[]): unknown {
    const methods = target as Record<string, (...given: unknown[]) => unknown>;
    return methods[this.#names[method]](...given);
  }

  /** Opens anew: states that were held are gone, and writes work again. */
  reset(): void {
    this.isPoisoned = false;
    this.sinceStrike = 0;
    this.#seq = 0n;
    this.held.length = 0;
    this.keeper.clear();
  }

  perform(operation: Operation): Now<void> {
    this.done++;
    if ("shelf" in operation) {
      const { shelf, do: what } = operation;
      if (!this.shelf(shelf).exists && what !== "create" && what !== "drop") {
        return this.#refused(operation.shelf);
      }
    }
    switch (operation.do) {
      case "get":
      case "has":
      case "expiresAt":
      case "ttl":
      case "view":
        return this.#read(operation.do, operation.shelf, operation.key);
      case "getMany":
        return this.#readMany(operation.shelf, operation.keys);
      case "put":
        return this.#put(operation.shelf, operation.write, operation.finality);
      case "delete":
      case "persist":
        return this.#change(operation.do, operation.shelf, operation.key, operation.finality);
      case "batch":
        return this.#batch(operation.shelf, operation.writes, operation.finality);
      case "batchAll":
        return this.#batchAll(operation.writes);
      case "burst":
        return this.#burst(operation.shelf, operation.writes, operation.finality);
      case "entries":
      case "keys":
      case "values":
        return this.ranges.scan(operation.do, operation.shelf, operation.bounds);
      case "count":
        return this.ranges.count(operation.shelf, operation.bounds, operation.exact);
      case "pages":
        return this.ranges.pages(operation.shelf, operation.limit, operation.reverse);
      case "group":
        return this.ranges.group(operation.shelf, operation.group);
      case "deleteGroup":
        return this.#deleteGroup(operation.shelf, operation.group);
      case "transaction":
      case "conflict":
        return performTransaction(this, operation);
      case "snapshot":
      case "release":
      case "getThen":
      case "entriesThen":
      case "iterate":
      case "advance":
        return this.keeper.perform(operation);
      default:
        return performUpkeep(this, operation);
    }
  }

  // ---- reads

  #refused(shelf: number): void {
    const handle = this.world.keyspaces[shelf];
    if (handle === undefined || this.world.options.isAsync || this.world.hasStruck) return;
    try {
      this.call(handle, "get", this.key(shelf, 0));
    } catch (error) {
      if (isCairnError(error, "keyspace_dropped")) return;
      throw error;
    }
    throw new Mismatch("a dropped keyspace was read");
  }

  #read(
    method: "get" | "has" | "expiresAt" | "ttl" | "view",
    shelf: number,
    key: number,
  ): Now<void> {
    const target = this.keyspace(shelf);
    const name = this.key(shelf, key);
    const look = method === "view" ? Buffer.from : undefined;
    return this.reading(
      () => this.call(target, method, name, look),
      (found) => this.requireRead(method, shelf, key, found, this.shelf(shelf), this.now),
    );
  }

  requireRead(
    method: "get" | "has" | "expiresAt" | "ttl" | "view",
    shelf: number,
    key: number,
    found: unknown,
    state: Shelf,
    now: number,
  ): void {
    const kept = state.get(key, now);
    const expires = state.expires[key];
    let isRight: boolean;
    if (kept === undefined) isRight = found === (method === "has" ? false : undefined);
    else if (method === "get") isRight = shelfKinds[shelf].isSame(kept, found);
    else if (method === "has") isRight = found === true;
    else if (method === "view") isRight = isSameStored(kept, found);
    else if (expires === Number.POSITIVE_INFINITY) isRight = found === null;
    else isRight = found === (method === "ttl" ? expires - now : expires);
    if (!isRight) this.fail(`${method} of key ${key} of ${shelfKinds[shelf].name}`, found, kept);
  }

  #readMany(shelf: number, keys: readonly number[]): Now<void> {
    const names = keys.map((key) => this.key(shelf, key));
    return this.reading(
      () => this.call(this.keyspace(shelf), "getMany", names),
      (found) => {
        const values = found as unknown[];
        if (values.length !== keys.length) this.fail("getMany", values.length, keys.length);
        for (const [index, key] of keys.entries()) {
          this.requireRead("get", shelf, key, values[index], this.shelf(shelf), this.now);
        }
      },
    );
  }

  /** A read, which may only fail when a page could not be written and is no longer in memory. */
  reading(work: () => unknown, check: (found: unknown) => Now<void>): Now<void> {
    let found: unknown;
    try {
      found = work();
    } catch (error) {
      return this.#readFailed(error);
    }
    if (!(found instanceof Promise)) return check(found);
    return this.world.until(found).then(check, (error) => this.#readFailed(error));
  }

  #readFailed(error: unknown): void {
    if (this.world.isCrashed) return;
    const isAllowed = isCairnError(error, "disk_full") || isCairnError(error, "storage_failed");
    if (!(isAllowed && this.world.hasStruck)) throw error;
  }

  // ---- writes

  /**
   * A write. `apply` changes the reference as the write has changed the database; `check` looks at
   * the answer before that. When nobody can tell whether it happened, neither can the reference.
   * `isNothing` says that there may be nothing to write, so that it may succeed after a failure.
   */
  writing<T>(
    work: () => Now<T>,
    check: (answer: T) => void,
    apply: () => void,
    isDurable: boolean,
    isNothing = false,
  ): Now<void> {
    let answer: Now<T>;
    try {
      answer = work();
    } catch (error) {
      return this.writeFailed(error, apply);
    }
    const done = (value: T): void => {
      if (this.world.isCrashed) {
        // It was answered, and then the process died, which the answer did not survive.
      } else if (this.isPoisoned && !isNothing) {
        throw new Mismatch("a write was taken after one had failed");
      }
      check(value);
      this.reference.begin();
      apply();
      if (isDurable) this.reference.settle();
    };
    if (!(answer instanceof Promise)) return done(answer);
    return this.world.until(answer).then(done, (error: unknown) => this.writeFailed(error, apply));
  }

  writeFailed(error: unknown, apply: () => void): void {
    if (error instanceof Mismatch) throw error;
    const { world } = this;
    if (!world.isCrashed) {
      const code = isCairnError(error) ? error.code : "";
      if (!(refusals.has(code) && world.hasStruck)) throw error;
      if (code === "outcome_unknown" && this.isPoisoned) {
        throw new Mismatch("a write of unknown outcome came after one that had failed");
      }
      // Files that cannot be removed fail the call that wanted them gone, and poison nothing.
      this.isPoisoned ||= code === "outcome_unknown" || code === "poisoned";
      if (code !== "outcome_unknown") return;
    }
    this.reference.begin();
    apply();
    this.reference.doubt();
  }

  /** Whether a write that asks for this is durable when it is answered. */
  isDurable(finality: "visible" | "durable" | undefined): boolean {
    return finality === undefined ? this.#isDurable : finality === "durable";
  }

  requireReceipt(receipt: Receipt, isDurable: boolean): void {
    if (isDurable && !receipt.durable) throw new Mismatch("a durable write is not durable");
    if (receipt.seq <= this.#seq) this.fail("seq of a receipt", receipt.seq, this.#seq);
    if (receipt.time !== this.now) this.fail("time of a receipt", receipt.time, this.now);
    this.#seq = receipt.seq;
  }

  #put(shelf: number, write: Write, finality: "visible" | "durable" | undefined): Now<void> {
    const kind = shelfKinds[shelf];
    const value = kind.valueOf(write.value);
    const isDurable = this.isDurable(finality);
    const options = this.putOptions(write, finality);
    return this.writing(
      () => this.call(this.keyspace(shelf), "put", this.key(shelf, write.key), value, options),
      (receipt) => this.requireReceipt(receipt as Receipt, isDurable),
      () => this.reference.set(shelf, write.key, kind.kept(value), this.expiryOf(kind, write)),
      isDurable,
    );
  }

  putOptions(write: Write, finality: "visible" | "durable" | undefined): object | undefined {
    const { how, span } = write.life;
    if (how === 0) return finality === undefined ? undefined : { finality };
    const rest = finality === undefined ? {} : { finality };
    if (how === 1) return { ...rest, ttl: null };
    return how === 2 ? { ...rest, ttl: span } : { ...rest, expiresAt: this.now + span - 500 };
  }

  expiryOf(kind: ShelfKind, { life }: Write): number {
    if (life.how === 0) return this.now + kind.ttl;
    if (life.how === 1) return Number.POSITIVE_INFINITY;
    return life.how === 2 ? this.now + life.span : this.now + life.span - 500;
  }

  #change(
    method: "delete" | "persist",
    shelf: number,
    key: number,
    finality: "visible" | "durable" | undefined,
  ): Now<void> {
    const state = this.shelf(shelf);
    const isThere = state.isLive(key, this.now);
    const expected = method === "delete" ? isThere : isThere && state.expires[key] < 1e300;
    const options = finality === undefined ? undefined : { finality };
    return this.writing(
      () => this.call(this.keyspace(shelf), method, this.key(shelf, key), options),
      (found) => {
        if (found !== expected) this.fail(`${method} of key ${key}`, found, expected);
      },
      () => {
        if (!expected) return;
        if (method === "delete") this.reference.delete(shelf, key);
        else this.reference.set(shelf, key, state.values[key], Number.POSITIVE_INFINITY);
      },
      expected && this.isDurable(finality),
    );
  }

  #batch(
    shelf: number,
    writes: readonly Write[],
    finality: "visible" | "durable" | undefined,
  ): Now<void> {
    const isDurable = this.isDurable(finality);
    const operations = writes.map((write) => this.#operation(shelf, write));
    const options = finality === undefined ? undefined : { finality };
    return this.writing(
      () => this.call(this.keyspace(shelf), "batch", operations, options),
      (receipt) => this.requireReceipt(receipt as Receipt, isDurable),
      () => {
        for (const write of writes) this.applyWrite(shelf, write);
      },
      isDurable,
    );
  }

  #operation(shelf: number, write: Write): object {
    const key = this.key(shelf, write.key);
    if (write.value < 0) return { type: "delete", key };
    const value = shelfKinds[shelf].valueOf(write.value);
    return { type: "put", key, value, ...this.putOptions(write, undefined) };
  }

  applyWrite(shelf: number, write: Write): void {
    if (write.value < 0) {
      this.reference.delete(shelf, write.key);
      return;
    }
    const kind = shelfKinds[shelf];
    const kept = kind.kept(kind.valueOf(write.value));
    this.reference.set(shelf, write.key, kept, this.expiryOf(kind, write));
  }

  #batchAll(all: readonly (readonly [number, Write])[]): Now<void> {
    const writes = all.filter(([shelf]) => this.shelf(shelf).exists);
    if (writes.length === 0) return;
    const { db, options } = this.world;
    const build = (batch: Parameters<Parameters<typeof db.batch>[0]>[0]): undefined => {
      for (const [shelf, write] of writes) {
        const key = this.key(shelf, write.key);
        if (write.value < 0) batch.delete(this.keyspace(shelf), key);
        else {
          const value = shelfKinds[shelf].valueOf(write.value);
          batch.put(this.keyspace(shelf), key, value, this.putOptions(write, undefined));
        }
      }
      return undefined;
    };
    return this.writing(
      () => (options.isAsync ? db.batch(build) : db.batchSync(build)),
      (receipt) => this.requireReceipt(receipt, this.isDurable(undefined)),
      () => {
        for (const [shelf, write] of writes) this.applyWrite(shelf, write);
      },
      this.isDurable(undefined),
    );
  }

  /** Writes that do not wait for each other: they count in the order in which they were made. */
  async #burst(
    shelf: number,
    writes: readonly Write[],
    finality: "visible" | "durable" | undefined,
  ): Promise<void> {
    const answers = writes.map((write) => {
      const operation = this.#operation(shelf, write);
      const options = finality === undefined ? undefined : { finality };
      return this.keyspace(shelf).batch([operation as never], options);
    });
    const all = this.world.until(Promise.allSettled(answers));
    let outcomes: PromiseSettledResult<Receipt>[];
    try {
      outcomes = await all;
    } catch {
      outcomes = writes.map(() => ({ status: "rejected", reason: undefined }));
    }
    const unknown: (() => void)[] = [];
    for (const [index, outcome] of outcomes.entries()) {
      const apply = (): void => this.applyWrite(shelf, writes[index]);
      if (outcome.status === "fulfilled") {
        if (unknown.length > 0) throw new Mismatch("a write was taken after one had failed");
        this.writing(
          () => outcome.value,
          (receipt) => this.requireReceipt(receipt, this.isDurable(finality)),
          apply,
          this.isDurable(finality),
        );
      } else if (this.world.isCrashed || isCairnError(outcome.reason, "outcome_unknown")) {
        unknown.push(apply);
      } else this.writeFailed(outcome.reason, apply);
    }
    if (unknown.length === 0) return;
    if (!(this.world.isCrashed || this.world.hasStruck)) throw new Mismatch("outcome unknown");
    this.isPoisoned = true;
    this.reference.doubtAll(unknown);
  }

  #deleteGroup(shelf: number, group: number): Now<void> {
    const { key, from, to } = this.universes[shelf].groups[group];
    const state = this.shelf(shelf);
    const expected = state.count(from, to, this.now);
    return this.writing(
      () => this.call(this.keyspace(shelf), "deleteGroup", key),
      (found) => {
        if (found !== expected) this.fail(`deleteGroup ${key}`, found, expected);
      },
      () => this.reference.deleteAll(shelf, from, to),
      this.isDurable(undefined) && expected > 0,
    );
  }

  fail(what: string, found: unknown, expected: unknown): never {
    throw new Mismatch(`${what} answered ${show(found)}, expected ${show(expected)}`);
  }
}

export function show(value: unknown): string {
  if (value instanceof Uint8Array) {
    return `${value.length} bytes ${Buffer.from(value.subarray(0, 12)).toString("hex")}`;
  }
  const text = typeof value === "bigint" ? `${value}n` : (JSON.stringify(value) ?? String(value));
  return text.length > 80 ? `${text.slice(0, 60)}… (${text.length} characters)` : text;
}
