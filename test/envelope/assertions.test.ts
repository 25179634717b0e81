/** The twelve kinds of assertions, before and after, beside what plain JavaScript says. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Assertion, CairnError, type Database, open, t } from "../../src/index.ts";
import { fails } from "../kv/fails.ts";

let db: Database;
beforeAll(async () => {
  db = await open("memory:");
});
afterAll(() => db.close());

async function fixture() {
  const things = await db.table("things", {
    columns: {
      id: t.integer().primaryKey(),
      name: t.text(),
      count: t.integer(),
      wide: t.u256(),
      ratio: t.float(),
      at: t.timestamp(),
      raw: t.blob(),
    },
    indexes: [{ columns: ["name"] }],
  });
  const numbers = await db.keyspace("numbers", { value: "u256" });
  const texts = await db.keyspace("texts", { value: "utf8" });
  const bytes = await db.keyspace("bytes", { value: "bytes", kind: "hashed" });
  const notes = await db.keyspace<unknown>("notes");
  await db.batch((batch) => {
    batch
      .put(numbers, "n", 10n)
      .put(texts, "t", "banana")
      .put(bytes, "b", new Uint8Array([5, 1]));
    return batch.put(notes, "j", { a: 1 });
  });
  await things.upsertMany([
    { id: 1, name: "ada", count: 3, wide: 2n ** 255n, ratio: 0.5, at: new Date(1_000) },
    { id: 2, name: "bob", count: 4, wide: 2n ** 255n, raw: new Uint8Array([1, 2]) },
    { id: 3, name: null, count: null },
  ]);
  const scratch = await db.keyspace("scratch");
  return { things, numbers, texts, bytes, notes, scratch };
}

/** Whether the assertion holds before, and after a mutation of something else. */
async function holds(assertion: Assertion): Promise<boolean> {
  const scratch = await db.keyspace("scratch");
  const mutations = [scratch.mutations.put("x", Math.floor(1))];
  const outcomes: boolean[] = [];
  for (const envelope of [
    { mutations, before: [assertion] },
    { mutations, after: [assertion] },
  ]) {
    const plan = await db.preflight(envelope);
    try {
      await db.commit(envelope);
      outcomes.push(true);
      expect(plan.valid).toBe(true);
    } catch (error) {
      if (!(error instanceof CairnError) || error.code !== "assertion_failed") throw error;
      outcomes.push(false);
      expect(plan.errors[0]?.details).toEqual(error.details);
    }
  }
  expect(outcomes[0]).toBe(outcomes[1]);
  return outcomes[0];
}

const operators = ["eq", "ne", "lt", "lte", "gt", "gte"] as const;

function isSo(op: (typeof operators)[number], order: number): boolean {
  const table = {
    eq: order === 0,
    ne: order !== 0,
    lt: order < 0,
    lte: order <= 0,
    gt: order > 0,
    gte: order >= 0,
  };
  return table[op];
}

describe("records", () => {
  test("exist, or do not", async () => {
    const { numbers } = await fixture();
    expect(await holds(numbers.record("n").exists())).toBe(true);
    expect(await holds(numbers.record("n").absent())).toBe(false);
    expect(await holds(numbers.record("?").absent())).toBe(true);
  });

  test("have versions, 0n where there is none", async () => {
    const { numbers } = await fixture();
    expect(await holds(numbers.record("n").version(await numbers.version("n")))).toBe(true);
    expect(await holds(numbers.record("n").version(1_000_000n))).toBe(false);
    expect(await holds(numbers.record("?").version(0n))).toBe(true);
  });

  test.each(operators)("compare by %s", async (op) => {
    const { numbers, texts, bytes, notes } = await fixture();
    for (const [value, order] of [
      [9n, 1],
      [10n, 0],
      [2n ** 200n, -1],
    ] as const) {
      expect(await holds(numbers.record("n")[op](value))).toBe(isSo(op, order));
    }
    for (const [value, order] of [
      ["apple", 1],
      ["banana", 0],
      ["banana2", -1],
    ] as const) {
      expect(await holds(texts.record("t")[op](value))).toBe(isSo(op, order));
    }
    expect(await holds(bytes.record("b")[op](new Uint8Array([5])))).toBe(isSo(op, 1));
    expect(await holds(numbers.record("?")[op](0n))).toBe(false);
    if (op === "eq" || op === "ne") {
      expect(await holds(notes.record("j")[op]({ a: 1 }))).toBe(isSo(op, 0));
      expect(await holds(notes.record("j")[op]({ a: 2 }))).toBe(isSo(op, 1));
    } else await fails("argument_invalid", () => holds(notes.record("j")[op](1)));
  });
});

describe("rows", () => {
  test("exist and have versions", async () => {
    const { things } = await fixture();
    expect(await holds(things.row(1).exists())).toBe(true);
    expect(await holds(things.row(9).exists())).toBe(false);
    expect(await holds(things.row(9).absent())).toBe(true);
    expect(await holds(things.row(1).version(await things.version(1)))).toBe(true);
    expect(await holds(things.row(9).version(0n))).toBe(true);
    expect(await holds(things.row(1).version(0n))).toBe(false);
  });

  test.each(operators)("compare columns by %s; nothing compares with null", async (op) => {
    const { things } = await fixture();
    const row = things.row(1);
    expect(await holds(row.column("count")[op](3))).toBe(isSo(op, 0));
    expect(await holds(row.column("count")[op](4))).toBe(isSo(op, -1));
    expect(await holds(row.column("wide")[op](2n ** 255n - 1n))).toBe(isSo(op, 1));
    expect(await holds(row.column("ratio")[op](0.25))).toBe(isSo(op, 1));
    expect(await holds(row.column("name")[op]("adb"))).toBe(isSo(op, -1));
    expect(await holds(row.column("at")[op](new Date(1_000)))).toBe(isSo(op, 0));
    expect(
      await holds(
        things
          .row(2)
          .column("raw")
          [op](new Uint8Array([1])),
      ),
    ).toBe(isSo(op, 1));
    expect(await holds(things.row(3).column("count")[op](0))).toBe(false);
    expect(await holds(things.row(9).column("count")[op](0))).toBe(false);
  });

  test("can be asked for null", async () => {
    const { things } = await fixture();
    expect(await holds(things.row(3).column("name").eq(null))).toBe(true);
    expect(await holds(things.row(1).column("name").eq(null))).toBe(false);
    expect(await holds(things.row(1).column("name").ne(null))).toBe(true);
    await fails("expression_invalid", () => holds(things.row(1).column("name").lt(null)));
    await fails("unknown_column", () =>
      holds(
        things
          .row(1)
          .column("nil" as "name")
          .eq(null),
      ),
    );
  });

  test.each(operators)("are counted and summed up, compared by %s", async (op) => {
    const { things } = await fixture();
    expect(await holds(things.matching().count()[op](3))).toBe(isSo(op, 0));
    expect(await holds(things.matching({ name: "ada" }).count()[op](2n))).toBe(isSo(op, -1));
    expect(await holds(things.matching().sum("count")[op](6))).toBe(isSo(op, 1));
    expect(
      await holds(
        things
          .matching()
          .sum("wide")
          [op](2n ** 256n),
      ),
    ).toBe(isSo(op, 0));
    expect(await holds(things.matching({ name: "?" }).sum("wide")[op](0))).toBe(isSo(op, 0));
    expect(
      await holds(
        things
          .matching({ id: { lt: 2 } })
          .sum("ratio")
          [op](0.5),
      ),
    ).toBe(isSo(op, 0));
  });
});

test("all, any and not combine", async () => {
  const { numbers } = await fixture();
  const yes = numbers.record("n").exists();
  const no = numbers.record("n").absent();
  expect(await holds({ all: [] })).toBe(true);
  expect(await holds({ any: [] })).toBe(false);
  expect(await holds({ all: [yes, yes] })).toBe(true);
  expect(await holds({ all: [yes, no] })).toBe(false);
  expect(await holds({ any: [no, { not: no }] })).toBe(true);
  expect(await holds({ not: { any: [no, yes] } })).toBe(false);
});

test("after sees what the envelope has done; a version there is that of the commit", async () => {
  const { things, scratch } = await fixture();
  const { seq } = await scratch.put("x", 1);
  const done = await db.commit({
    mutations: [
      things.mutations.increment(1, "count", 10),
      things.mutations.delete(2),
      scratch.mutations.put("new", 1),
    ],
    before: [things.row(1).column("count").eq(3), things.matching().count().eq(3)],
    after: [
      things.row(1).column("count").eq(13),
      things.row(1).version(seq + 1n),
      scratch.record("new").version(seq + 1n),
      things.row(2).absent(),
      things.matching().count().eq(2),
      things.matching({ name: "bob" }).count().eq(0),
      things.matching().sum("count").eq(13),
    ],
  });
  expect(done.seq).toBe(seq + 1n);
});

test("a failure says which assertion, and what was found", async () => {
  const { things, numbers, scratch } = await fixture();
  const mutations = [scratch.mutations.put("x", 1)];
  const found = async (assertion: Assertion, where: "before" | "after") => {
    const held = things.row(1).exists();
    const envelope = { mutations, [where]: [held, assertion] };
    return (await fails("assertion_failed", () => db.commit(envelope))).details;
  };
  expect(await found(things.row(1).column("count").gt(3), "before")).toEqual({
    index: 1,
    where: "before",
    assertion: "rowColumnCompare",
    actual: 3,
    isMissing: false,
  });
  expect(await found(numbers.record("?").eq(1n), "after")).toEqual({
    index: 1,
    where: "after",
    assertion: "keyEquals",
    actual: null,
    isMissing: true,
  });
  const combined = { all: [things.row(1).exists(), { not: numbers.record("n").eq(10n) }] };
  expect(await found(combined, "before")).toMatchObject({ assertion: "all[1].not", actual: true });
  const sum = things.matching().sum("wide").lt(5n);
  expect(await found(sum, "before")).toMatchObject({ actual: 2n ** 256n });
});

test("nesting is at most 16 deep, assertions at most 32,768", async () => {
  const { numbers, scratch } = await fixture();
  const nested = (depth: number): Assertion =>
    depth === 1 ? numbers.record("n").exists() : { all: [nested(depth - 1)] };
  expect(await holds(nested(16))).toBe(true);
  await fails("envelope_too_large", () => holds(nested(17)));
  const many = (count: number) => ({
    mutations: [scratch.mutations.put("x", 1)],
    before: Array.from({ length: count }, () => numbers.record("n").exists()),
  });
  expect((await db.commit(many(32_768))).outcome).toBe("applied");
  await fails("envelope_too_large", () => db.commit(many(32_769)));
});
