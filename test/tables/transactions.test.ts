import { expect, test } from "vitest";
import { type Database, open, t } from "../../src/index.ts";
import { fails } from "../kv/fails.ts";

const accounts = {
  columns: {
    id: t.integer().primaryKey(),
    owner: t.text().notNull(),
    balance: t.u256().notNull().default(0n),
  },
  indexes: [{ columns: ["owner"] as const, unique: true }],
};

async function filled() {
  const db = await open("memory:");
  const table = await db.table("accounts", accounts);
  await table.insertMany([
    { id: 1, owner: "ada", balance: 100n },
    { id: 2, owner: "bob", balance: 5n },
  ]);
  return { db, table };
}

test("a transaction sees its own rows, and nobody else does before it commits", async () => {
  const { db, table } = await filled();
  await db.transaction(async (tx) => {
    const inside = tx.table(table);
    await inside.decrement(1, "balance", 40n);
    await inside.increment(2, "balance", 40n);
    await inside.insert({ id: 3, owner: "cyd" });
    expect(await inside.get(1)).toMatchObject({ balance: 60n });
    expect((await inside.updateWhere({ owner: "cyd" }, { balance: 7n })).changed).toBe(1);
    expect(await table.get(3)).toBeUndefined();
  });
  expect(table.rowsSync().toArray()).toEqual([
    { id: 1, owner: "ada", balance: 60n },
    { id: 2, owner: "bob", balance: 45n },
    { id: 3, owner: "cyd", balance: 7n },
  ]);
  await db.close();
});

test("a statement that fails leaves nothing of itself, and the transaction goes on", async () => {
  const { db, table } = await filled();
  await db.transaction(async (tx) => {
    const inside = tx.table(table);
    await fails("unique_violation", () =>
      inside.insertMany([
        { id: 8, owner: "new" },
        { id: 9, owner: "ada" },
      ]),
    );
    expect(await inside.has(8)).toBe(false);
    await inside.insert({ id: 7, owner: "later" });
  });
  expect(
    table
      .rowsSync()
      .toArray()
      .map(({ id }) => id),
  ).toEqual([1, 2, 7]);
  await db.close();
});

test("of two transactions that take one unique value, one runs again and is refused", async () => {
  const { db, table } = await filled();
  const insert = (id: number): Promise<unknown> =>
    db.transaction(async (tx) => void (await tx.table(table).insert({ id, owner: "same" })));
  const [first, second] = await Promise.allSettled([insert(10), insert(11)]);
  expect(first.status).toBe("fulfilled");
  expect(second).toMatchObject({ status: "rejected", reason: { code: "unique_violation" } });
  await db.close();
});

test("a synchronous transaction moves money in one turn", async () => {
  const { db, table } = await filled();
  const moved = db.transactionSync((tx) => {
    const inside = tx.table(table);
    inside.decrementSync(1, "balance", 100n);
    return inside.incrementSync(2, "balance", 100n, { returning: true }).rows[0].balance;
  });
  expect(moved).toBe(105n);
  await fails("underflow", () =>
    db.transactionSync((tx) => void tx.table(table).decrementSync(1, "balance", 1n)),
  );
  await db.close();
});

test("a reference cannot be cut between its check and the commit", async () => {
  const db: Database = await open("memory:");
  const parents = await db.table("parents", { columns: { id: t.integer().primaryKey() } });
  const children = await db.table("children", {
    columns: {
      id: t.integer().primaryKey(),
      parent: t.integer().references("parents"),
    },
  });
  await parents.insertMany([{ id: 1 }, { id: 2 }]);
  let runs = 0;
  const inserting = db.transaction(async (tx) => {
    runs++;
    await tx.table(children).insert({ id: runs, parent: 1 });
    if (runs === 1) await parents.delete(1);
  });
  await fails("foreign_key_violation", () => inserting);
  let deletes = 0;
  const deleting = db.transaction(async (tx) => {
    deletes++;
    await tx.table(parents).delete(2);
    if (deletes === 1) await children.insert({ id: 50, parent: 2 });
  });
  await fails("foreign_key_violation", () => deleting);
  expect([runs, deletes]).toEqual([2, 2]);
  expect(parents.count()).toBe(1);
  await db.close();
});
