import { expect, test } from "vitest";
import { type Database, MemoryMedium, MemoryStorage, open, t } from "../../src/index.ts";
import { fails } from "../kv/fails.ts";

const people = {
  columns: {
    id: t.integer().primaryKey(),
    name: t.text().notNull(),
    age: t.u8(),
    note: t.text(),
  },
  checks: { adult: { age: { gte: 18 } } },
};

async function filled(medium: MemoryMedium = new MemoryMedium()) {
  const db = await open(new MemoryStorage(medium));
  const table = await db.table("people", people);
  await table.insertMany([
    { id: 1, name: "Ada", age: 36, note: "first" },
    { id: 2, name: "Bob", note: "second" },
  ]);
  return { db, table };
}

async function rowsOf(db: Database): Promise<unknown[]> {
  return (await db.table("people")).rowsSync().toArray();
}

test("columns come, go and change their names, and old rows stay right", async () => {
  const medium = new MemoryMedium();
  const { db, table } = await filled(medium);
  await table.alter({ rename: { age: "years" }, drop: ["note"], add: { score: t.i64() } });
  await table.alter({ add: { place: t.text().notNull().default("here") } });
  await (await db.table("people")).insert({ id: 3, name: "Cyd", years: 20, score: 5n });
  const expected = [
    { id: 1, name: "Ada", years: 36, score: null, place: "here" },
    { id: 2, name: "Bob", years: null, score: null, place: "here" },
    { id: 3, name: "Cyd", years: 20, score: 5n, place: "here" },
  ];
  expect(await rowsOf(db)).toEqual(expected);
  await (await db.table("people")).update(1, { place: "there" });
  await table.alter({ add: { note: t.text() } });
  await db.close();
  const again = await open(new MemoryStorage(medium));
  expect(await rowsOf(again)).toEqual([
    { ...expected[0], place: "there", note: null },
    { ...expected[1], note: null },
    { ...expected[2], note: null },
  ]);
  // The check goes by the new name.
  const reopened = await again.table("people");
  await fails("check_constraint_failed", () => reopened.insert({ id: 4, name: "x", years: 3 }));
  await again.close();
});

test("a column that something needs cannot be dropped", async () => {
  const { db, table } = await filled();
  await table.createIndex({ columns: ["name"] });
  for (const name of ["id", "name", "age", "nothing"]) {
    await fails("schema_invalid", () => table.alter({ drop: [name] }));
  }
  await fails("schema_invalid", () => table.alter({ add: { must: t.text().notNull() } }));
  await fails("schema_invalid", () => table.alter({ add: { name: t.text() } }));
  await fails("unknown_column", () => table.alter({ rename: { nothing: "something" } }));
  expect(await rowsOf(db)).toHaveLength(2);
  await db.close();
});

test("an index is built over the rows that are there, and kept up while it is", async () => {
  const { db, table } = await filled();
  const rows = Array.from({ length: 3_000 }, (_, id) => ({ id: id + 10, name: `n${id % 7}` }));
  await table.insertMany(rows);
  const steps: number[] = [];
  const building = table.createIndex(
    { columns: ["name"] },
    { onProgress: ({ done }) => void steps.push(done) },
  );
  // Written while it is built.
  await Promise.all([
    table.delete(10),
    table.insert({ id: 5, name: "n3" }),
    table.update(11, { name: "other" }),
  ]);
  expect(await building).toBe("name_index");
  expect(steps.length).toBeGreaterThan(3);
  const expected = table
    .rowsSync()
    .toArray()
    .filter(({ name }) => name === "n3").length;
  expect((await table.deleteWhere({ name: "n3" })).changed).toBe(expected);
  expect((await table.deleteWhere({ name: "other" })).changed).toBe(1);
  expect(table.describe().indexes).toMatchObject([{ name: "name_index", isReady: true }]);
  await fails("index_already_exists", () =>
    table.createIndex({ name: "name_index", columns: ["note"] }),
  );
  await table.dropIndex("name_index");
  await fails("index_not_found", () => table.dropIndex("name_index"));
  expect((await db.verify()).findings).toEqual([]);
  await db.close();
});

test("a unique index that rows break is not created", async () => {
  const { db, table } = await filled();
  await table.insert({ id: 3, name: "Ada" });
  await fails("unique_violation", () => table.createIndex({ columns: ["name"], unique: true }));
  expect(table.describe().indexes).toEqual([]);
  await table.delete(3);
  await table.createIndex({ columns: ["name"], unique: true });
  await fails("unique_violation", () => table.insert({ id: 4, name: "Ada" }));
  await db.close();
});

test("a build that is aborted leaves no index behind", async () => {
  const { db, table } = await filled();
  await table.insertMany(Array.from({ length: 2_000 }, (_, id) => ({ id: id + 9, name: "n" })));
  const abort = new AbortController();
  const building = table.createIndex(
    { columns: ["name"] },
    { signal: abort.signal, onProgress: () => abort.abort() },
  );
  await fails("aborted", () => building);
  expect(table.describe().indexes).toEqual([]);
  await db.close();
});

test("a transaction that began before the table was changed is refused", async () => {
  const { db, table } = await filled();
  let runs = 0;
  await db.transaction(async (tx) => {
    runs++;
    await tx.table(table).insert({ id: 100 + runs, name: "late" });
    if (runs === 1) await table.createIndex({ columns: ["name"] });
  });
  expect(runs).toBe(2);
  expect((await table.deleteWhere({ name: "late" })).changed).toBe(1);
  await db.close();
});

test("a dropped table is gone, and its name is free", async () => {
  const { db, table } = await filled();
  expect(await db.dropTable("people")).toBe(true);
  expect(await db.dropTable("people")).toBe(false);
  await fails("table_dropped", () => table.get(1));
  await fails("table_dropped", () => table.insert({ id: 9, name: "x" }));
  await fails("table_not_found", () => db.table("people"));
  const other = await db.table("people", { columns: { key: t.text().primaryKey() } });
  expect(other.count()).toBe(0);
  await fails("table_already_exists", () => db.table("people", people));
  await db.close();
});
