/** What queries answer with: decoded rows, pages with totals, several of one state, existence. */
import { beforeEach, describe, expect, test } from "vitest";
import { z } from "zod";
import {
  type Database,
  gt,
  open,
  parameter,
  type StandardSchema,
  type Table,
  t,
} from "../../src/index.ts";

interface Row {
  id: number;
  name: string;
  n: number | null;
}

const rows: Row[] = Array.from({ length: 25 }, (_none, id) => {
  return { id, name: `name ${id}`, n: id % 4 === 0 ? null : id * 10 };
});

let db: Database;
let table: Table<Row, Row>;

beforeEach(async () => {
  db = await open("memory:");
  table = (await db.table("rows", {
    columns: { id: t.integer().primaryKey(), name: t.text().notNull(), n: t.integer() },
  })) as unknown as Table<Row, Row>;
  await table.insertMany(rows);
  return () => db.close();
});

describe("decoded rows", () => {
  class Named {
    readonly text: string;
    constructor({ id, name }: Row) {
      this.text = `${id} ${name}`;
    }
  }
  const expected = rows.map((row) => new Named(row));

  test("by a function, in every way to run a query", async () => {
    const query = db.from(table).decode((row) => new Named(row));
    expect(await query.all()).toEqual(expected);
    expect(query.allSync()).toEqual(expected);
    expect(query.allSync()[0]).toBeInstanceOf(Named);
    expect(await query.first()).toEqual(expected[0]);
    expect(query.firstSync()).toEqual(expected[0]);
    const found: Named[] = [];
    for await (const one of query.rows()) found.push(one);
    expect(found).toEqual(expected);
    const page = await query.page({ limit: 10 });
    expect(page.rows).toEqual(expected.slice(0, 10));
    const next = query.pageSync({ limit: 10, cursor: page.cursor as string, total: true });
    expect(next).toMatchObject({ rows: expected.slice(10, 20), total: 25 });
    const none = db
      .from(table)
      .where({ id: 99 })
      .decode((row) => row);
    expect([await none.first(), none.firstSync(), await none.all()]).toEqual([
      undefined,
      undefined,
      [],
    ]);
  });

  test("by a validator, which may change them", async () => {
    const schema = z.object({ id: z.number(), name: z.string().transform((text) => text.length) });
    const query = db.from(table).select("id", "name").decode(schema);
    expect(await query.all()).toEqual(rows.map(({ id, name }) => ({ id, name: name.length })));
    expect(query.firstSync()).toEqual({ id: 0, name: 6 });
    expect(await query.all({ parameters: {} })).toHaveLength(25);
  });

  test("a row that cannot be is told by its place", async () => {
    const schema = z.object({ n: z.number() });
    const query = db
      .from(table)
      .where({ id: { gte: 2 } })
      .select("n")
      .decode(schema);
    const failure = { code: "row_decode_failed", class: "validation" };
    const details = { row: 2, issues: 1, issue: expect.stringContaining("expected number") };
    await expect(query.all()).rejects.toMatchObject({ ...failure, details });
    expect(() => query.allSync()).toThrow("Cannot decode row 2 of a query");
    await expect(query.page({ limit: 5 })).rejects.toMatchObject(failure);
    const seen: unknown[] = [];
    const visit = async (): Promise<void> => {
      for await (const row of query.rows()) seen.push(row);
    };
    await expect(visit()).rejects.toMatchObject({ ...failure, details });
    expect(seen).toEqual([{ n: 20 }, { n: 30 }]);
    const odd = new Error("odd");
    const throwing = db.from(table).decode(({ id }) => {
      if (id === 7) throw odd;
      return id;
    });
    await expect(throwing.all()).rejects.toMatchObject({
      ...failure,
      details: { row: 7 },
      cause: odd,
    });
  });

  test("a validator that answers later needs the awaited form", async () => {
    const later: StandardSchema<unknown, number> = {
      "~standard": {
        version: 1,
        vendor: "test",
        validate: async (value) => ({ value: (value as Row).id + 1 }),
      },
    };
    const query = db.from(table).where({ id: 3 }).decode(later);
    expect(await query.all()).toEqual([4]);
    expect(() => query.allSync()).toThrow(/answered with a promise/);
  });

  test("within a transaction they see its writes", async () => {
    const query = db
      .from(table)
      .where({ id: { gte: 24 } })
      .decode(({ name }) => name);
    await db.transaction(async (tx) => {
      await tx.table(table).insert({ id: 25, name: "new", n: 1 });
      expect(await tx.query(query).all()).toEqual(["name 24", "new"]);
    });
  });
});

test("a page that is asked for its total has one", async () => {
  const { total } = await db.from(table).where({ n: null }).page({ limit: 3, total: true });
  expect(total.toFixed(0)).toBe("7");
  const without = await db.from(table).page({ limit: 3 });
  expect(without.total).toBeUndefined();
});

test("a query knows whether there is a row, and looks for no more than one", async () => {
  for (const id of [-1, 0, 12, 24, 25]) {
    const query = db.from(table).where({ id: { gte: id } });
    expect(await query.exists()).toBe(id < 25);
    expect(query.offset(20).existsSync()).toBe(25 - Math.max(id, 0) > 20);
    expect(query.limit(0).existsSync()).toBe(false);
  }
  const asked = db.from(table).where((row) => gt(row.n, parameter("n")));
  expect(await asked.exists({ parameters: { n: 239 } })).toBe(false);
  expect(await asked.exists({ parameters: { n: 229 } })).toBe(true);
});

describe("several queries of one state", () => {
  test("a batch answers them all of one state, though others write in between", async () => {
    const accounts = await db.table("accounts", {
      columns: { id: t.integer().primaryKey(), cents: t.integer().notNull() },
    });
    await accounts.insertMany([0, 1, 2, 3].map((id) => ({ id, cents: 100 })));
    let turn = 0;
    /** Answers nothing, but moves money before it does. */
    const transfer = {
      all: async (): Promise<never[]> => {
        turn++;
        await db.transaction(async (tx) => {
          await tx.table(accounts).decrement(turn % 4, "cents", 7);
          await tx.table(accounts).increment((turn + 1) % 4, "cents", 7);
        });
        return [];
      },
    };
    const one = (id: number) =>
      db
        .from(accounts)
        .where({ id })
        .decode(({ cents }) => cents);
    const seen = new Set<string>();
    for (let round = 0; round < 20; round++) {
      const batch = [one(0), transfer, one(1), transfer, one(2), transfer, one(3)] as const;
      const [a, , b, , c, , d] = await db.queryBatch(batch);
      const [cents, ...others] = [...a, ...b, ...c, ...d];
      expect(others.reduce((sum, more) => sum + more, cents ?? 0)).toBe(400);
      seen.add([...a, ...b, ...c, ...d].join());
    }
    expect(seen.size).toBeGreaterThan(1);
  });

  test("of a snapshot, and of the last checkpoint", async () => {
    const all = db.from(table);
    await db.checkpoint();
    await table.deleteWhere({ id: { gte: 5 } });
    const held = db.snapshot();
    await table.deleteWhere({});
    expect(await db.queryBatch([all, all.limit(2)])).toEqual([[], []]);
    expect(await db.queryBatch([all, all.limit(2)], { snapshot: held })).toEqual([
      rows.slice(0, 5),
      rows.slice(0, 2),
    ]);
    const counted = await db.readTransaction(
      async (snapshot) => [
        await all.count({ snapshot }),
        table.count({ snapshot }),
        await table.has(24, { snapshot }),
        snapshot.seq === db.stats().checkpointSeq,
      ],
      { at: "checkpoint" },
    );
    expect(counted).toEqual([25, 25, true, true]);
    held.release();
    expect(db.stats().snapshots).toBe(0);
  });

  test("what a read transaction holds is released, also when it fails", async () => {
    const failing = db.readTransaction(() => {
      expect(db.stats().snapshots).toBe(1);
      throw new Error("odd");
    });
    await expect(failing).rejects.toThrow("odd");
    const broken = db.from(table).decode(() => {
      throw new Error("odd");
    });
    await expect(db.queryBatch([db.from(table), broken])).rejects.toMatchObject({
      code: "row_decode_failed",
    });
    expect(db.stats().snapshots).toBe(0);
    await expect(db.readTransaction(() => 1, { at: 1_000n })).rejects.toMatchObject({
      code: "seq_garbage_collected",
    });
  });
});
