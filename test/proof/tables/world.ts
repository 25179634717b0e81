/** The tables that the clients share, and what must be true of them whenever somebody looks. */
import { type Database, type Table, t } from "../../../src/index.ts";

export interface List {
  id: number;
  bucket: number;
  list: readonly number[];
  size: number;
  last: number | null;
}
export interface Entry {
  value: number;
  list: number;
}
export interface Team {
  name: string;
}
export interface Member {
  id: number;
  team: string | null;
  badge: number | null;
  pay: number;
  taste: Float32Array | null;
}
export interface Account {
  id: number;
  balance: number;
}

export interface World {
  /** Lists that are appended to, as the checkers of isolation want them. */
  readonly lists: Table<List, Partial<List> & { id: number }>;
  /** A row for everything that was appended. */
  readonly entries: Table<Entry, Entry>;
  readonly teams: Table<Team, Team>;
  /** They go with their team. */
  readonly members: Table<Member, Partial<Member> & { id: number }>;
  /** Their sum never changes. */
  readonly accounts: Table<Account, Account>;
}

export const accountCount = 8;
export const accountsSum: number = accountCount * 100;
export const teamNames: readonly string[] = ["red", "blue", "green"];
export const bucketOf = (key: number): number => Math.floor(key / 3);

/** Opens the tables, and fills them when they are new. */
export async function openWorld(db: Database): Promise<World> {
  const known = new Set((await db.tables()).map(({ name }) => name));
  // Clients change the tables: those that are there are opened as they are.
  const open = (async (name: string, definition: never) =>
    known.has(name) ? db.table(name) : db.table(name, definition)) as unknown as Database["table"];
  const lists = await open("lists", {
    columns: {
      id: t.integer().primaryKey(),
      bucket: t.integer().notNull(),
      list: t.json<readonly number[]>().notNull(),
      size: t.integer().notNull(),
      last: t.integer().unique(),
    },
    indexes: [
      { columns: ["bucket", "size"] },
      { name: "long", columns: ["size"], where: { size: { gt: 3 } } },
    ],
    checks: { sized: { size: { gt: 0 } } },
  });
  const entries = await open("entries", {
    columns: { value: t.integer().primaryKey(), list: t.integer().notNull().references("lists") },
  });
  const teams = await open("teams", { columns: { name: t.text().primaryKey() } });
  const members = await open("members", {
    columns: {
      id: t.integer().primaryKey(),
      team: t.text().references("teams", { onDelete: "cascade" }),
      badge: t.integer().unique(),
      pay: t.integer().notNull().default(0),
      taste: t.vector(2),
    },
    indexes: [
      { columns: ["pay"], kind: "hashed" },
      { name: "paid", columns: ["team", "pay"], where: { pay: { gt: 0 } } },
      { columns: ["taste"], kind: "vector", metric: "l2" },
    ],
  });
  const accounts = await open("accounts", {
    columns: { id: t.integer().primaryKey(), balance: t.integer().notNull() },
    indexes: [{ columns: ["balance"] }],
    checks: { covered: { balance: { gte: 0 } } },
  });
  const world = { lists, entries, teams, members, accounts };
  if (accounts.count() === 0) {
    const all = Array.from({ length: accountCount }, (_, id) => ({ id, balance: 100 }));
    await accounts.insertMany(all);
  }
  return world as unknown as World;
}

/** What is wrong with everything, looked at when nobody else does anything. */
export async function faultsOf(db: Database, world: World): Promise<string[]> {
  const faults: string[] = [];
  for (const table of Object.values(world) as Table<unknown, unknown>[]) {
    for (const { where, reason, count } of (await table.check()).findings) {
      faults.push(`${table.name} ${where}: ${count} ${reason}`);
    }
  }
  const accounts = await world.accounts.rows().toArray();
  const sum = accounts.reduce((total, { balance }) => total + balance, 0);
  // A crash may have come before they were filled.
  if (accounts.length > 0 && sum !== accountsSum) faults.push(`accounts hold ${sum}`);
  const lists = await world.lists.rows().toArray();
  const appended = new Map<number, number>();
  for (const { id, bucket, list, size, last } of lists) {
    const isRight = bucket === bucketOf(id) && size === list.length && last === list.at(-1);
    if (!isRight) faults.push(`list ${id} contradicts itself`);
    for (const value of list) appended.set(value, id);
  }
  const entries = await world.entries.rows().toArray();
  if (entries.length !== appended.size) {
    faults.push(`${entries.length} entries of ${appended.size} values`);
  }
  for (const { value, list } of entries) {
    if (appended.get(value) !== list) faults.push(`the entry ${value} is of no list`);
  }
  const { findings } = await db.verify();
  for (const { what, where, reason } of findings) faults.push(`${what} ${where}: ${reason}`);
  return faults;
}
