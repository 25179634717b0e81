/** What envelopes promise, under many callers, conflicts, failures and reopenings. */
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  CairnError,
  type Database,
  MemoryMedium,
  MemoryStorage,
  open,
  t,
} from "../../src/index.ts";
import { fails } from "../kv/fails.ts";
import "../seed.ts";

const definition = {
  columns: {
    id: t.integer().primaryKey(),
    state: t.text().notNull().default("open"),
    balance: t.u256().notNull().default(0n),
  },
  indexes: [{ columns: ["state"] as const }],
};

test("no update is lost, whichever way 64 callers add", async () => {
  const db = await open("memory:");
  const rows = await db.table("rows", definition);
  const counts = await db.keyspace("counts", { value: "u256" });
  await rows.insert({ id: 1 });
  const adds = Array.from({ length: 64 }, async (_none, number) => {
    const amount = BigInt(number);
    await db.commit({
      mutations: [
        rows.mutations.increment(1, "balance", amount),
        counts.mutations.add("k", amount),
      ],
      after: [rows.row(1).column("balance").gte(amount), counts.record("k").gte(amount)],
    });
    await rows.increment(1, "balance", 1n);
    await db.transaction(
      async (tx) => {
        await tx.table(rows).increment(1, "balance", 1n);
      },
      { retries: 100 },
    );
  });
  await Promise.all(adds);
  expect(rows.getSync(1)?.balance).toBe(2016n + 128n);
  expect(counts.getSync("k")).toBe(2016n);
  await db.close();
});

test("of 64 who assert the same before a change, one wins", async () => {
  const db = await open("memory:");
  const rows = await db.table("rows", definition);
  const winners = await db.keyspace<number>("winners");
  await rows.insert({ id: 1 });
  const version = await rows.version(1);
  const tries = Array.from({ length: 64 }, (_none, number) =>
    db.commit({
      mutations: [
        rows.mutations.update(1, { state: `taken by ${number}` }),
        winners.mutations.put("winner", number),
      ],
      before: [
        number % 2 === 0 ? rows.row(1).column("state").eq("open") : rows.row(1).version(version),
      ],
    }),
  );
  const outcomes = await Promise.allSettled(tries);
  const won = outcomes.flatMap(({ status }, at) => (status === "fulfilled" ? [at] : []));
  expect(won).toHaveLength(1);
  expect(rows.getSync(1)?.state).toBe(`taken by ${won[0]}`);
  expect(winners.getSync("winner")).toBe(won[0]);
  for (const outcome of outcomes) {
    if (outcome.status === "rejected") expect(outcome.reason.code).toBe("assertion_failed");
  }
  await db.close();
});

test("a stale read set never overwrites: read-modify-write by 32 callers adds up", async () => {
  const db = await open("memory:");
  const rows = await db.table("rows", definition);
  await rows.insert({ id: 1 });
  let conflicts = 0;
  const increments = Array.from({ length: 32 }, async () => {
    for (;;) {
      using reads = db.read();
      const row = await reads.table(rows).get(1);
      const balance = (row?.balance ?? 0n) + 1n;
      try {
        await db.commit({ mutations: [rows.mutations.update(1, { balance })], readSet: reads });
        return;
      } catch (error) {
        if (!(error instanceof CairnError) || error.code !== "conflict") throw error;
        conflicts++;
      }
    }
  });
  await Promise.all(increments);
  expect(rows.getSync(1)?.balance).toBe(32n);
  expect(conflicts).toBeGreaterThan(0);
  await db.close();
});

/** All rows and records, with their versions. */
function contentOf(db: Database, { rows, counts }: Awaited<ReturnType<typeof handlesOf>>) {
  return {
    seq: db.stats().seq,
    rows: rows
      .rowsSync()
      .toArray()
      .map((row) => ({ ...row, version: rows.versionSync(row.id) })),
    counts: counts
      .entriesSync()
      .toArray()
      .map((one) => {
        return { ...one, version: counts.versionSync(one.key) };
      }),
  };
}

async function handlesOf(db: Database) {
  const rows = await db.table("rows", definition);
  return { rows, counts: await db.keyspace("counts", { value: "u256" }) };
}

const step = fc.record({
  id: fc.integer({ min: 0, max: 5 }),
  other: fc.integer({ min: 0, max: 5 }),
  amount: fc.bigInt({ min: 0n, max: 50n }),
  kind: fc.constantFrom("insert", "transfer", "delete", "where", "count"),
  limit: fc.bigInt({ min: 0n, max: 60n }),
  key: fc.option(fc.integer({ min: 0, max: 3 }), { nil: undefined }),
});

test("random envelopes do what a model does, and a reopened database is equal", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const medium = new MemoryMedium();
      let db = await open(new MemoryStorage(medium));
      let handles = await handlesOf(db);
      const balances = new Map<number, bigint>();
      const counts = new Map<string, bigint>();
      for (const { id, other, amount, kind, limit } of steps) {
        const { rows, counts: numbers } = handles;
        const { mutations } = rows;
        const next = new Map(balances);
        const nextCounts = new Map(counts);
        const list = {
          insert: [mutations.insert({ id, balance: amount })],
          transfer: [
            mutations.decrement(id, "balance", amount),
            mutations.increment(other, "balance", amount),
          ],
          delete: [mutations.delete(id), mutations.delete(other)],
          where: [mutations.deleteWhere({ balance: { lt: amount } })],
          count: [numbers.mutations.add("n", amount), numbers.mutations.subtract("n", limit)],
        }[kind];
        let expected: string | undefined;
        if (kind === "insert") {
          if (next.has(id)) expected = "duplicate_primary_key";
          next.set(id, amount);
        } else if (kind === "transfer") {
          if (!next.has(id)) expected = "row_not_found";
          else if ((next.get(id) ?? 0n) < amount) expected = "underflow";
          else {
            next.set(id, (next.get(id) ?? 0n) - amount);
            if (!next.has(other)) expected = "row_not_found";
            else next.set(other, (next.get(other) ?? 0n) + amount);
          }
        } else if (kind === "delete") {
          next.delete(id);
          next.delete(other);
        } else if (kind === "where") {
          for (const [one, balance] of next) if (balance < amount) next.delete(one);
        } else {
          const sum = (nextCounts.get("n") ?? 0n) + amount;
          if (sum < limit) expected = "underflow";
          nextCounts.set("n", sum - limit);
        }
        const total = [...next.values()].reduce((sum, balance) => sum + balance, 0n);
        if (expected === undefined && total > limit * 4n) expected = "assertion_failed";
        const envelope = {
          mutations: list,
          after: [
            rows
              .matching()
              .sum("balance")
              .lte(limit * 4n),
            rows.matching().count().eq(next.size),
          ],
        };
        if (expected === undefined) {
          await db.commit(envelope);
          balances.clear();
          for (const [one, balance] of next) balances.set(one, balance);
          for (const [one, count] of nextCounts) counts.set(one, count);
        } else await fails(expected as CairnError["code"], () => db.commit(envelope));
        const found = rows
          .rowsSync()
          .toArray()
          .map((row) => [row.id, row.balance]);
        expect(found).toEqual([...balances].sort(([left], [right]) => left - right));
        expect(numbers.getSync("n")).toBe(counts.get("n"));
      }
      const before = contentOf(db, handles);
      await db.close();
      db = await open(new MemoryStorage(medium));
      handles = await handlesOf(db);
      expect(contentOf(db, handles)).toEqual(before);
      expect((await db.verify()).findings).toEqual([]);
      await db.close();
    }),
    { numRuns: 30 },
  );
});

test("an envelope that is aborted before its turn does nothing", async () => {
  const db = await open("memory:");
  const counts = await db.keyspace("counts", { value: "u64" });
  const signal = AbortSignal.abort(new Error("enough"));
  await fails("aborted", () => db.commit({ mutations: [counts.mutations.add("k", 1n)], signal }));
  expect(counts.hasSync("k")).toBe(false);
  await db.close();
});

test("what the caller changes after the call does not count", async () => {
  const db = await open("memory:");
  const notes = await db.keyspace<{ a: number }>("notes");
  const raw = await db.keyspace("raw", { key: "bytes", value: "bytes" });
  const key = new Uint8Array([1]);
  const value = new Uint8Array([2]);
  const note = { a: 1 };
  const mutations = [notes.mutations.put("n", note), raw.mutations.put(key, value)];
  const commit = db.commit({ mutations });
  note.a = 2;
  key[0] = 9;
  value[0] = 9;
  mutations.pop();
  await commit;
  expect(notes.getSync("n")).toEqual({ a: 1 });
  expect(raw.getSync(new Uint8Array([1]))).toEqual(new Uint8Array([2]));
  await db.close();
});
