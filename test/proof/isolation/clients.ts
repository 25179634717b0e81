/** Logical clients of one database, and the history of what they did. */
import { type Database, isCairnError, type Keyspace } from "../../../src/index.ts";
import type { Random } from "../../storage/random.ts";
import type { Append, Call, Read, Status, Transaction } from "./history.ts";
import type { Level } from "./list-append.ts";
import type { Scheduler } from "./scheduler.ts";

type List = readonly number[];

export interface Keyspaces {
  readonly lists: Keyspace<string, List>;
  readonly registers: Keyspace<string, number>;
}

/** Keys of the lists that are in use at a time; they move on so that lists stay short. */
const keysAtOnce = 9;
const transactionsPerMove = 30;
const registerCount = 6;

/** Keys sort as their numbers do. */
export function nameOf(key: number): string {
  return `k${String(key).padStart(6, "0")}`;
}

export class Clients {
  readonly transactions: Transaction[] = [];
  readonly calls: Call[] = [];
  /** What they use; replaced when the database is opened again. */
  db: Database;
  keyspaces: Keyspaces;
  readonly #random: Random;
  readonly #scheduler: Scheduler;
  readonly #level: Level;
  /** No answer counts any more: the process is gone. */
  isGone: () => boolean = () => false;
  #value = 0;
  #begun = 0;

  constructor(
    db: Database,
    keyspaces: Keyspaces,
    random: Random,
    scheduler: Scheduler,
    level: Level,
  ) {
    this.db = db;
    this.keyspaces = keyspaces;
    this.#random = random;
    this.#scheduler = scheduler;
    this.#level = level;
  }

  /** One client: so many units of work, one after the other. */
  async work(client: number, units: number): Promise<void> {
    for (let left = units; left > 0 && !this.isGone(); left--) {
      await this.#scheduler.point();
      if (this.isGone()) return;
      const dice = this.#random.integer(100);
      if (dice < 62) await this.#transact(client);
      else if (dice < 64 && this.db.readOnly === false) await this.#upkeep();
      else await this.#call();
    }
  }

  async #upkeep(): Promise<void> {
    try {
      await this.db[this.#random.pick(["checkpoint", "flush", "checkpoint", "compact"] as const)]();
    } catch (error) {
      this.#requireExcused(error);
    }
  }

  /** A failure that is not the crash, or a consequence of it, is one of the database. */
  #requireExcused(error: unknown): void {
    if (!this.isGone()) throw error;
  }

  #key(): number {
    const base = Math.floor(this.#begun / transactionsPerMove) * 2;
    return base + this.#random.integer(keysAtOnce);
  }

  async #transact(client: number): Promise<void> {
    const random = this.#random;
    this.#begun++;
    const plan = Array.from({ length: 1 + random.integer(4) }, () => ({
      what: random.integer(10),
      key: this.#key(),
    }));
    if (this.db.stats !== undefined && random.chance(0.15) && this.#canBeSync) {
      this.#transactSync(client, plan);
      return;
    }
    const retries = random.pick([0, 0, 1, 8]);
    let steps: (Append | Read)[] = [];
    let begin = this.#scheduler.now();
    const end = (status: Status): void => {
      const moment = status === "ok" ? this.#scheduler.now() : Number.POSITIVE_INFINITY;
      this.transactions.push({ client, begin, end: moment, status, steps });
    };
    let attempts = 0;
    try {
      await this.db.transaction(
        async (tx) => {
          if (attempts++ > 0) {
            // The attempt before has met a conflict: nothing of it may ever be seen.
            end("fail");
            begin = this.#scheduler.now();
          }
          steps = [];
          const inside = tx.keyspace(this.keyspaces.lists);
          for (const { what, key } of plan) await this.#step(what, key, inside, steps);
          if (random.chance(0.03)) throw new RolledBack();
        },
        { isolation: this.#level, retries },
      );
      // An answer that comes when the process is gone reaches nobody.
      end(this.isGone() ? "unknown" : "ok");
    } catch (error) {
      const isNothing = error instanceof RolledBack || isCairnError(error, "conflict");
      if (!isNothing) this.#requireExcused(error);
      end(isNothing ? "fail" : "unknown");
    }
  }

  get #canBeSync(): boolean {
    return this.isSync;
  }
  isSync = false;

  async #step(
    what: number,
    key: number,
    inside: {
      get(key: string): Promise<List | undefined>;
      put(key: string, value: List): void;
      entries(range: object): { toArray(): Promise<{ key: string; value: List }[]> };
    },
    steps: (Append | Read)[],
  ): Promise<void> {
    if (this.#random.chance(0.5)) await this.#scheduler.point();
    if (what < 1) {
      // Several lists in one visit; those that are not there yet count as read, too.
      const to = key + 3;
      const rows = await inside
        .entries({ gte: nameOf(key), lt: nameOf(to), reverse: this.#random.chance(0.3) })
        .toArray();
      const found = new Map(rows.map((row) => [row.key, row.value]));
      for (let at = key; at < to; at++) {
        steps.push({ kind: "read", key: at, list: found.get(nameOf(at)) ?? [] });
      }
      return;
    }
    const list = (await inside.get(nameOf(key))) ?? [];
    if (what < 5) {
      steps.push({ kind: "read", key, list });
      return;
    }
    // Whoever appends has read the list. Some do not say so: they have not looked at it.
    if (what < 8) steps.push({ kind: "read", key, list });
    const value = ++this.#value;
    inside.put(nameOf(key), [...list, value]);
    steps.push({ kind: "append", key, value });
  }

  #transactSync(client: number, plan: readonly { what: number; key: number }[]): void {
    const steps: (Append | Read)[] = [];
    const begin = this.#scheduler.now();
    let status: Status = "ok";
    try {
      this.db.transactionSync((tx) => {
        const inside = tx.keyspace(this.keyspaces.lists);
        for (const { what, key } of plan) {
          const list = inside.getSync(nameOf(key)) ?? [];
          steps.push({ kind: "read", key, list });
          if (what < 5) continue;
          const value = ++this.#value;
          inside.put(nameOf(key), [...list, value]);
          steps.push({ kind: "append", key, value });
        }
      });
      if (this.isGone()) status = "unknown";
    } catch (error) {
      const isBusy = isCairnError(error, "synchronous_unavailable");
      if (!isBusy) this.#requireExcused(error);
      status = isBusy ? "fail" : "unknown";
    }
    const end = status === "ok" ? this.#scheduler.now() : Number.POSITIVE_INFINITY;
    this.transactions.push({ client, begin, end, status, steps });
  }

  async #call(): Promise<void> {
    const random = this.#random;
    const key = random.integer(registerCount);
    const name = nameOf(key);
    const { registers } = this.keyspaces;
    const kind = random.pick(["write", "write", "read", "read", "read", "delete"] as const);
    const written = ++this.#value;
    const begin = this.#scheduler.now();
    let value = kind === "write" ? written : 0;
    let status: Status = "ok";
    try {
      if (kind === "read") value = (await registers.get(name)) ?? 0;
      else if (kind === "delete") value = (await registers.delete(name)) ? 1 : 0;
      else if (random.chance(0.3))
        await this.db.batch((batch) => batch.put(registers, name, value));
      else await registers.put(name, value);
      if (this.isGone()) status = "unknown";
    } catch (error) {
      this.#requireExcused(error);
      status = "unknown";
    }
    const end = status === "ok" ? this.#scheduler.now() : Number.POSITIVE_INFINITY;
    this.calls.push({ kind, key, value, begin, end, status });
  }

  /** Reads everything, when all others have ended. */
  async readAll(): Promise<void> {
    const begin = this.#scheduler.now();
    const steps: Read[] = [];
    const rows = await this.keyspaces.lists.entries().toArray();
    const found = new Map(rows.map((row) => [row.key, row.value]));
    const keys = new Set<number>();
    for (const { steps: done } of this.transactions) for (const { key } of done) keys.add(key);
    for (const key of keys) steps.push({ kind: "read", key, list: found.get(nameOf(key)) ?? [] });
    const end = this.#scheduler.now();
    this.transactions.push({ client: -1, begin, end, status: "ok", steps });
    for (let key = 0; key < registerCount; key++) {
      const from = this.#scheduler.now();
      const value = (await this.keyspaces.registers.get(nameOf(key))) ?? 0;
      const to = this.#scheduler.now();
      this.calls.push({ kind: "read", key, value, begin: from, end: to, status: "ok" });
    }
  }
}

class RolledBack extends Error {}
