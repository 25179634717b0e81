import { expect, test } from "vitest";
import { MemoryMedium, MemoryStorage, open, t } from "../../src/index.ts";
import { fails } from "../kv/fails.ts";

test("a table keeps rows of every type, over a reopening", async () => {
  const medium = new MemoryMedium();
  const definition = {
    columns: {
      id: t.integer().primaryKey(),
      name: t.text().notNull(),
      small: t.u8(),
      big: t.u64(),
      wide: t.i64(),
      ratio: t.float(),
      isOn: t.boolean().notNull().default(true),
      balance: t.u256().notNull().default(0n),
      delta: t.i256(),
      raw: t.blob(),
      at: t.timestamp(),
      extra: t.json<{ a: number[] }>(),
      place: t.vector(3),
    },
    indexes: [{ columns: ["name"] as const }, { columns: ["big"] as const, unique: true }],
  };
  let db = await open(new MemoryStorage(medium));
  let table = await db.table("things", definition);
  const row = {
    id: -7,
    name: "Ada ✓",
    small: 200,
    big: 2n ** 64n - 1n,
    wide: -(2n ** 63n),
    ratio: -0.5,
    balance: 2n ** 256n - 1n,
    delta: -5n,
    raw: new Uint8Array([0, 255, 0]),
    at: new Date(-12_345),
    extra: { a: [1, 2] },
    place: new Float32Array([1, -2, 0.5]),
  };
  await table.insert(row);
  await table.insertMany([
    { id: 1, name: "b" },
    { id: 2, name: "c" },
  ]);
  expect(await table.get(-7)).toEqual({ ...row, isOn: true });
  await fails("duplicate_primary_key", () => table.insert({ id: 1, name: "x" }));
  await fails("unique_violation", () => table.insert({ id: 5, name: "x", big: 2n ** 64n - 1n }));
  await db.close();
  db = await open(new MemoryStorage(medium));
  table = await db.table("things", definition);
  expect(table.getSync(-7)).toEqual({ ...row, isOn: true });
  expect(
    table
      .rowsSync()
      .toArray()
      .map((one) => one.id),
  ).toEqual([-7, 1, 2]);
  expect(table.count()).toBe(3);
  expect(await table.update(1, { name: "bb" }, { returning: true })).toMatchObject({
    changed: 1,
    rows: [{ id: 1, name: "bb", isOn: true }],
  });
  expect((await table.deleteWhere({ name: "bb" })).changed).toBe(1);
  expect(table.hasSync(1)).toBe(false);
  expect(await db.tables()).toEqual([{ name: "things", rows: 2 }]);
  expect((await db.verify()).findings).toEqual([]);
  await db.close();
});
