/** Preflight, plans, compare-and-swap, claims, actions and keyed state. */
import { expect, test } from "vitest";
import { type Database, open, type PreflightPlan, t } from "../../src/index.ts";
import { fails } from "../kv/fails.ts";

async function fixture(db: Database) {
  const jobs = await db.table("jobs", {
    columns: {
      id: t.integer().primaryKey(),
      state: t.text().notNull().default("ready"),
      tries: t.integer().notNull().default(0),
      budget: t.u256().notNull().default(0n),
    },
    indexes: [{ name: "byState", columns: ["state"] }],
  });
  const totals = await db.keyspace("totals", { value: "u64" });
  const notes = await db.keyspace<unknown>("notes");
  await jobs.insertMany([1, 2, 3].map((id) => ({ id, budget: 10n })));
  return { jobs, totals, notes };
}

test("a preflight says what would come of an envelope, and writes nothing", async () => {
  const db = await open("memory:");
  const { jobs, totals } = await fixture(db);
  const { seq } = db.stats();
  const envelope = {
    mutations: [
      jobs.mutations.updateWhere({ state: "ready" }, { state: "done" }),
      totals.mutations.add("done", 3n),
    ],
    after: [jobs.matching({ state: "done" }).count().eq(3)],
  };
  expect(await db.preflight(envelope)).toEqual({
    valid: true,
    estimatedAffectedRows: 4,
    errors: [],
  });
  const failing = await db.preflight({
    mutations: [
      jobs.mutations.insert({ id: 1 }),
      totals.mutations.subtract("done", 1n),
      jobs.mutations.increment(2, "tries", 1),
    ],
    before: [jobs.row(9).exists()],
    after: [jobs.row(9).exists()],
  });
  expect(failing.valid).toBe(false);
  expect(failing.errors.map(({ code, details }) => [code, details.mutation])).toEqual([
    ["assertion_failed", undefined],
    ["duplicate_primary_key", 0],
    ["underflow", 1],
  ]);
  expect(failing.estimatedAffectedRows).toBe(1);
  expect(db.stats().seq).toBe(seq);
  await db.close();
});

test("a plan is committed only if all that was read for it still is so", async () => {
  const db = await open("memory:");
  const { jobs, totals, notes } = await fixture(db);
  const plan = (): Promise<PreflightPlan> =>
    db.preflightPlan({
      mutations: [
        jobs.mutations.decrement(1, "budget", 4n),
        totals.mutations.subtract("left", 0n),
        notes.mutations.put("n", 1),
      ],
      before: [jobs.matching({ state: "ready" }).count().gte(1)],
    });
  const first = await plan();
  expect(first).toMatchObject({ valid: true, baseSeq: db.stats().seq, estimatedAffectedRows: 3 });
  expect(first.writes).toEqual([
    { model: "table", target: "jobs", operation: "decrement", key: 1 },
    { model: "keyspace", target: "totals", operation: "subtract", key: "left" },
    { model: "keyspace", target: "notes", operation: "put", key: "n" },
  ]);
  await notes.put("unrelated", 1);
  expect((await db.commitPlan(first)).outcome).toBe("applied");
  expect(jobs.getSync(1)?.budget).toBe(6n);
  await fails("conflict", () => db.commitPlan(first));
  first.release();
  await fails("transaction_closed", () => db.commitPlan(first));
  const changes = [
    () => jobs.update(1, { tries: 5 }),
    () => jobs.delete(1),
    () => jobs.insert({ id: 7 }),
    () => totals.put("left", 1n),
  ];
  for (const change of changes) {
    using stale = await plan();
    await change();
    await fails("conflict", () => db.commitPlan(stale));
    if (change === changes[1]) await jobs.insert({ id: 1, budget: 10n });
  }
  using invalid = await db.preflightPlan({ mutations: [jobs.mutations.insert({ id: 2 })] });
  await fails("duplicate_primary_key", () => db.commitPlan(invalid));
  await db.close();
});

test("compare-and-swap changes what still has its version, and nothing else", async () => {
  const db = await open("memory:");
  const { jobs, totals, notes } = await fixture(db);
  await notes.put("n", 1);
  const version = await notes.version("n");
  const done = await db.compareAndSwap(notes, { key: "n", version, value: 2, ttl: 60_000 });
  expect(notes.ttlSync("n")).toBeGreaterThan(0);
  expect(await notes.version("n")).toBe(done.seq);
  await fails("assertion_failed", () => db.compareAndSwap(notes, { key: "n", version, value: 3 }));
  await db.compareAndSwap(notes, { key: "new", version: 0n, value: 1 });
  await fails("assertion_failed", () =>
    db.compareAndSwap(notes, { key: "new", version: 0n, value: 2 }),
  );
  const row = await jobs.version(1);
  await db.compareAndSwap(jobs, { row: { id: 1, tries: 1 }, version: row });
  await fails("assertion_failed", () =>
    db.compareAndSwap(jobs, { row: { id: 1, tries: 2 }, version: row }),
  );
  const now = await jobs.version(1);
  await db.compareAndIncrement(jobs, { key: 1, column: "budget", amount: 5n, version: now });
  await fails("assertion_failed", () =>
    db.compareAndDecrement(jobs, { key: 1, column: "budget", amount: 5n, version: now }),
  );
  const later = await jobs.version(1);
  await db.compareAndDecrement(jobs, { key: 1, column: "budget", amount: 2n, version: later });
  expect(jobs.getSync(1)).toEqual({ id: 1, state: "ready", tries: 1, budget: 3n });
  await db.compareAndAdd(totals, { key: "t", amount: 5n, version: 0n });
  const total = await totals.version("t");
  await db.compareAndSubtract(totals, { key: "t", amount: 2n, version: total });
  const options = { key: "t", amount: 9n, version: await totals.version("t") };
  await fails("underflow", () => db.compareAndSubtract(totals, options));
  const lenient = await db.compareAndSubtract(totals, { ...options, onUnderflow: "noOp" });
  expect(lenient.results[0]).toMatchObject({ changed: 0, value: 3n });
  expect(await totals.version("t")).toBe(options.version);
  await db.close();
});

test("of many who claim rows, each gets another one", async () => {
  const db = await open("memory:");
  const { jobs } = await fixture(db);
  const claims = await Promise.all(
    Array.from({ length: 8 }, (_, tries) =>
      db.claimOne(jobs, { where: { state: "ready" }, patch: { state: "claimed", tries } }),
    ),
  );
  const claimed = claims.filter((claim) => claim !== undefined);
  expect(claimed.map(({ before }) => [before.id, before.state])).toEqual([
    [1, "ready"],
    [2, "ready"],
    [3, "ready"],
  ]);
  expect(claimed.map(({ after }) => after.state)).toEqual(["claimed", "claimed", "claimed"]);
  const { rows, seq } = await db.mutateReturning(jobs, {
    where: { id: { gte: 2 } },
    patch: { state: "ready" },
  });
  expect(rows.map(({ before, after }) => [before.state, after.state, after.id])).toEqual([
    ["claimed", "ready", 2],
    ["claimed", "ready", 3],
  ]);
  expect(await jobs.version(3)).toBe(seq);
  await db.close();
});

test("actions must have a key; effect batches are envelopes", async () => {
  const db = await open("memory:");
  const { jobs, totals } = await fixture(db);
  const mutations = [totals.mutations.add("t", 1n)];
  await fails("argument_invalid", () => db.commitAction({ mutations } as never));
  const action = { mutations, idempotencyKey: "a", caller: "ada" };
  const first = await db.commitAction(action);
  expect(await db.commitAction(action)).toMatchObject({
    outcome: "duplicate",
    canonicalCommitSeq: first.seq,
  });
  const state = db.keyedState(jobs);
  await db.commitEffects({
    effects: [state.effects.write({ id: 9, tries: 1 }), state.effects.delete(1), ...mutations],
  });
  expect([jobs.hasSync(9), jobs.hasSync(1), totals.getSync("t")]).toEqual([true, false, 2n]);
  await db.close();
});

test("keyed state is read, changed by functions, and found in the order of an index", async () => {
  const db = await open("memory:");
  const { jobs } = await fixture(db);
  const state = db.keyedState(jobs);
  await state.write({ id: 5, state: "waiting" });
  expect(await state.readField(5, "state")).toBe("waiting");
  expect(await state.readField(6, "state")).toBeUndefined();
  await fails("unknown_column", () => state.readField(5, "nothing" as "state"));
  await Promise.all(
    Array.from({ length: 8 }, () =>
      state.update(5, (row) => ({ id: 5, ...row, tries: (row?.tries ?? 0) + 1 })),
    ),
  );
  expect(await state.read(5)).toMatchObject({ state: "waiting", tries: 8 });
  expect(await state.update(77, () => undefined)).toBeUndefined();
  await fails("argument_invalid", () => state.update(5, () => ({ id: 6 })));
  expect((await state.queryIndex("byState")).map(({ id }) => id)).toEqual([1, 2, 3, 5]);
  const some = await state.queryIndex("byState", { prefix: ["ready"], offset: 1, limit: 1 });
  expect(some.map(({ id }) => id)).toEqual([2]);
  expect(await state.indexRank("byState", 5)).toBe(3);
  expect(await state.indexRank("byState", 1)).toBe(0);
  expect(await state.indexRank("byState", 99)).toBeUndefined();
  await state.update(5, () => undefined);
  expect(await state.delete(5)).toBe(false);
  expect(await state.delete(1)).toBe(true);
  await fails("index_not_found", () => state.queryIndex("none"));
  const pairs = await db.table("pairs", {
    columns: { a: t.integer(), b: t.integer() },
    primaryKey: ["a", "b"],
  });
  await fails("argument_invalid", () => db.keyedState(pairs));
  await db.close();
});
