/**
 * Random pairs of table definitions: the steps between them lead from one to the other and back,
 * judged by what the database says of tables that were made by `db.table` alone.
 */
import { describe, expect, test } from "vitest";
import {
  type Column,
  type Database,
  migration,
  open,
  stepsBetween,
  type TableDefinition,
  type TableDefinitions,
  t,
} from "../../src/index.ts";
import { seed } from "../seed.ts";
import { Random } from "../storage/random.ts";

const columnsAll: Readonly<Record<string, readonly Column[]>> = {
  a: [t.text(), t.text().default("x")],
  b: [t.integer(), t.integer().notNull().default(3), t.integer().default(4)],
  c: [
    t.u256(),
    t
      .u256()
      .notNull()
      .default(2n ** 200n),
  ],
  d: [t.timestamp(), t.timestamp().default(new Date(5))],
  e: [t.blob()],
};

function randomTables(random: Random): TableDefinitions {
  const tables: Record<string, TableDefinition> = {};
  const names = ["first", "second", "third"].filter(() => random.chance(0.8));
  for (const name of names) {
    const columns: Record<string, Column> = { id: t.integer().primaryKey() };
    for (const [column, choices] of Object.entries(columnsAll)) {
      if (random.chance(0.7)) columns[column] = random.pick(choices);
    }
    const some = random.some(Object.keys(columns).slice(1), 2);
    const indexes = [
      ...(some.length > 0 && random.chance(0.6) ? [{ columns: some }] : []),
      ...("b" in columns && random.chance(0.4) ? [{ columns: ["b"], unique: true }] : []),
      ...(random.chance(0.3)
        ? [{ name: "part", columns: ["id"], where: { id: { gt: random.integer(3) } } }]
        : []),
    ];
    const before = Object.keys(tables);
    const foreignKeys =
      before.length > 0 && random.chance(0.5)
        ? [{ name: "to", columns: ["id"], references: { table: random.pick(before) } }]
        : [];
    const checks = random.chance(0.5) ? { small: { id: { lt: random.whole(50, 52) } } } : {};
    tables[name] = { columns, indexes, foreignKeys, checks };
  }
  return tables;
}

async function create(db: Database, tables: TableDefinitions): Promise<void> {
  for (const [name, definition] of Object.entries(tables)) await db.table(name, definition);
}

/** What the database says of its tables, in an order of its own. */
async function described(db: Database): Promise<unknown> {
  const all: unknown[] = [];
  const byName = (left: { name: string }, right: { name: string }): number =>
    left.name < right.name ? -1 : 1;
  for (const { name } of await db.tables()) {
    if (name === "__migrations") continue;
    const { columns, indexes, checks, foreignKeys, ...rest } = (await db.table(name)).describe();
    all.push({
      ...rest,
      columns: columns.toSorted(byName),
      indexes: indexes.toSorted(byName),
      checks: checks.toSorted(byName),
      foreignKeys: foreignKeys.toSorted(byName),
    });
  }
  return all;
}

async function describedAs(tables: TableDefinitions): Promise<unknown> {
  await using db = await open("memory:");
  await create(db, tables);
  return await described(db);
}

describe("random tables", () => {
  test.each(Array.from({ length: 60 }, (_none, index) => index))("pair %i", async (index) => {
    const random = new Random(seed + index);
    const [before, after] = [randomTables(random), randomTables(random)];
    try {
      await using db = await open("memory:");
      await create(db, before);
      const plan = { name: "to the other", dropTables: true };
      const there = await db.planMigration(after, plan);
      const written = migration({ version: 1, name: "x", up: stepsBetween(before, after) });
      expect(there.up.map(({ description }) => description).toSorted()).toEqual(
        written.up.map(({ description }) => description).toSorted(),
      );
      await db.migrate([there]);
      expect(await described(db)).toEqual(await describedAs(after));
      const again = await db.planMigration(after, plan);
      expect(again.up.map(({ description }) => description)).toEqual([]);
      await db.migrate([there], { to: 0 });
      expect(await described(db)).toEqual(await describedAs(before));
      expect(await db.migrate([written])).toMatchObject({ applied: [1] });
      expect(await described(db)).toEqual(await describedAs(after));
    } catch (error) {
      throw new Error(`Failed with SEED=${seed}, pair ${index}`, { cause: error });
    }
  });
});

test("columns that are renamed keep their values, with what is declared over them", async () => {
  await using db = await open("memory:");
  const before = {
    people: {
      columns: { id: t.integer().primaryKey(), owner: t.text(), age: t.integer() },
      indexes: [{ name: "by", columns: ["owner"] }],
      checks: { grown: { age: { gte: 18 } } },
    },
  } as const;
  const after = {
    people: {
      columns: { id: t.integer().primaryKey(), holder: t.text(), years: t.integer() },
      indexes: [{ name: "by", columns: ["holder"] }],
      checks: { grown: { years: { gte: 18 } } },
    },
  } as const;
  await create(db, before);
  await (await db.table("people")).insert({ id: 1, owner: "ada", age: 36 });
  const rename = { people: { owner: "holder", age: "years" } };
  const planned = await db.planMigration(after, { name: "other names", rename });
  expect(planned.up.map(({ description }) => description)).toEqual(["rename columns of people"]);
  await db.migrate([planned]);
  const people = await db.table("people", after.people);
  expect(await people.get(1)).toEqual({ id: 1, holder: "ada", years: 36 });
  await db.migrate([planned], { to: 0 });
  expect(await (await db.table("people")).get(1)).toEqual({ id: 1, owner: "ada", age: 36 });
});

test("what no step can change is refused", async () => {
  const one = { x: { columns: { id: t.integer().primaryKey(), a: t.text() } } };
  const others: TableDefinitions[] = [
    { x: { columns: { id: t.integer().primaryKey(), a: t.integer() } } },
    { x: { columns: { id: t.integer(), a: t.text().primaryKey() } } },
  ];
  for (const other of others) {
    expect(() => stepsBetween(one, other)).toThrow(/of another type|primary key/);
  }
  await using db = await open("memory:");
  await create(db, { ...one, kept: one.x });
  expect((await db.planMigration(one, { name: "x" })).up).toHaveLength(0);
  const dropping = await db.planMigration(one, { name: "x", dropTables: true });
  expect(dropping.up.map(({ description }) => description)).toEqual(["drop the table kept"]);
});
