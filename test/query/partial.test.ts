/**
 * Goal: a partial index is used when it holds every row that is wanted, and only then.
 * Oracle: all rows of a small table, and the conditions evaluated on each.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import { column, type Expression, gt, gte, lt, lte, ne, open, or, t } from "../../src/index.ts";
import { constraintsOf } from "../../src/query/constraint.ts";
import { impliedBy } from "../../src/query/partial.ts";
import { compilePredicate } from "../../src/tables/evaluate.ts";
import { tableInside } from "../../src/tables/table.ts";
import "../seed.ts";

const of = (name: string): Expression => ({ op: "column", name });
const number = fc.constantFrom(-1, 0, 0.5, 1, 2);
const operator = fc.constantFrom("eq", "ne", "lt", "lte", "gt", "gte");
const condition: fc.Arbitrary<Expression> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc
      .tuple(operator, fc.constantFrom("a", "b"), number, fc.boolean())
      .map(([op, name, value, isTurned]): Expression => {
        const sides: [Expression, Expression] = [of(name), { op: "value", value }];
        if (isTurned) sides.reverse();
        return { op: op as "eq", left: sides[0], right: sides[1] };
      }),
  },
  fc
    .tuple(fc.constantFrom("isNull" as const, "isNotNull" as const), fc.constantFrom("a", "b"))
    .map(([op, name]): Expression => ({ op, of: of(name) })),
  fc
    .tuple(fc.constantFrom("a", "b"), fc.array(fc.option(number), { maxLength: 3 }))
    .map(([name, values]): Expression => ({ op: "in", of: of(name), values })),
  fc.constant<Expression>({ op: "lt", left: of("a"), right: of("b") }),
);

test("what a partial index is said to hold, it holds", async () => {
  const db = await open("memory:");
  const table = await db.table("pairs", {
    columns: { id: t.integer().primaryKey(), a: t.integer(), b: t.float() },
  });
  const { state } = tableInside(table as never).core;
  const some = [null, -2, -1, 0, 0.5, 1, 2, 3];
  const rows = some.flatMap((a) => some.map((b) => [0, a === 0.5 ? 4 : a, b]));
  let implied = 0;
  fc.assert(
    fc.property(
      fc.array(condition, { minLength: 1, maxLength: 3 }),
      fc.array(condition, { minLength: 1, maxLength: 2 }),
      (conditions, wheres) => {
        const where: Expression = { op: "and", of: wheres };
        const constraints = constraintsOf(state, conditions, { names: [], kinds: [] });
        const found = impliedBy({ state, constraints, parameters: [], conditions }, where);
        if (found === undefined) return;
        implied++;
        const isHeld = compilePredicate(where, state.valuesSource);
        const isWanted = compilePredicate({ op: "and", of: conditions }, state.valuesSource);
        for (const row of rows) if (isWanted(row)) expect(isHeld(row)).toBe(true);
        const rest = conditions.filter((_condition, at) => !found.has(at));
        const isLeft = compilePredicate({ op: "and", of: rest }, state.valuesSource);
        // What the index says need not be tested again.
        for (const row of rows) if (isHeld(row)) expect(isLeft(row)).toBe(isWanted(row));
      },
    ),
    { numRuns: 20_000 },
  );
  expect(implied).toBeGreaterThan(1_000);
  await db.close();
});

test("queries use it when their conditions say as much, also with parameters", async () => {
  const db = await open("memory:");
  const table = await db.table("tasks", {
    columns: {
      id: t.integer().primaryKey(),
      owner: t.text(),
      rank: t.integer(),
      isOpen: t.boolean().notNull(),
    },
    indexes: [
      { name: "open_owner", columns: ["owner"], where: { isOpen: true } },
      { name: "high_rank", columns: ["rank"], where: { rank: { gte: 10 } } },
    ],
  });
  await table.insertMany(
    Array.from({ length: 2_000 }, (_, id) => ({
      id,
      owner: `owner ${id % 50}`,
      rank: id % 20,
      isOpen: id % 5 === 0,
    })),
  );
  const indexOf = (query: { explainSync(): { tables: readonly { index?: string }[] } }) =>
    query.explainSync().tables[0].index;
  const from = db.from(table);
  const open5 = from.where({ owner: "owner 5", isOpen: true });
  expect(indexOf(open5)).toBe("open_owner");
  expect(open5.allSync()).toHaveLength(40);
  expect(open5.explainSync().tables[0].filters).toBe(0);
  expect(indexOf(from.where({ owner: "owner 5" }))).toBeUndefined();
  expect(indexOf(from.where({ owner: "owner 5", isOpen: false }))).toBeUndefined();
  expect(indexOf(from.where(gte(column("rank"), 19)))).toBe("high_rank");
  expect(indexOf(from.where(gt(column("rank"), 18)))).toBe("high_rank");
  expect(indexOf(from.where(gt(column("rank"), 8)))).toBeUndefined();
  expect(indexOf(from.where({ rank: 10 }))).toBe("high_rank");
  expect(indexOf(from.where({ rank: 9 }))).toBeUndefined();
  expect(indexOf(from.where({ rank: { in: [11, 12] } }))).toBe("high_rank");
  expect(indexOf(from.where({ rank: { in: [9, 12] } }))).toBeUndefined();
  expect(indexOf(from.where(lt(column("rank"), 12)))).toBeUndefined();
  expect(indexOf(from.where(lte(column("rank"), 12)))).toBeUndefined();
  expect(indexOf(from.where(ne(column("rank"), 12)))).toBeUndefined();
  await db.close();
});

test("an or is several ways when each of its branches has one", async () => {
  const db = await open("memory:");
  const table = await db.table("people", {
    columns: { id: t.integer().primaryKey(), name: t.text(), city: t.text(), age: t.integer() },
    indexes: [{ columns: ["name"] }, { columns: ["city"] }],
  });
  await table.insertMany(
    Array.from({ length: 5_000 }, (_, id) => ({
      id,
      name: `name ${id % 500}`,
      city: `city ${id % 300}`,
      age: id % 90,
    })),
  );
  const either = db
    .from(table)
    .where(
      or(
        { op: "eq", left: of("name"), right: { op: "value", value: "name 7" } },
        { op: "eq", left: of("city"), right: { op: "value", value: "city 7" } },
        { op: "eq", left: of("id"), right: { op: "value", value: 1_207 } },
      ),
    );
  const explained = either.explainSync();
  expect(explained.tables[0].access).toBe("union");
  expect(explained.rowsScanned).toBeLessThan(40);
  const expected = Array.from({ length: 5_000 }, (_, id) => id).filter(
    (id) => id % 500 === 7 || id % 300 === 7 || id === 1_207,
  );
  const idsOf = (rows: { id: number }[]): number[] => rows.map(({ id }) => id);
  expect(idsOf(either.orderBy("id").allSync())).toEqual(expected);
  expect(idsOf(either.orderBy("id", "desc").limit(5).allSync())).toEqual(
    expected.toReversed().slice(0, 5),
  );
  expect(either.orderBy("id", "desc").explainSync().sorted).toBe(false);
  const open2 = db
    .from(table)
    .where(
      or(
        { op: "eq", left: of("name"), right: { op: "value", value: "name 7" } },
        { op: "eq", left: of("age"), right: { op: "value", value: 7 } },
      ),
    );
  expect(open2.explainSync().tables[0].access).toBe("scan");
  const same = db
    .from(table)
    .where(
      or(
        { op: "eq", left: of("name"), right: { op: "value", value: "name 7" } },
        { op: "in", of: of("name"), values: ["name 8", "name 9"] },
      ),
    );
  expect(same.explainSync().tables[0].access).toBe("index");
  expect(same.allSync()).toHaveLength(30);
  const tooLittle = (): unknown => either.allSync({ memoryBytesMax: 100 });
  expect(tooLittle).toThrow(expect.objectContaining({ code: "query_too_large" }));
  await db.close();
});
