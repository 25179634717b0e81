import { expect, test } from "vitest";
import { loadCore } from "../../bindings/load.ts";
import { openEngine } from "../../src/engine/index.ts";
import { hash128 } from "../../src/envelope/fingerprint.ts";
import { MemoryMedium, MemoryStorage, open, t } from "../../src/index.ts";
import { fails } from "../kv/fails.ts";

test("fingerprints are MurmurHash3's, x86, 128 bits", () => {
  // From the reference implementation, seed 0.
  const hex = (text: string) =>
    Buffer.from(hash128(new TextEncoder().encode(text))).toString("hex");
  expect(hex("")).toBe("00000000000000000000000000000000");
  const word = (at: number) =>
    new DataView(
      hash128(new TextEncoder().encode("I will not buy this tobacconist's, it is scratched."))
        .buffer,
    )
      .getUint32(at, true)
      .toString(16)
      .padStart(8, "0");
  expect([0, 4, 8, 12].map(word).join("")).toBe("9b5b7ba2ef3f7866889adeaf00f3f98e");
});

test("a retry need not repeat what is no part of the request", async () => {
  const db = await open("memory:");
  const accounts = await db.table("accounts", {
    columns: { id: t.integer().primaryKey(), balance: t.u256().notNull() },
  });
  const notes = await db.keyspace<unknown>("notes");
  await accounts.insert({ id: 1, balance: 9n });
  const request = (note: unknown) => ({
    mutations: [accounts.mutations.decrement(1, "balance", 9n), notes.mutations.put("n", note)],
    after: [accounts.row(1).column("balance").gte(0n)],
    idempotencyKey: new Uint8Array([1, 2, 3]),
  });
  {
    using reads = db.read();
    await reads.table(accounts).get(1);
    const first = await db.commit({ ...request({ a: 1, b: [2] }), readSet: reads });
    expect(first.outcome).toBe("applied");
  }
  // No read set, another order of properties, another finality: and the assertion would not hold.
  const again = await db.commit({ ...request({ b: [2], a: 1 }), finality: "visible" });
  expect(again.outcome).toBe("duplicate");
  expect((await db.commit({ ...request({ a: 1, b: [2] }), writeClass: "economic" })).outcome).toBe(
    "duplicate",
  );
  await fails("idempotency_key_reused", () => db.commit(request({ a: 1, b: [3] })));
  const { after: _after, ...without } = request({ a: 1, b: [2] });
  await fails("idempotency_key_reused", () => db.commit(without));
  await db.close();
});

test("a key is forgotten by commits and by seconds, and leaves the medium", async () => {
  let now = 1_000_000;
  const medium = new MemoryMedium();
  const options = { clock: () => now, idempotency: { commits: 100, seconds: 10 } };
  const db = await open(new MemoryStorage(medium), options);
  const counts = await db.keyspace("counts", { value: "u64" });
  const send = (key: string) =>
    db.commit({ mutations: [counts.mutations.add("k", 1n)], idempotencyKey: key });
  const first = await send("one");
  now += 10_000;
  expect((await send("one")).outcome).toBe("duplicate");
  now += 1;
  const second = await send("one");
  expect([second.outcome, second.seq]).toEqual(["applied", first.seq + 1n]);
  for (let count = 0; count < 99; count++) await counts.put(`x${count}`, 1n);
  expect((await send("one")).outcome).toBe("duplicate");
  await counts.put("y", 1n);
  await counts.put("z", 1n);
  expect((await send("one")).outcome).toBe("applied");
  expect(counts.getSync("k")).toBe(3n);
  // What has left the window does not stay: of 1,000 keys, at most the window and some are there.
  for (let count = 0; count < 1_000; count++) await send(`many ${count}`);
  await db.close();
  const storage = new MemoryStorage(medium);
  const surroundings = { module: loadCore(), clock: () => now, random: () => undefined };
  const engine = await openEngine(storage, { readOnly: true }, surroundings);
  const tree = [...engine.trees()].find(
    ({ descriptor }) => descriptor.name === "internal: idempotency",
  );
  const records = engine.records(tree?.id ?? 0);
  expect(records).toBeGreaterThan(2 * 99);
  expect(records).toBeLessThan(2 * (100 + 64 + 1));
  await engine.close();
});

// Records are removed by every 64th commit with a key: by that of either key below.
test.each([0, 1])("a key that is used again after its time is remembered (%i)", async (before) => {
  const db = await open("memory:", { idempotency: { commits: 3, seconds: 0 } });
  const counts = await db.keyspace("counts", { value: "u64" });
  const send = async (idempotencyKey: string) => {
    const mutations = [counts.mutations.add(idempotencyKey, 1n)];
    return (await db.commit({ mutations, idempotencyKey })).outcome;
  };
  for (let count = 0; count < before; count++) await send("before");
  for (let round = 0; round < 70; round++) {
    expect(await send("again"), `round ${round}`).toBe("applied");
    expect(await send(`other ${round}`)).toBe("applied");
    expect(await send("again"), `round ${round}`).toBe("duplicate");
    for (let count = 0; count < 4; count++) await counts.put("x", BigInt(count));
  }
  expect(counts.getSync("again")).toBe(70n);
  await db.close();
});

test("a commit that fails leaves no key behind; the next one may use it", async () => {
  const db = await open("memory:");
  const counts = await db.keyspace("counts", { value: "u64" });
  const send = (amount: bigint) =>
    db.commit({ mutations: [counts.mutations.subtract("k", amount)], idempotencyKey: "k" });
  await fails("underflow", () => send(1n));
  await counts.put("k", 5n);
  expect((await send(2n)).outcome).toBe("applied");
  expect(counts.getSync("k")).toBe(3n);
  await db.close();
});

test("the same envelope sent 64 times at once is made once", async () => {
  const db = await open("memory:");
  const counts = await db.keyspace("counts", { value: "u64" });
  const all = await Promise.all(
    Array.from({ length: 64 }, () =>
      db.commit({ mutations: [counts.mutations.add("k", 1n)], idempotencyKey: "once" }),
    ),
  );
  expect(all.filter(({ outcome }) => outcome === "applied")).toHaveLength(1);
  expect(new Set(all.map(({ canonicalCommitSeq }) => canonicalCommitSeq)).size).toBe(1);
  expect(all.every(({ durable }) => durable)).toBe(true);
  expect(counts.getSync("k")).toBe(1n);
  await db.close();
});

test("a duplicate that is to be durable is, though the first one was not", async () => {
  const db = await open("memory:", { durability: "none" });
  const counts = await db.keyspace("counts", { value: "u64" });
  const envelope = { mutations: [counts.mutations.add("k", 1n)], idempotencyKey: "k" };
  expect((await db.commit(envelope)).durable).toBe(false);
  expect((await db.commit(envelope)).durable).toBe(false);
  expect(await db.commit({ ...envelope, finality: "durable" })).toMatchObject({
    outcome: "duplicate",
    durable: true,
  });
  const economic = await db.commit({
    mutations: [counts.mutations.add("k", 1n)],
    writeClass: "economic",
  });
  expect(economic.durable).toBe(true);
  await db.close();
});
