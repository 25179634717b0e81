/** What tables are taken to be while commits fail, wait for the storage, or are seen too early. */
import { expect, test } from "vitest";
import {
  CairnError,
  type Database,
  MemoryMedium,
  MemoryStorage,
  open,
  t,
} from "../../src/index.ts";
import { tableInside } from "../../src/tables/table.ts";
import { fails } from "../kv/fails.ts";

/** A storage whose syncs wait at a gate, and whose next read of a blob can be made to fail. */
class GatedStorage extends MemoryStorage {
  #gate: Promise<void> | undefined;
  #failures = 0;

  constructor(medium: MemoryMedium) {
    super(medium);
    const { log, blobs } = this;
    const sync = log.sync.bind(log);
    log.sync = async (segment) => {
      await this.#gate;
      await sync(segment);
    };
    const read = blobs.read.bind(blobs);
    blobs.read = (name, at, into) => {
      if (this.#failures-- > 0) throw new CairnError("storage_failed", "It was made to fail.");
      return read(name, at, into);
    };
  }

  /** Closes the gate; the answer opens it. */
  shut(): () => void {
    let opened = (): void => undefined;
    this.#gate = new Promise((resolve) => {
      opened = resolve;
    });
    return opened;
  }

  failNextRead(): void {
    this.#failures = 1;
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const people = { columns: { id: t.integer().primaryKey(), name: t.text() } };

/** A database whose tables are known, while their records are not in memory any more. */
async function evicted(medium: MemoryMedium): Promise<{ db: Database; storage: GatedStorage }> {
  const storage = new GatedStorage(medium);
  const db = await open(storage, { memoryBudget: 4 << 20 });
  await db.table("people", people);
  const other = await db.keyspace<string>("other", { kind: "ordered" });
  for (let batch = 0; batch < 60; batch++) {
    await db.batch((writes) => {
      for (let key = 0; key < 200; key++) writes.put(other, `${batch} ${key}`, "x".repeat(600));
    });
  }
  await db.checkpoint();
  // What was used last stays: read everything else.
  for await (const _row of other.entries()) void _row;
  return { db, storage };
}

test("a change of a table that failed while it was applied is not taken for done", async () => {
  const medium = new MemoryMedium();
  const { db, storage } = await evicted(medium);
  const table = await db.table("people");
  const other = await db.keyspace<string>("other");
  // Everything behind the first commit waits, and becomes one group.
  const release = storage.shut();
  const first = other.put("first", "x");
  await turn();
  const altering = table.alter({ add: { age: t.u8() } });
  altering.catch(() => undefined);
  await turn();
  const between = other.put("between", "x");
  const insert = table.insert({ id: 1, name: "Ada" });
  storage.failNextRead();
  release();
  await fails("storage_failed", () => altering);
  await Promise.all([first, between, insert]);
  expect(table.describe().columns.map(({ name }) => name)).toEqual(["id", "name"]);
  await table.insert({ id: 2, name: "Bob" });
  const rows = table.rowsSync().toArray();
  await db.close();
  const again = await open(new MemoryStorage(medium));
  const reopened = await again.table("people", people);
  expect(reopened.rowsSync().toArray()).toEqual(rows);
  await again.close();
});

test("a statement in one group with a change of its table goes by the change", async () => {
  const medium = new MemoryMedium();
  const storage = new GatedStorage(medium);
  const db = await open(storage);
  const table = await db.table("people", people);
  const other = await db.keyspace<string>("other");
  const release = storage.shut();
  const first = other.put("first", "x");
  await turn();
  const altering = table.alter({ add: { age: t.u8().notNull().default(9) } });
  await turn();
  const late = table.insert({ id: 1, name: "Ada" });
  release();
  await Promise.all([first, altering]);
  await fails("conflict", () => late);
  await table.insert({ id: 1, name: "Ada" });
  expect(table.getSync(1)).toEqual({ id: 1, name: "Ada", age: 9 });
  await db.close();
});

test("statements go on while indexes and constraints come and go", async () => {
  const medium = new MemoryMedium();
  const storage = new GatedStorage(medium);
  const db = await open(storage);
  const table = await db.table("people", people);
  await table.insertMany(Array.from({ length: 6 }, (_, id) => ({ id, name: `n${id}` })));
  const other = await db.keyspace<string>("other");
  const release = storage.shut();
  const first = other.put("first", "x");
  await turn();
  const adding = table.addConstraint({ name: "short", check: { name: { lt: "o" } } });
  await turn();
  const late = [
    table.insert({ id: 10, name: "a" }),
    table.upsert({ id: 1, name: "b" }),
    table.update(2, { name: "c" }),
    table.updateWhere({ name: "n3" }, { name: "d" }),
    table.delete(4),
    table.deleteWhere({ name: "n5" }),
  ];
  // They meet what is being added, although they were called before.
  const bad = [
    table.insert({ id: 11, name: "z" }),
    table.upsert({ id: 0, name: "z" }),
    table.update(0, { name: "z" }),
    table.updateWhere({ id: 0 }, { name: "z" }),
  ];
  const judged = Promise.all(bad.map((one) => fails("check_constraint_failed", () => one)));
  release();
  await Promise.all([first, adding, judged, ...late]);
  const rows = table.rowsSync().toArray();
  expect(rows.map(({ id, name }) => `${id}${name}`)).toEqual(["0n0", "1b", "2c", "3d", "10a"]);
  await table.createIndex({ columns: ["name"], unique: true });
  expect((await table.check()).findings).toEqual([]);
  await db.close();
});

test("a table of a later release is refused, not misread", async () => {
  const medium = new MemoryMedium();
  const db = await open(new MemoryStorage(medium));
  const table = await db.table("people", people);
  const { core, tables } = tableInside(table);
  const { tree, key } = tables.recordOf(core);
  const newer = new TextEncoder().encode(JSON.stringify({ ...core.state.stored, format: 2 }));
  await tables.context.commit(function* (effects) {
    yield* [];
    effects.put(tree.id, key, newer);
  }, undefined);
  await db.close();
  const again = await open(new MemoryStorage(medium));
  await fails("format_newer", () => again.table("people"));
  await again.close();
});

test("a transaction that meets a table changed since it began runs again", async () => {
  const db = await open("memory:");
  const table = await db.table("people", people);
  let runs = 0;
  await db.transaction(async (tx) => {
    runs++;
    if (runs === 1) await table.alter({ add: { age: t.u8() } });
    await tx.table(table).insert({ id: runs, name: "late" });
  });
  expect(runs).toBe(2);
  expect(table.count()).toBe(1);
  await db.close();
});
