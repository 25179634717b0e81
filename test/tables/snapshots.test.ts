/** Goal: a snapshot says what was, whatever has become of the table since. */
import { expect, test } from "vitest";
import { open, t } from "../../src/index.ts";
import { fails } from "../kv/fails.ts";

const columns = { id: t.integer().primaryKey(), team: t.text() };

test("reads of a snapshot see the rows of its time", async () => {
  const db = await open("memory:");
  const before = db.snapshot();
  const table = await db.table("people", { columns });
  await table.insertMany([
    { id: 1, team: "red" },
    { id: 2, team: "blue" },
  ]);
  const then = db.snapshot();
  await table.delete(1);
  await table.update(2, { team: "green" });
  await table.insert({ id: 3 });
  await table.alter({ add: { more: t.text().default("x") }, rename: { team: "group" } });
  const now = await db.table("people");
  expect(now.getSync(1, { snapshot: then })).toEqual({ id: 1, group: "red", more: "x" });
  expect(now.rowsSync({ snapshot: then }).toArray()).toHaveLength(2);
  expect(now.count({ snapshot: then })).toBe(2);
  expect(await now.getMany([1, 2, 3], { snapshot: then })).toMatchObject([
    { group: "red" },
    { group: "blue" },
    undefined,
  ]);
  expect(now.getSync(1, { snapshot: before })).toBeUndefined();
  expect(now.rowsSync({ snapshot: before }).toArray()).toEqual([]);
  expect(now.count({ snapshot: before })).toBe(0);
  then.release();
  await fails("snapshot_expired", () => now.get(1, { snapshot: then }));
  await db.close();
});

test("an index is not asked about the time before it was whole", async () => {
  const db = await open("memory:");
  const table = await db.table("people", { columns });
  await table.insert({ id: 1, team: "red" });
  const then = db.snapshot();
  await table.createIndex({ columns: ["team"] });
  const red = db.from(table).where({ team: "red" });
  expect(red.allSync()).toHaveLength(1);
  expect(red.allSync({ snapshot: then })).toHaveLength(1);
  await db.close();
});
