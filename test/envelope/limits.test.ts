/** What an envelope refuses, each with its code. */
import { expect, test } from "vitest";
import { type Database, type Envelope, open, t } from "../../src/index.ts";
import { fails } from "../kv/fails.ts";

async function fixture(db: Database) {
  const rows = await db.table("rows", {
    columns: { id: t.integer().primaryKey(), name: t.text(), count: t.u8() },
    checks: { small: { count: { lt: 200 } } },
    indexes: [{ columns: ["name"], unique: true }],
  });
  const children = await db.table("children", {
    columns: { id: t.integer().primaryKey(), row: t.integer().references("rows") },
  });
  const notes = await db.keyspace<unknown>("notes");
  const bytes = await db.keyspace("bytes", { value: "bytes" });
  const numbers = await db.keyspace("numbers", { value: "u64" });
  const vectors = await db.vectors("vectors", { dimensions: 2 });
  await rows.insertMany([
    { id: 1, name: "a", count: 1 },
    { id: 2, name: "b" },
  ]);
  return { rows, children, notes, bytes, numbers, vectors };
}

/** Something that is waited for. */
function signal(): { readonly promise: Promise<void>; readonly resolve: () => void } {
  let resolve: () => void = () => undefined;
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}

test("what is no envelope is refused", async () => {
  const db = await open("memory:");
  const { notes } = await fixture(db);
  const mutations = [notes.mutations.put("n", 1)];
  const refused: [string, unknown][] = [
    ["argument_invalid", undefined],
    ["argument_invalid", {}],
    ["argument_invalid", { mutations: [] }],
    ["argument_invalid", { mutations: [{}] }],
    ["argument_invalid", { mutations: [undefined] }],
    ["argument_invalid", { mutations: [{ ...mutations[0], operation: "burn" }] }],
    ["argument_invalid", { mutations: [{ ...mutations[0], target: {} }] }],
    ["argument_invalid", { mutations: [{ model: "table", target: {}, operation: "delete" }] }],
    ["argument_invalid", { mutations: [{ model: "vectors", target: {}, operation: "delete" }] }],
    ["argument_invalid", { mutations, before: {} }],
    ["argument_invalid", { mutations, after: [{}] }],
    ["argument_invalid", { mutations, after: [undefined] }],
    ["argument_invalid", { mutations, after: [{ all: 1 }] }],
    ["argument_invalid", { mutations, idempotencyKey: "" }],
    ["argument_invalid", { mutations, idempotencyKey: "k".repeat(257) }],
    ["argument_invalid", { mutations, idempotencyKey: 7 }],
    ["argument_invalid", { mutations, idempotencyKey: "k", caller: "" }],
    ["argument_invalid", { mutations, caller: 3 }],
    ["argument_invalid", { mutations, finality: "soon" }],
    ["argument_invalid", { mutations, writeClass: "cheap" }],
    ["write_class_unavailable", { mutations, writeClass: "volatile" }],
    ["option_unknown", { mutations, asserts: [] }],
  ];
  for (const [code, envelope] of refused) {
    await fails(code as "closed", () => db.commit(envelope as Envelope));
    await fails(code as "closed", () => db.commitSync(envelope as Envelope));
  }
  expect(notes.hasSync("n")).toBe(false);
  await db.close();
});

test("mutations answer with the codes of the methods of their names, and their place", async () => {
  const db = await open("memory:");
  const { rows, children, notes, bytes, numbers, vectors } = await fixture(db);
  const first = notes.mutations.put("n", 1);
  const failing = {
    duplicate_primary_key: rows.mutations.insert({ id: 1 }),
    unique_violation: rows.mutations.insert({ id: 3, name: "a" }),
    check_constraint_failed: rows.mutations.increment(1, "count", 220),
    overflow: rows.mutations.increment(1, "count", 255),
    underflow: rows.mutations.decrement(1, "count", 2),
    row_not_found: rows.mutations.increment(9, "count", 1),
    foreign_key_violation: children.mutations.insert({ id: 1, row: 9 }),
    unknown_column: rows.mutations.update(1, { nothing: 1 } as never),
    type_mismatch: rows.mutations.increment(1, "name", 1),
    not_null_violation: rows.mutations.insert({} as never),
    value_invalid: rows.mutations.insert({ id: 0.5 }),
    key_not_found: numbers.mutations.add("k", 1n, { onMissing: "reject" }),
    key_invalid: notes.mutations.put(5 as never, 1),
    key_too_large: notes.mutations.delete("k".repeat(1_025)),
    argument_invalid: notes.mutations.add("n" as never, 1n as never) as never,
    vector_dimensions: vectors.mutations.put("v", [1, 2, 3]),
  };
  for (const [code, mutation] of Object.entries(failing)) {
    const run = () => db.commit({ mutations: [first, mutation] });
    expect((await fails(code as "closed", run)).details.mutation, code).toBe(1);
  }
  expect(notes.hasSync("n")).toBe(false);
  expect(bytes.hasSync("n")).toBe(false);
  await db.close();
});

test("there are at most 16,384 mutations, and 16 MiB", async () => {
  const db = await open("memory:");
  const { notes, bytes } = await fixture(db);
  const many = (count: number) => ({
    mutations: Array.from({ length: count }, (_none, at) => notes.mutations.put(`k${at}`, at)),
  });
  expect((await db.commit(many(16_384))).results).toHaveLength(16_384);
  expect(await notes.count()).toBe(16_384);
  await fails("envelope_too_large", () => db.commit(many(16_385)));
  const half = new Uint8Array(8 * 1024 * 1024);
  await fails("envelope_too_large", () =>
    db.commit({ mutations: [bytes.mutations.put("a", half), bytes.mutations.put("b", half)] }),
  );
  expect(bytes.hasSync("a")).toBe(false);
  await db.commit({ mutations: [bytes.mutations.put("a", half)] });
  await db.close();
});

test("handles of another database, dropped and altered things are refused", async () => {
  const db = await open("memory:");
  const other = await open("memory:");
  const { rows, notes, vectors } = await fixture(db);
  const foreign = await fixture(other);
  for (const mutation of [
    foreign.rows.mutations.delete(1),
    foreign.notes.mutations.delete("n"),
    foreign.vectors.mutations.delete("v"),
  ]) {
    await fails("argument_invalid", () => db.commit({ mutations: [mutation] }));
  }
  const mutations = [notes.mutations.put("n", 1)];
  await fails("argument_invalid", () =>
    db.commit({ mutations, before: [foreign.rows.row(1).exists()] }),
  );
  await fails("argument_invalid", () =>
    db.commit({ mutations, before: [foreign.notes.record("n").exists()] }),
  );
  await fails("argument_invalid", () => db.commit({ mutations, readSet: other.read() }));
  const mixed = db.commit({ mutations: [...mutations, rows.mutations.delete(1)] });
  await mixed;
  const raced = db.commit({ mutations: [rows.mutations.update(2, { count: 3 })] });
  await raced;
  const waiting = [
    rows.alter({ drop: ["count"] }),
    db.commit({ mutations: [rows.mutations.delete(2)] }),
  ];
  const [, deletion] = await Promise.allSettled(waiting);
  if (deletion.status === "rejected") expect(deletion.reason.code).toBe("conflict");
  await db.dropTable("children");
  await db.dropTable("rows");
  await db.drop("notes");
  await db.dropVectors("vectors");
  await fails("table_dropped", () => db.commit({ mutations: [rows.mutations.delete(2)] }));
  await fails("keyspace_dropped", () => db.commit({ mutations }));
  await fails("vectors_dropped", () => db.commit({ mutations: [vectors.mutations.delete("v")] }));
  await db.close();
  await other.close();
});

test("a table that is changed before the envelope has its turn is a conflict", async () => {
  const db = await open("memory:");
  const { rows, notes } = await fixture(db);
  const started = signal();
  const answer = signal();
  const validate = async (value: unknown) => {
    started.resolve();
    await answer.promise;
    return { value };
  };
  const schema = { "~standard": { version: 1 as const, vendor: "test", validate } };
  const slow = await db.table("slow", { columns: { id: t.integer().primaryKey() }, schema });
  const commit = db.commit({
    mutations: [
      rows.mutations.update(1, { name: "new" }),
      notes.mutations.put("n", 1),
      slow.mutations.insert({ id: 1 }),
    ],
  });
  await started.promise;
  await rows.alter({ rename: { name: "title" } });
  answer.resolve();
  await fails("conflict", () => commit);
  expect([notes.hasSync("n"), slow.hasSync(1)]).toEqual([false, false]);
  expect(await rows.get(1)).toMatchObject({ title: "a" });
  await db.close();
});

test("a validator sees rows; one that answers later needs the awaited form", async () => {
  const db = await open("memory:");
  const schemaOf = (isAsync: boolean) => ({
    "~standard": {
      version: 1 as const,
      vendor: "test",
      validate: (value: unknown) => {
        const row = value as { id: number; name: string };
        const isBad = row.name === "bad";
        const result = isBad ? { issues: [{ message: "bad" }] } : { value: { ...row, name: "ok" } };
        return isAsync ? Promise.resolve(result) : result;
      },
      types: undefined as unknown as { input: Row; output: Row },
    },
  });
  interface Row {
    id: number;
    name: string;
  }
  const columns = { id: t.integer().primaryKey(), name: t.text() };
  const now = await db.table("now", { columns, schema: schemaOf(false) });
  const later = await db.table("later", { columns, schema: schemaOf(true) });
  await db.commit({
    mutations: [
      now.mutations.insert({ id: 1, name: "x" }),
      later.mutations.upsert({ id: 1, name: "x" }),
    ],
  });
  expect([now.getSync(1)?.name, later.getSync(1)?.name]).toEqual(["ok", "ok"]);
  db.commitSync({ mutations: [now.mutations.insert({ id: 2, name: "x" })] });
  const bad = { mutations: [later.mutations.insert({ id: 3, name: "bad" })] };
  await fails("schema_rejected", () => db.commit(bad));
  await fails("schema_asynchronous", () => db.commitSync(bad));
  await db.close();
});

test("an envelope that changes nothing makes no commit, unless it has a key", async () => {
  const db = await open("memory:");
  const { notes, numbers } = await fixture(db);
  const { seq } = await numbers.put("n", 1n);
  const mutations = [
    notes.mutations.delete("nothing"),
    numbers.mutations.subtract("n", 2n, { onUnderflow: "noOp" }),
    numbers.mutations.max("n", 1n),
  ];
  const done = await db.commit({ mutations });
  expect(done.results.map(({ changed }) => changed)).toEqual([0, 0, 0]);
  expect([done.seq, db.stats().seq]).toEqual([seq, seq]);
  expect(await numbers.version("n")).toBe(seq);
  expect((await db.commit({ mutations, idempotencyKey: "k" })).seq).toBe(seq + 1n);
  expect(await numbers.version("n")).toBe(seq);
  await db.close();
});
