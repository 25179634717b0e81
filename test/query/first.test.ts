import { expect, test } from "vitest";
import {
  add,
  column,
  count,
  type Database,
  gt,
  MemoryStorage,
  open,
  parameter,
  sum,
  t,
} from "../../src/index.ts";

const definition = {
  columns: {
    id: t.integer().primaryKey(),
    owner: t.text(),
    points: t.integer().notNull(),
    big: t.u256(),
  },
  indexes: [{ columns: ["owner", "points"] as const }],
};

async function people(db: Database) {
  const table = await db.table("people", definition);
  await table.insertMany(
    Array.from({ length: 1000 }, (_one, id) => ({
      id,
      owner: id % 7 === 0 ? null : `o${id % 5}`,
      points: (id * 37) % 100,
      big: id % 3 === 0 ? null : BigInt(id) << 200n,
    })),
  );
  return table;
}

test("a query filters, sorts, cuts off and selects", async () => {
  const db = await open(new MemoryStorage());
  const table = await people(db);
  const all = table.rowsSync().toArray();
  const query = db.from(table).where({ owner: "o1", points: { gte: 50 } });
  const expected = all.filter((row) => row.owner === "o1" && row.points >= 50);
  expect(await query.orderBy("id").all()).toEqual(expected);
  expect(query.orderBy("id", "desc").offset(2).limit(3).allSync()).toEqual(
    expected.toReversed().slice(2, 5),
  );
  expect(await query.count()).toBe(expected.length);
  expect(query.orderBy("points").orderBy("id", "desc").limit(5).allSync()).toEqual(
    expected.toSorted((a, b) => a.points - b.points || b.id - a.id).slice(0, 5),
  );
  const doubled = db
    .from(table)
    .where(gt(column("points"), 97))
    .select({ id: "id", twice: add(column("points"), column("points")) })
    .orderBy("twice")
    .orderBy("id");
  expect(doubled.allSync().slice(0, 2)).toEqual([
    { id: 54, twice: 196 },
    { id: 154, twice: 196 },
  ]);
  expect(
    db
      .from(table)
      .where({ id: parameter("id") })
      .select("owner")
      .firstSync({ parameters: { id: 6 } }),
  ).toEqual({ owner: "o1" });
  await db.close();
});

test("groups are summed exactly", async () => {
  const db = await open(new MemoryStorage());
  const table = await people(db);
  const all = table.rowsSync().toArray();
  const groups = db
    .from(table)
    .groupBy("owner")
    .select((row) => ({ owner: row.owner, n: count(), total: sum(row.big) }))
    .orderBy("owner");
  const expected = [null, "o0", "o1", "o2", "o3", "o4"].map((owner) => {
    const own = all.filter((row) => row.owner === owner);
    return { owner, n: own.length, total: own.reduce((s, row) => s + (row.big ?? 0n), 0n) };
  });
  expect(groups.allSync()).toEqual(expected);
  expect(
    db
      .from(table)
      .where({ id: -1 })
      .select({ n: count(), s: sum("points") })
      .allSync(),
  ).toEqual([{ n: 0, s: null }]);
  await db.close();
});

test("tables are joined", async () => {
  const db = await open(new MemoryStorage());
  const table = await people(db);
  const owners = await db.table("owners", {
    columns: { name: t.text().primaryKey(), city: t.text() },
  });
  await owners.insertMany([
    { name: "o1", city: "Bern" },
    { name: "o9", city: "Rom" },
  ]);
  const rows = db
    .from(table, "p")
    .leftJoin(owners, "o", { "o.name": column("p.owner") })
    .where({ "p.id": { lt: 8 } })
    .select({ id: "p.id", city: "o.city" })
    .orderBy("id")
    .allSync();
  expect(rows.map(({ city }) => city)).toEqual([
    null,
    "Bern",
    null,
    null,
    null,
    null,
    "Bern",
    null,
  ]);
  const full = db
    .from(table, "p")
    .fullJoin(owners, "o", { "o.name": column("p.owner") })
    .where({ "p.id": null })
    .allSync();
  expect(full).toEqual([{ p: null, o: { name: "o9", city: "Rom" } }]);
  await db.close();
});

test("a number that is nearly another joins with nothing", async () => {
  const db = await open(new MemoryStorage());
  const left = await db.table("left", { columns: { id: t.float().primaryKey() } });
  const right = await db.table("right", { columns: { id: t.i64().primaryKey() } });
  await left.insertMany([-1e-300, 0.5, 2, 2 ** 53, 1e300].map((id) => ({ id })));
  await right.insertMany([-9n, 0n, 1n, 2n, 3n].map((id) => ({ id })));
  const joined = db.from(left, "l").join(right, "r", { "r.id": column("l.id") });
  expect(joined.allSync()).toEqual([{ l: { id: 2 }, r: { id: 2n } }]);
  await db.close();
});

test("a condition that reads no column holds for aggregates, too", async () => {
  const db = await open(new MemoryStorage());
  const table = await people(db);
  const never = db
    .from(table)
    .where(gt(1, 2))
    .select({ n: count(), s: sum("points") });
  expect(never.allSync()).toEqual([{ n: 0, s: null }]);
  await db.close();
});
