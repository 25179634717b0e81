/** Logical clients of tables, the history of what they did to lists, and what they saw go wrong. */
import {
  add,
  column,
  type Database,
  isCairnError,
  subtract,
  type Transaction,
} from "../../../src/index.ts";
import type { Random } from "../../storage/random.ts";
import type { Anomaly, Append, Transaction as Done, Read, Status } from "../isolation/history.ts";
import type { Level } from "../isolation/list-append.ts";
import type { Scheduler } from "../isolation/scheduler.ts";
import { accountCount, accountsSum, bucketOf, teamNames, type World } from "./world.ts";

/** Lists that are in use at a time; they move on so that lists stay short. */
const keysAtOnce = 9;
const transactionsPerMove = 30;
const memberCount = 24;

/** What a statement about members may rightly answer. */
const refusals: ReadonlySet<string> = new Set([
  "conflict",
  "duplicate_primary_key",
  "unique_violation",
  "foreign_key_violation",
  "check_constraint_failed",
  "index_already_exists",
  "constraint_already_exists",
  "constraint_not_found",
  "index_not_found",
]);

export class Clients {
  readonly transactions: Done[] = [];
  readonly anomalies: Anomaly[] = [];
  /** Statements and transactions over other tables than the lists. */
  statements = 0;
  changes = 0;
  /** What they use; replaced when the database is opened again. */
  db: Database;
  world: World;
  readonly #random: Random;
  readonly #scheduler: Scheduler;
  readonly #level: Level;
  /** No answer counts any more: the process is gone. */
  isGone: () => boolean = () => false;
  #value = 0;
  #begun = 0;

  constructor(
    db: Database,
    world: World,
    random: Random,
    setup: { readonly scheduler: Scheduler; readonly level: Level },
  ) {
    this.db = db;
    this.world = world;
    this.#random = random;
    this.#scheduler = setup.scheduler;
    this.#level = setup.level;
  }

  /** One client: so many units of work, one after the other. */
  async work(client: number, units: number): Promise<void> {
    for (let left = units; left > 0 && !this.isGone(); left--) {
      await this.#scheduler.point();
      if (this.isGone()) return;
      const dice = this.#random.integer(100);
      if (dice < 50) await this.#lists(client);
      else if (dice < 72) await this.#excusing(() => this.#transfer());
      else if (dice < 97) await this.#excusing(() => this.#members());
      else await this.#excusing(() => this.#upkeep());
    }
  }

  /** What goes wrong must be the crash, or what the tables promise to refuse. */
  async #excusing(run: () => Promise<unknown>): Promise<void> {
    this.statements++;
    try {
      await run();
    } catch (error) {
      const isRefusal = isCairnError(error) && refusals.has(error.code);
      if (!isRefusal && !this.isGone()) throw error;
    }
  }

  async #upkeep(): Promise<void> {
    const { members, accounts } = this.world;
    const what = this.#random.integer(6);
    this.changes++;
    if (what === 0) await this.db.checkpoint();
    else if (what === 1) await members.createIndex({ name: "built", columns: ["team"] });
    else if (what === 2) await members.dropIndex("built");
    else if (what === 3)
      await accounts.addConstraint({ name: "most", check: { balance: { lte: 800 } } });
    else if (what === 4) await accounts.alter({ dropConstraints: ["most"] });
    else
      await members.createIndex({ name: "badged", columns: ["badge"], where: { pay: { lt: 5 } } });
  }

  // ---- lists

  async #lists(client: number): Promise<void> {
    const random = this.#random;
    this.#begun++;
    const base = Math.floor(this.#begun / transactionsPerMove) * 2;
    const plan = Array.from({ length: 1 + random.integer(3) }, () => ({
      what: random.integer(10),
      key: base + random.integer(keysAtOnce),
    }));
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
          for (const { what, key } of plan) await this.#step(what, key, tx, steps);
          if (random.chance(0.03)) throw new RolledBack();
        },
        { isolation: this.#level, retries: random.pick([0, 1, 8]) },
      );
      end(this.isGone() ? "unknown" : "ok");
    } catch (error) {
      const isNothing = error instanceof RolledBack || isCairnError(error, "conflict");
      if (!isNothing && !this.isGone()) throw error;
      end(isNothing ? "fail" : "unknown");
    }
  }

  async #step(what: number, key: number, tx: Transaction, steps: (Append | Read)[]): Promise<void> {
    if (this.#random.chance(0.5)) await this.#scheduler.point();
    if (what < 3) {
      await this.#readBucket(bucketOf(key), tx, steps);
      return;
    }
    const lists = tx.table(this.world.lists);
    const row = await lists.get(key);
    const list = row?.list ?? [];
    steps.push({ kind: "read", key, list });
    if (what < 5) return;
    const last = list.at(-1);
    // A statement that fails leaves nothing behind, not even what came before the failure in it.
    if (what === 5 && last !== undefined) await this.#failing(tx, key, last);
    const value = ++this.#value;
    const next = [...list, value];
    const changed = { list: next, size: next.length, last: value };
    if (row === undefined) await lists.insert({ id: key, bucket: bucketOf(key), ...changed });
    else if (this.#random.chance(0.5)) await lists.update(key, changed);
    else await lists.updateWhere({ bucket: bucketOf(key), id: key }, changed);
    await tx.table(this.world.entries).insert({ value, list: key });
    steps.push({ kind: "append", key, value });
  }

  async #failing(tx: Transaction, list: number, last: number): Promise<void> {
    const entries = tx.table(this.world.entries);
    try {
      await entries.insertMany([
        { value: -last, list },
        { value: last, list },
      ]);
    } catch (error) {
      if (isCairnError(error, "duplicate_primary_key")) return;
      throw error;
    }
    this.#report("statement", `the entry ${last} was inserted twice`);
  }

  /** Several lists in one visit, through an index; those that are not there count as read, too. */
  async #readBucket(bucket: number, tx: Transaction, steps: (Append | Read)[]): Promise<void> {
    const query = this.db.from(this.world.lists).where({ bucket });
    const rows = await tx.query(query).all();
    const found = new Map(rows.map((row) => [row.id, row.list]));
    for (let key = bucket * 3; key < bucket * 3 + 3; key++) {
      steps.push({ kind: "read", key, list: found.get(key) ?? [] });
    }
  }

  // ---- accounts

  async #transfer(): Promise<void> {
    const random = this.#random;
    const { accounts } = this.world;
    const [from, to] = random.some([...Array(accountCount).keys()], 2);
    const amount = 1 + random.integer(60);
    if (random.chance(0.3)) {
      const rows = await this.db
        .from(accounts)
        .where({ balance: { gte: 0 } })
        .all();
      const sum = rows.reduce((total, { balance }) => total + balance, 0);
      if (sum !== accountsSum) this.#report("torn read", `accounts were seen to hold ${sum}`);
      return;
    }
    await this.db.transaction(
      async (tx) => {
        const inside = tx.table(accounts);
        await inside.update(from, { balance: subtract(column("balance"), amount) });
        if (random.chance(0.4)) await this.#scheduler.point();
        await inside.update(to, { balance: add(column("balance"), amount) });
        const rows = await tx.query(this.db.from(accounts).orderBy("balance")).all();
        const sum = rows.reduce((total, { balance }) => total + balance, 0);
        if (sum !== accountsSum) this.#report("torn read", `a transfer has seen ${sum}`);
      },
      { isolation: this.#level, retries: random.pick([0, 2, 8]) },
    );
  }

  // ---- members and teams

  async #members(): Promise<void> {
    const random = this.#random;
    const { members, teams } = this.world;
    const row = {
      id: random.integer(memberCount),
      team: random.chance(0.2) ? null : random.pick(teamNames),
      badge: random.chance(0.4) ? null : random.integer(16),
      pay: random.integer(4),
      taste: random.chance(0.3) ? null : Float32Array.of(random.fraction(), random.fraction()),
    };
    const name = random.pick(teamNames);
    const what = random.integer(13);
    if (what > 10) await this.#search();
    else if (what < 2) await members.upsert(row);
    else if (what < 3) await members.insert(row, { onConflict: "merge" });
    else if (what < 4) await members.updateWhere({ pay: row.pay }, { team: row.team });
    else if (what < 5) await members.delete(row.id);
    else if (what < 6) await teams.upsert({ name });
    else if (what < 7) await teams.delete(name);
    else {
      await this.db.transaction(
        async (tx) => {
          // Whoever joins a team needs it to stay; whoever ends one takes along who is in it.
          const inside = tx.table(members);
          if (what === 7) await tx.table(teams).delete(name);
          else if (random.chance(0.2)) await tx.table(teams).upsert({ name });
          if (random.chance(0.5)) await this.#scheduler.point();
          await inside.upsert({ ...row, team: what === 7 ? null : name });
          await inside.updateWhere({ badge: row.badge ?? 0 }, { pay: add(column("pay"), 1) });
        },
        { isolation: this.#level, retries: random.pick([0, 2]) },
      );
    }
  }

  /** All members with a vector are found, nearest first, and as the same state has them. */
  async #search(): Promise<void> {
    const random = this.#random;
    const { members } = this.world;
    const query = [random.fraction(), random.fraction()];
    const snapshot = this.db.snapshot();
    try {
      const found = await members.search("taste", query, { k: memberCount, snapshot });
      const rows = await members.rows({ snapshot }).toArray();
      const distances = rows
        .flatMap(({ taste }) => (taste === null ? [] : [taste]))
        .map((taste) => (taste[0] - query[0]) ** 2 + (taste[1] - query[1]) ** 2)
        .sort((left, right) => left - right);
      const isSame =
        found.length === distances.length &&
        found.every(({ distance }, at) => Math.abs(distance - distances[at]) < 1e-5);
      if (!isSame) this.#report("search", `${found.length} of ${distances.length} were found`);
    } finally {
      snapshot.release();
    }
  }

  /** Reads all lists, when all others have ended. */
  async readAll(): Promise<void> {
    const begin = this.#scheduler.now();
    const rows = await this.world.lists.rows().toArray();
    const found = new Map(rows.map((row) => [row.id, row.list]));
    const keys = new Set<number>();
    for (const { steps } of this.transactions) for (const { key } of steps) keys.add(key);
    const steps = [...keys].map((key): Read => ({ kind: "read", key, list: found.get(key) ?? [] }));
    const end = this.#scheduler.now();
    this.transactions.push({ client: -1, begin, end, status: "ok", steps });
  }

  #report(name: string, message: string): void {
    if (!this.isGone()) this.anomalies.push({ name, message });
  }
}

class RolledBack extends Error {}
