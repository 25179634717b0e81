import { describe, expect, test } from "vitest";
import { type Database, isCairnError, t } from "../../src/index.ts";
import { fails } from "../kv/fails.ts";
import { places } from "../kv/places.ts";

const definition = {
  columns: {
    id: t.integer().primaryKey(),
    owner: t.text().notNull(),
    balance: t.u256().notNull().default(0n),
    floor: t.i64(),
  },
  indexes: [{ columns: ["owner"] as const }],
};

async function bank(db: Database) {
  const accounts = await db.table("accounts", definition);
  const notes = await db.keyspace("notes");
  const totals = await db.keyspace("totals", { value: "u256" });
  const places = await db.vectors("places", { dimensions: 2 });
  return { accounts, notes, totals, places };
}

describe.each(places.map((kind) => [kind.name, kind] as const))("over %s", (_name, kind) => {
  test("an envelope changes tables, keyspaces and vectors in one commit", async () => {
    const place = kind.make();
    let db = await place.open();
    let { accounts, notes, totals, places } = await bank(db);
    await accounts.insertMany([
      { id: 1, owner: "ada", balance: 100n },
      { id: 2, owner: "bob" },
    ]);
    const done = await db.commit({
      mutations: [
        accounts.mutations.decrement(1, "balance", 30n, { returning: true }),
        accounts.mutations.increment(2, "balance", 30n),
        accounts.mutations.insert({ id: 3, owner: "cleo", balance: 5n }),
        accounts.mutations.updateWhere({ owner: "bob" }, { owner: "Bob" }, { returning: true }),
        notes.mutations.put("n1", { text: "paid" }),
        notes.mutations.delete("n2"),
        totals.mutations.add("sum", 105n),
        places.mutations.put("p1", [1, 0]),
      ],
      before: [accounts.row(1).column("balance").gte(30n), accounts.row(3).absent()],
      after: [
        accounts.row(1).column("balance").eq(70n),
        accounts.matching().sum("balance").eq(105n),
        totals.record("sum").eq(105n),
      ],
    });
    expect(done).toMatchObject({ outcome: "applied", durable: true });
    expect(done.canonicalCommitSeq).toBe(done.seq);
    expect(done.results.map(({ changed }) => changed)).toEqual([1, 1, 1, 1, 1, 0, 1, 1]);
    expect(done.results[0].rows).toEqual([{ id: 1, owner: "ada", balance: 70n, floor: null }]);
    expect(done.results[6]).toMatchObject({ value: 105n, previous: undefined });
    expect(await accounts.version(1)).toBe(done.seq);
    expect(await notes.version("n1")).toBe(done.seq);
    expect(await notes.version("n2")).toBe(0n);
    await db.close();
    db = await place.open();
    ({ accounts, notes, totals, places } = await bank(db));
    expect(await accounts.rows().toArray()).toEqual([
      { id: 1, owner: "ada", balance: 70n, floor: null },
      { id: 2, owner: "Bob", balance: 30n, floor: null },
      { id: 3, owner: "cleo", balance: 5n, floor: null },
    ]);
    expect(await notes.get("n1")).toEqual({ text: "paid" });
    expect(await totals.get("sum")).toBe(105n);
    expect(await places.has("p1")).toBe(true);
    await db.close();
    place.remove();
  });

  test("nothing of an envelope stays when one part of it fails", async () => {
    const place = kind.make();
    const db = await place.open();
    const { accounts, notes, places } = await bank(db);
    await accounts.insert({ id: 1, owner: "ada", balance: 10n });
    const all = [
      notes.mutations.put("n", 1),
      places.mutations.put("p", [1, 1]),
      accounts.mutations.update(1, { owner: "x" }),
    ];
    const { seq } = await notes.put("first", 1);
    const failing = [
      ["underflow", { mutations: [...all, accounts.mutations.decrement(1, "balance", 11n)] }],
      ["row_not_found", { mutations: [...all, accounts.mutations.increment(9, "balance", 1n)] }],
      [
        "duplicate_primary_key",
        { mutations: [...all, accounts.mutations.insert({ id: 1, owner: "" })] },
      ],
      ["assertion_failed", { mutations: all, after: [accounts.row(1).column("owner").eq("ada")] }],
      ["assertion_failed", { mutations: all, before: [notes.record("n").exists()] }],
    ] as const;
    for (const [code, envelope] of failing) {
      await fails(code, () => db.commit(envelope));
      if (kind.isSync) await fails(code, () => db.commitSync(envelope));
    }
    expect(db.stats().seq).toBe(seq);
    expect(await accounts.get(1)).toMatchObject({ owner: "ada", balance: 10n });
    expect([await notes.has("n"), await places.has("p")]).toEqual([false, false]);
    const error = await db.commit(failing[0][1]).catch((thrown: unknown) => thrown);
    expect(isCairnError(error) && error.details.mutation).toBe(3);
    await db.close();
    place.remove();
  });

  test("an idempotency key makes an envelope once, over reopenings, for each caller", async () => {
    const place = kind.make();
    let db = await place.open();
    let { totals } = await bank(db);
    const envelope = (amount: bigint, caller?: string) => ({
      mutations: [totals.mutations.add("k", amount)],
      idempotencyKey: "transfer-1",
      ...(caller === undefined ? {} : { caller }),
    });
    const first = await db.commit(envelope(5n));
    expect(first.outcome).toBe("applied");
    const again = await db.commit(envelope(5n));
    expect(again).toMatchObject({
      outcome: "duplicate",
      seq: first.seq,
      results: [],
      durable: true,
    });
    if (kind.isSync) expect(db.commitSync(envelope(5n)).canonicalCommitSeq).toBe(first.seq);
    await fails("idempotency_key_reused", () => db.commit(envelope(6n)));
    expect((await db.commit(envelope(7n, "ada"))).outcome).toBe("applied");
    await db.close();
    db = await place.open();
    ({ totals } = await bank(db));
    expect((await db.commit(envelope(5n))).canonicalCommitSeq).toBe(first.seq);
    await fails("idempotency_key_reused", () => db.commit(envelope(5n, "ada")));
    expect((await db.commit(envelope(7n, "ada"))).outcome).toBe("duplicate");
    expect(await totals.get("k")).toBe(12n);
    await db.close();
    place.remove();
  });

  test("a stale read set is refused, of records, rows, ranges and what was absent", async () => {
    const place = kind.make();
    const db = await place.open();
    const { accounts, notes } = await bank(db);
    await accounts.insert({ id: 1, owner: "ada", balance: 10n });
    await notes.batch([
      { type: "put", key: "a1", value: 1 },
      { type: "put", key: "a2", value: 2 },
      { type: "put", key: "b1", value: 3 },
    ]);
    const write = { mutations: [notes.mutations.put("z", 1)] };
    const readings = [
      {
        read: (reads: ReturnType<typeof db.read>) => reads.keyspace(notes).get("a1"),
        change: () => notes.delete("a1"),
      },
      {
        read: (reads: ReturnType<typeof db.read>) => reads.keyspace(notes).get("a9"),
        change: () => notes.put("a9", 1),
      },
      {
        read: (reads: ReturnType<typeof db.read>) =>
          reads.keyspace(notes).keys({ prefix: "a" }).toArray(),
        change: () => notes.delete("a2"),
      },
      {
        read: (reads: ReturnType<typeof db.read>) => reads.table(accounts).get(1),
        change: () => accounts.update(1, { owner: "x" }),
      },
      {
        read: (reads: ReturnType<typeof db.read>) =>
          reads.query(db.from(accounts).where({ id: { lt: 5 } })).all(),
        change: () => accounts.insert({ id: 3, owner: "x" }),
      },
    ];
    for (const { read, change } of readings) {
      using reads = db.read();
      await read(reads);
      expect((await db.commit({ ...write, readSet: reads })).outcome).toBe("applied");
      await notes.put("b1", 4);
      expect((await db.commit({ ...write, readSet: reads })).outcome).toBe("applied");
      await change();
      await fails("conflict", () => db.commit({ ...write, readSet: reads }));
    }
    await db.close();
    place.remove();
  });
});
