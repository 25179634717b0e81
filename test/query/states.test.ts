import { expect, test } from "vitest";
import {
  avg,
  column,
  count,
  eq,
  gt,
  MemoryStorage,
  max,
  min,
  open,
  parameter,
  sum,
  t,
} from "../../src/index.ts";
import { fails } from "../kv/fails.ts";

const definition = {
  columns: { id: t.integer().primaryKey(), owner: t.text(), cents: t.u256().notNull() },
  indexes: [{ columns: ["owner"] as const }],
};

async function opened() {
  const db = await open(new MemoryStorage());
  const table = await db.table("accounts", definition);
  await table.insertMany(
    Array.from({ length: 300 }, (_one, id) => ({ id, owner: `o${id % 3}`, cents: BigInt(id) })),
  );
  return { db, table };
}

test("a query reads the newest state, a snapshot, or a transaction's own writes", async () => {
  const { db, table } = await opened();
  const query = db
    .from(table)
    .where({ owner: "o1" })
    .select({ n: count(), all: sum<bigint>("cents") });
  const before = query.allSync();
  using then = db.snapshot();
  await table.insert({ id: 1_000, owner: "o1", cents: 7n });
  expect(await query.all({ snapshot: then })).toEqual(before);
  const after = [{ n: before[0].n + 1, all: (before[0].all as bigint) + 7n }];
  expect(await query.all()).toEqual(after);
  await db
    .transaction(async (tx) => {
      const inside = tx.table(table);
      await inside.deleteWhere({ owner: "o1" });
      await inside.insert({ id: 5_000, owner: "o1", cents: 1n });
      expect(await tx.query(query).all()).toEqual([{ n: 1, all: 1n }]);
      expect(await tx.query(db.from(table).where({ id: 5_000 })).first()).toMatchObject({
        cents: 1n,
      });
      expect(await query.all()).toEqual(after);
      throw new Error("taken back");
    })
    .catch((error: Error) => expect(error.message).toBe("taken back"));
  const iterator = db.from(table).rows();
  await table.deleteWhere({});
  expect((await iterator.toArray()).length).toBe(301);
  expect(db.from(table).countSync()).toBe(0);
  await db.close();
});

test("what a serializable transaction has queried must still be so when it commits", async () => {
  const { db, table } = await opened();
  // By the index, so that only entries of this owner are read.
  const query = db.from(table).where({ owner: "o1" }).useIndex("owner_index");
  const attempt = (touch: () => Promise<unknown>) =>
    db.transaction(
      async (tx) => {
        const n = await tx.query(query).count();
        await touch();
        await tx.table(table).insert({ id: 10_000 + n, owner: "x", cents: 0n });
      },
      { isolation: "serializable", retries: 0 },
    );
  await fails("conflict", () => attempt(() => table.insert({ id: 777, owner: "o1", cents: 0n })));
  await fails("conflict", () => attempt(() => table.delete(777)));
  await attempt(() => table.insert({ id: 778, owner: "o2", cents: 0n }));
  await db.close();
});

test("a prepared query runs with other values each time", async () => {
  const { db, table } = await opened();
  const byId = db
    .from(table)
    .where({ id: parameter("id") })
    .prepare<{ id: number | bigint | null }>();
  expect(byId.firstSync({ id: 4 })?.cents).toBe(4n);
  expect((await byId.first({ id: 5n }))?.cents).toBe(5n);
  expect(byId.allSync({ id: 2.5 })).toEqual([]);
  expect(byId.allSync({ id: null })).toEqual([]);
  await fails("argument_invalid", () => byId.all({} as never));
  await fails("option_unknown", () => byId.all({ id: 1, other: 2 } as never));
  await fails("type_mismatch", () => byId.all({ id: "4" } as never));
  const richest = db
    .from(table)
    .where(gt(column("cents"), parameter("least")))
    .orderBy("cents", "desc")
    .prepare<{ least: bigint }>();
  expect((await richest.page({ least: 290n }, { limit: 2 })).rows.map(({ id }) => id)).toEqual([
    299, 298,
  ]);
  await db.close();
});

test("sums of wide numbers are exact, those of safe integers say when they are not", async () => {
  const db = await open(new MemoryStorage());
  const table = await db.table("wide", {
    columns: {
      id: t.integer().primaryKey(),
      u: t.u256(),
      i: t.i256(),
      n: t.u64(),
      s: t.integer(),
    },
  });
  const top = 2n ** 256n - 1n;
  const half = 2n ** 255n;
  await table.insertMany([
    { id: 1, u: top, i: -half, n: 2n ** 64n - 1n, s: Number.MAX_SAFE_INTEGER },
    { id: 2, u: top, i: -half, n: 2n ** 64n - 1n, s: Number.MAX_SAFE_INTEGER },
    { id: 3, u: 5n, i: half - 1n, n: 1n, s: Number.MIN_SAFE_INTEGER },
    { id: 4 },
  ]);
  const all = db.from(table);
  expect(
    all
      .select({ u: sum<bigint>("u"), i: sum<bigint>("i"), n: sum<bigint>("n"), s: sum("s") })
      .allSync(),
  ).toEqual([{ u: 2n * top + 5n, i: -half - 1n, n: 2n ** 65n - 1n, s: Number.MAX_SAFE_INTEGER }]);
  expect(
    all.select({ a: min<bigint>("u"), b: max<bigint>("i"), c: avg("n"), d: avg("s") }).allSync(),
  ).toEqual([
    { a: 5n, b: half - 1n, c: Number((2n ** 65n - 1n) / 3n), d: Number.MAX_SAFE_INTEGER / 3 },
  ]);
  const unsafe = all.where({ id: { lt: 3 } }).select({ s: sum("s") });
  await fails("overflow", () => unsafe.all());
  await db.close();
});

test("what a query may hold in memory is bounded", async () => {
  const { db, table } = await opened();
  const memoryBytesMax = 5_000;
  const query = db.from(table);
  await fails("query_too_large", () => query.orderBy("cents").all({ memoryBytesMax }));
  await fails("query_too_large", () =>
    query.groupBy("id").select({ n: count() }).all({ memoryBytesMax }),
  );
  await fails("query_too_large", () =>
    db
      .from(table, "a")
      .join(table, "b", eq(column("a.cents"), column("b.cents")))
      .all({ memoryBytesMax }),
  );
  const different = query.select({ n: count("id", { distinct: true }) });
  await fails("query_too_large", () => different.all({ memoryBytesMax }));
  expect(await different.all()).toEqual([{ n: 300 }]);
  expect((await query.orderBy("id").all({ memoryBytesMax })).length).toBe(300);
  expect((await query.orderBy("cents", "desc").limit(5).all({ memoryBytesMax }))[0].id).toBe(299);
  await db.close();
});

test("mistakes are refused before the first row", async () => {
  const { db, table } = await opened();
  const query = db.from(table);
  const people = db.from(table, "a").join(table, "b", { "b.id": column("a.id") });
  await fails("unknown_column", () => query.where({ nobody: 1 } as never).all());
  await fails("unknown_column", () => people.where(eq(column("c.id"), 1)).all());
  await fails("expression_invalid", () => people.where(eq(column("id"), 1)).all());
  await fails("type_mismatch", () => query.where({ id: "1" } as never).all());
  await fails("type_mismatch", () => query.select({ s: sum("owner") }).all());
  await fails("expression_invalid", () => query.select({ o: "owner", n: count() }).all());
  await fails("expression_invalid", () => query.where(gt(count(), 1)).all());
  await fails("expression_invalid", () => query.groupBy("owner").all());
  await fails("index_not_found", () => query.useIndex("none").all());
  await fails("table_not_found", () => db.query({ from: { table: "none" } }));
  await fails("option_unknown", () => db.query({ from: { table: "accounts" }, wher: 1 } as never));
  await db.dropTable("accounts");
  await fails("table_dropped", () => query.all());
  await db.close();
});

test("a long query lets others have their turns, and can be stopped", async () => {
  const db = await open(new MemoryStorage());
  const table = await db.table("long", {
    columns: { id: t.integer().primaryKey(), name: t.text() },
  });
  for (let from = 0; from < 80_000; from += 10_000) {
    await table.insertMany(
      Array.from({ length: 10_000 }, (_one, at) => ({ id: from + at, name: `n${at % 10}` })),
    );
  }
  const query = db.from(table).groupBy("name").select({ name: "name", n: count() });
  let turns = 0;
  const timer = setInterval(() => turns++, 0);
  expect((await query.all()).length).toBe(10);
  clearInterval(timer);
  expect(turns).toBeGreaterThan(0);
  const controller = new AbortController();
  const stopped = query.all({ signal: controller.signal });
  controller.abort();
  await fails("aborted", () => stopped);
  expect(query.allSync().length).toBe(10);
  expect([...db.from(table).where({ name: "n3" }).rowsSync()].length).toBe(8_000);
  await db.close();
});
