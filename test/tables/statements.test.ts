/** Goal: every statement does what it says, and says why where it cannot. */
import { describe, expect, test } from "vitest";
import {
  add,
  and,
  column,
  divide,
  type Expression,
  eq,
  excluded,
  gt,
  isNull,
  lt,
  not,
  open,
  or,
  remainder,
  type StandardSchema,
  subtract,
  t,
} from "../../src/index.ts";
import { fails } from "../kv/fails.ts";

const columns = {
  id: t.integer().primaryKey(),
  name: t.text().notNull(),
  points: t.integer(),
  money: t.u64(),
  ratio: t.float(),
  extra: t.json(),
};

async function filled() {
  const db = await open("memory:");
  const table = await db.table("things", {
    columns,
    indexes: [{ columns: ["name"], unique: true }],
  });
  await table.insertMany([
    { id: 1, name: "a", points: 5, money: 10n, extra: { op: "column" } },
    { id: 2, name: "b", ratio: 0.5 },
    { id: 3, name: "c", points: -5 },
  ]);
  const idsWhere = async (where: Expression): Promise<number[]> => {
    const { rows } = await table.updateWhere(where, { name: column("name") }, { returning: true });
    return rows.map(({ id }) => id);
  };
  return { db, table, idsWhere };
}

describe("rows", () => {
  test("are refused with the reason", async () => {
    const { db, table } = await filled();
    await fails("not_null_violation", () => table.insert({ id: 9 } as never));
    await fails("not_null_violation", () => table.insert({ id: 9, name: null } as never));
    await fails("not_null_violation", () => table.update(1, { name: null as never }));
    await fails("type_mismatch", () => table.insert({ id: "9", name: "x" } as never));
    await fails("type_mismatch", () => table.insert({ id: 9, name: "x", money: 1 } as never));
    await fails("type_mismatch", () => table.insert({ id: 9, name: "x", points: 1n } as never));
    await fails("type_mismatch", () => table.insert(null as never));
    await fails("value_invalid", () => table.insert({ id: 9, name: "x", points: 1.5 }));
    await fails("value_invalid", () => table.insert({ id: 9, name: "x", ratio: Number.NaN }));
    await fails("value_invalid", () => table.insert({ id: 9, name: "x", money: -1n }));
    await fails("value_invalid", () => table.insert({ id: 9, name: "\ud800" }));
    await fails("value_too_large", () => table.insert({ id: 9, name: "x".repeat(1_048_577) }));
    await fails("key_too_large", () => table.insert({ id: 9, name: "x".repeat(2_000) }));
    await fails("unknown_column", () => table.insert({ id: 9, name: "x", nam: 1 } as never));
    await fails("unknown_column", () => table.update(1, { nam: 1 } as never));
    await fails("type_mismatch", () => table.get("1"));
    await fails("type_mismatch", () => table.get([1, 2]));
    await fails("option_unknown", () =>
      table.insert({ id: 9, name: "x" }, { onconflict: 1 } as never),
    );
    expect(table.count()).toBe(3);
    await db.close();
  });

  test("may be changed between the call and its commit, without consequences", async () => {
    const { db, table } = await filled();
    const row = { id: 9, name: "x", extra: { deep: [1] } };
    const inserting = table.insert(row);
    row.name = "y";
    row.extra.deep.push(2);
    await inserting;
    expect(await table.get(9)).toMatchObject({ name: "x", extra: { deep: [1] } });
    await db.close();
  });

  test("with several columns as key are found by all of them", async () => {
    const db = await open("memory:");
    const table = await db.table("pairs", {
      columns: { left: t.text(), right: t.integer(), value: t.text() },
      primaryKey: ["left", "right"],
    });
    await table.insertMany([
      { left: "a", right: 2, value: "a2" },
      { left: "a\0", right: -1, value: "a0" },
      { left: "a", right: -1, value: "a-" },
    ]);
    expect((await table.get(["a", -1]))?.value).toBe("a-");
    expect(
      table
        .getManySync([
          ["a", 2],
          ["b", 1],
          ["a\0", -1],
        ])
        .map((row) => row?.value),
    ).toEqual(["a2", undefined, "a0"]);
    expect(
      table
        .rowsSync({ reverse: true })
        .toArray()
        .map(({ value }) => value),
    ).toEqual(["a0", "a2", "a-"]);
    expect((await table.deleteWhere({ left: "a" })).changed).toBe(2);
    await fails("type_mismatch", () => table.get("a"));
    await fails("not_null_violation", () => table.get(["a", null as never]));
    await db.close();
  });
});

describe("updates", () => {
  test("see the row as it was, all expressions at once", async () => {
    const { db, table } = await filled();
    const patch = { points: add(column("points"), 1), ratio: divide(column("points"), 2.5) };
    expect((await table.update(1, patch, { returning: true })).rows[0]).toMatchObject({
      points: 6,
      ratio: 2,
    });
    expect((await table.update(99, { name: "x" })).changed).toBe(0);
    await fails("row_not_found", () => table.update(99, { name: "x" }, { mustExist: true }));
    await fails("row_not_found", () => table.increment(99, "points", 1));
    expect((await table.update(1, { name: "z" }, { where: { points: 7 } })).changed).toBe(0);
    await fails("underflow", () => table.decrement(1, "money", 11n));
    await fails("overflow", () => table.increment(1, "money", 2n ** 64n - 1n));
    await fails("overflow", () => table.increment(1, "points", Number.MAX_SAFE_INTEGER));
    expect((await table.increment(1, "money", 5, { returning: true })).rows[0].money).toBe(15n);
    await fails("type_mismatch", () => table.update(1, { points: column("name") }));
    await fails("type_mismatch", () => table.update(1, { points: add(column("points"), 0.5) }));
    await fails("argument_invalid", () => table.update(1, { id: 7 }));
    await fails("argument_invalid", () => table.update(1, {}));
    await db.close();
  });

  test("take JSON as it is, also when it looks like an expression", async () => {
    const { db, table } = await filled();
    await table.update(2, { extra: { op: "column", name: "name" } });
    expect((await table.get(2))?.extra).toEqual({ op: "column", name: "name" });
    await db.close();
  });

  test("by predicate take the first rows by key, up to the limit", async () => {
    const { db, table } = await filled();
    const { changed, rows } = await table.updateWhere(
      { id: { gte: 2 } },
      { points: 1 },
      { limit: 1, returning: true },
    );
    expect([changed, rows[0].id]).toEqual([1, 2]);
    await fails("argument_invalid", () => table.deleteWhere({ id: 1 }, { limit: 0 }));
    await db.close();
  });
});

describe("conflicts", () => {
  test("are told by key or index, and dealt with as asked", async () => {
    const { db, table } = await filled();
    const row = { id: 7, name: "a", points: 100 };
    await fails("unique_violation", () => table.insert(row, { onConflict: "merge" }));
    expect((await table.insert(row, { onConflict: "nothing" })).changed).toBe(0);
    const onConflict = {
      target: ["name"] as const,
      update: { points: add(column("points"), excluded("points")) },
      where: lt(column("points"), 50),
    };
    expect((await table.insert(row, { onConflict, returning: true })).rows[0]).toMatchObject({
      id: 1,
      points: 105,
    });
    expect((await table.insert(row, { onConflict })).changed).toBe(0);
    await table.insert({ id: 1, name: "aa" }, { onConflict: "merge" });
    expect(await table.get(1)).toMatchObject({ name: "aa", points: 105, money: 10n });
    await fails("duplicate_primary_key", () => table.insert({ id: 1, name: "q" }, { onConflict }));
    await fails("index_not_found", () =>
      table.insert(row, { onConflict: { target: "nothing", update: { points: 1 } } }),
    );
    await fails("index_not_found", () =>
      table.insert(row, { onConflict: { target: ["points"], update: { points: 1 } } }),
    );
    await db.close();
  });

  test("between rows of one call count, too", async () => {
    const { db, table } = await filled();
    const onConflict = { update: { points: excluded("points") } };
    const { changed } = await table.insertMany(
      [
        { id: 10, name: "n", points: 1 },
        { id: 10, name: "n", points: 2 },
        { id: 11, name: "n", points: 3 },
      ],
      { onConflict },
    );
    expect(changed).toBe(3);
    expect(await table.get(10)).toMatchObject({ points: 3 });
    expect(table.hasSync(11)).toBe(false);
    await db.close();
  });
});

describe("predicates", () => {
  test("select where they are true, not where they are unknown", async () => {
    const { db, idsWhere } = await filled();
    const points = column("points");
    expect(await idsWhere(gt(points, 0))).toEqual([1]);
    expect(await idsWhere(not(gt(points, 0)))).toEqual([3]);
    expect(await idsWhere(or(gt(points, 0), isNull(points)))).toEqual([1, 2]);
    expect(await idsWhere(and(gt(points, 0), isNull(points)))).toEqual([]);
    expect(await idsWhere({ op: "in", of: points, values: [5, null] })).toEqual([1]);
    expect(await idsWhere(not({ op: "in", of: points, values: [5, null] }))).toEqual([]);
    expect(await idsWhere(not({ op: "in", of: points, values: [] }))).toEqual([1, 2, 3]);
    expect(await idsWhere(eq(column("money"), 10))).toEqual([1]);
    expect(await idsWhere(eq(remainder(points, 2), -1))).toEqual([3]);
    expect(await idsWhere(isNull(divide(points, 0)))).toEqual([1, 2, 3]);
    expect(await idsWhere(lt(subtract(column("money"), 11), 0))).toEqual([1]);
    expect(await idsWhere({ op: "like", of: column("name"), pattern: "_" })).toEqual([1, 2, 3]);
    await db.close();
  });

  test("that cannot be are refused before a row is read", async () => {
    const { db, table } = await filled();
    await fails("type_mismatch", () => table.deleteWhere({ points: "5" }));
    await fails("type_mismatch", () => table.deleteWhere(eq(column("extra"), { a: 1 })));
    await fails("type_mismatch", () => table.deleteWhere(add(column("points"), 1)));
    await fails("unknown_column", () => table.deleteWhere({ poin: 5 }));
    await fails("expression_invalid", () => table.deleteWhere({ points: { above: 5 } }));
    await fails("expression_invalid", () => table.deleteWhere({ points: undefined }));
    await fails("expression_invalid", () => table.deleteWhere({ points: { lt: null } }));
    await fails("expression_invalid", () => table.deleteWhere(eq(excluded("points"), 1)));
    const deep = Array.from({ length: 40 }).reduce<Expression>((of) => not(of), column("id"));
    await fails("expression_invalid", () => table.deleteWhere(deep));
    expect(table.count()).toBe(3);
    await db.close();
  });
});

describe("a validator", () => {
  interface In {
    id: number;
    name: string;
  }
  const schema = (isLater: boolean): StandardSchema<In, In & { points: number | null }> => ({
    "~standard": {
      version: 1,
      vendor: "test",
      validate: (found) => {
        const { id, name } = found as In;
        const result =
          name === ""
            ? { issues: [{ message: "name is empty" }] }
            : { value: { id, name: name.trim(), points: name.length } };
        return isLater ? Promise.resolve(result) : result;
      },
    },
  });

  test("makes the rows that are written, or refuses them", async () => {
    const db = await open("memory:");
    const definition = { columns: { id: columns.id, name: columns.name, points: columns.points } };
    const table = await db.table("things", { ...definition, schema: schema(false) });
    await table.insert({ id: 1, name: " a " });
    expect(table.getSync(1)).toEqual({ id: 1, name: "a", points: 3 });
    const error = await fails("schema_rejected", () => table.upsertSync({ id: 2, name: "" }));
    expect(error.details).toMatchObject({ issue: "name is empty" });
    const later = await db.table("things", { ...definition, schema: schema(true) });
    await later.insert({ id: 2, name: "b" });
    await fails("schema_asynchronous", () => later.insertSync({ id: 3, name: "c" }));
    await fails("schema_rejected", () => later.insert({ id: 3, name: "" }));
    expect(table.count()).toBe(2);
    await db.close();
  });
});
