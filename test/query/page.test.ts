import fc from "fast-check";
import { expect, test } from "vitest";
import {
  column,
  count,
  type Database,
  MemoryStorage,
  open,
  parameter,
  t,
} from "../../src/index.ts";
import { decodeCursor, encodeCursor } from "../../src/query/cursor.ts";
import { sipHash } from "../../src/query/siphash.ts";
import { fails } from "../kv/fails.ts";
import "../seed.ts";

const definition = {
  columns: {
    id: t.text().primaryKey(),
    team: t.text(),
    points: t.integer(),
    big: t.u64().notNull(),
    at: t.timestamp(),
  },
  indexes: [{ columns: ["team", "points"] as const }],
};

async function filled(db: Database, rows: number) {
  const table = await db.table("players", definition);
  await table.insertMany(
    Array.from({ length: rows }, (_one, id) => ({
      id: `p${id}`,
      team: id % 4 === 0 ? null : `t${id % 3}`,
      points: id % 5 === 0 ? null : id % 7,
      big: BigInt(id % 2) + 2n ** 63n,
      at: id % 6 === 0 ? null : new Date((id % 3) * 1000),
    })),
  );
  return table;
}

type Order = { by: "id" | "team" | "points" | "big" | "at"; direction: "asc" | "desc" };
const orderArbitrary: fc.Arbitrary<Order> = fc.record({
  by: fc.constantFrom("id", "team", "points", "big", "at"),
  direction: fc.constantFrom("asc", "desc"),
});

test("pages laid end to end are all rows, each once, in every order", async () => {
  const db = await open(new MemoryStorage());
  const table = await filled(db, 97);
  await fc.assert(
    fc.asyncProperty(
      fc.array(orderArbitrary, { maxLength: 3 }),
      fc.integer({ min: 1, max: 40 }),
      async (orders, limit) => {
        let query = db.from(table).select("id", "team", "points", "big", "at");
        for (const { by, direction } of orders) query = query.orderBy(by, direction);
        const rows: unknown[] = [];
        let cursor: string | undefined;
        do {
          const page = query.pageSync({
            limit,
            total: true,
            ...(cursor === undefined ? {} : { cursor }),
          });
          expect(page.total).toBe(97);
          expect(page.rows.length).toBe(Math.min(limit, 97 - rows.length));
          rows.push(...page.rows);
          cursor = page.cursor;
        } while (cursor !== undefined);
        // The primary key makes every order complete.
        expect(rows).toEqual(query.orderBy("id").allSync());
      },
    ),
    { numRuns: 40 },
  );
  await db.close();
});

test("rows that are written between pages neither shift nor repeat others", async () => {
  const db = await open(new MemoryStorage());
  const table = await filled(db, 20);
  const query = db.from(table).select("id");
  const first = await query.page({ limit: 5 });
  await table.insert({ id: "a", big: 1n });
  await table.delete("p1");
  const second = await query.page({ limit: 5, cursor: first.cursor as string });
  const ids = [...first.rows, ...second.rows].map(({ id }) => id);
  expect(ids).toEqual(
    Array.from({ length: 20 }, (_one, id) => `p${id}`)
      .sort()
      .slice(0, 10),
  );
  await db.close();
});

test("groups and distinct rows have pages, too", async () => {
  const db = await open(new MemoryStorage());
  const table = await filled(db, 50);
  const groups = db.from(table).groupBy("points").select({ points: "points", n: count() });
  const sorted = groups.orderBy("n", "desc");
  const whole = sorted.orderBy("points").allSync();
  const first = sorted.pageSync({ limit: 3 });
  const second = sorted.pageSync({ limit: 99, cursor: first.cursor as string });
  expect([...first.rows, ...second.rows]).toEqual(whole);
  expect(second.cursor).toBe(undefined);
  const distinct = db.from(table).select("team").distinct();
  const page = distinct.pageSync({ limit: 2 });
  expect(page.rows).toEqual([{ team: null }, { team: "t0" }]);
  expect(distinct.pageSync({ limit: 2, cursor: page.cursor as string }).rows).toEqual([
    { team: "t1" },
    { team: "t2" },
  ]);
  await db.close();
});

test("a cursor that was changed, or is of another query, is refused", async () => {
  const db = await open(new MemoryStorage());
  const table = await filled(db, 30);
  const query = db
    .from(table)
    .where({ points: { gte: parameter("least") } })
    .orderBy("points");
  const parameters = { least: 1 };
  const { cursor } = query.pageSync({ limit: 4, parameters });
  const good = cursor as string;
  const read = (given: string, with_ = query, values = parameters, more = {}) =>
    with_.page({ limit: 4, cursor: given, parameters: values, ...more });
  expect((await read(good)).rows.length).toBe(4);
  for (let at = 0; at < good.length; at++) {
    const changed = good[at] === "A" ? "B" : "A";
    await fails("cursor_invalid", () => read(good.slice(0, at) + changed + good.slice(at + 1)));
    await fails("cursor_invalid", () => read(good.slice(0, at)));
  }
  await fails("cursor_invalid", () => read(good, query, { least: 2 }));
  await fails("cursor_invalid", () => read(good, query.orderBy("big")));
  await fails("cursor_invalid", () => read(good, query.where({ team: "t1" })));
  await fails("cursor_invalid", () =>
    read(good, query, parameters, { cursorKey: new Uint8Array(16) }),
  );
  await fails("argument_invalid", () => read(good, query.limit(3)));
  const other = await open(new MemoryStorage());
  const same = other.from(await filled(other, 30)).where({ points: { gte: parameter("least") } });
  await fails("cursor_invalid", () => read(good, same.orderBy("points")));
  await other.close();
  await db.close();
});

test("a page reads only its rows where an index has the order", async () => {
  const db = await open(new MemoryStorage());
  const table = await filled(db, 2_000);
  const { cursor } = db.from(table).pageSync({ limit: 10 });
  expect(cursor).toBeDefined();
  const explained = db
    .from(table)
    .where({ id: { gt: "p5" } })
    .orderBy("id")
    .limit(10)
    .explainSync();
  expect(explained).toMatchObject({ sorted: false, rowsScanned: 10, rowsReturned: 10 });
  expect(explained.tables[0].access).toBe("range");
  await db.close();
});

test("SipHash-2-4 answers the published vectors", () => {
  const key = [0x0706050403020100n, 0x0f0e0d0c0b0a0908n] as const;
  const bytes = (length: number): Uint8Array => Uint8Array.from({ length }, (_one, at) => at);
  expect(sipHash(key, bytes(0))).toBe(0x726fdb47dd0e0e31n);
  expect(sipHash(key, bytes(1))).toBe(0x74f839c593dc67fdn);
  expect(sipHash(key, bytes(8))).toBe(0x93f5f5799a932462n);
  expect(sipHash(key, bytes(15))).toBe(0xa129ca6149be45e5n);
});

test("cursors bring back every kind of value", () => {
  const key = [1n, 2n] as const;
  const values = [null, "é", 1.5, 2n ** 200n, new Date(5), new Uint8Array([0, 255]), true];
  expect(decodeCursor(key, 9n, encodeCursor(key, 9n, values))).toEqual(values);
});

test("bounds of text keys are exact, also where one begins with another", async () => {
  const db = await open(new MemoryStorage());
  const names = ["", "a", "a\0", "a\0b", "ab", "abc", "b", "\u{1f600}", "\uffff", "é"];
  const rows = names.flatMap((id) => names.map((other) => ({ id, other })));
  const alone = await db.table("alone", { columns: { id: t.text().primaryKey() } });
  await alone.insertMany(names.map((id) => ({ id })));
  const pair = await db.table("pair", {
    columns: { id: t.text().primaryKey(), other: t.text().primaryKey() },
    indexes: [{ columns: ["other"] as const }],
  });
  await pair.insertMany(rows);
  const bytes = (text: string): Buffer => Buffer.from(text);
  const order = (a: string, b: string): number => Buffer.compare(bytes(a), bytes(b));
  for (const name of names) {
    const tests = {
      lt: (id: string) => order(id, name) < 0,
      lte: (id: string) => order(id, name) <= 0,
      gt: (id: string) => order(id, name) > 0,
      gte: (id: string) => order(id, name) >= 0,
      eq: (id: string) => order(id, name) === 0,
    };
    for (const [op, is] of Object.entries(tests)) {
      const expected = names.filter(is).sort(order);
      const found = db
        .from(alone)
        .where({ id: { [op]: name } })
        .allSync();
      expect(found.map(({ id }) => id)).toEqual(expected);
      for (const by of ["id", "other"] as const) {
        const query = db
          .from(pair)
          .where({ [by]: { [op]: name } })
          .orderBy(by)
          .useIndex("other_index");
        expect(query.allSync().map((row) => row[by])).toEqual(
          expected.flatMap((one) => names.map(() => one)),
        );
      }
    }
    const both = db
      .from(pair)
      .where({ id: name, other: { lte: name } })
      .select("other")
      .allSync();
    expect(both.map(({ other }) => other)).toEqual(names.filter(tests.lte).sort(order));
  }
  expect(
    db
      .from(alone)
      .where({ id: { like: "a%" } })
      .countSync(),
  ).toBe(5);
  expect(
    db
      .from(pair)
      .where({ other: { like: "ab%" } })
      .useIndex("other_index")
      .countSync(),
  ).toBe(20);
  expect(
    db
      .from(alone)
      .where({ id: { in: ["b", "x", "a", "a"] } })
      .orderBy("id", "desc")
      .allSync(),
  ).toEqual([{ id: "b" }, { id: "a" }]);
  expect(
    db
      .from(alone)
      .where({ id: column("id") })
      .countSync(),
  ).toBe(names.length);
  await db.close();
});
