/** Counters in parts, beside a BigInt. */
import { describe, expect, test } from "vitest";
import { type Counter, type Database, isCairnError, type Keyspace, open } from "../../src/index.ts";
import { MemoryMedium, MemoryStorage } from "../../src/storage/memory/index.ts";
import { seed } from "../seed.ts";
import { Random } from "../storage/random.ts";

type Kind = "ordered" | "hashed";
const limits = { u64: 2n ** 64n - 1n, i64: 2n ** 63n - 1n, u256: 2n ** 256n - 1n } as const;

async function numbers(db: Database, kind: Kind = "ordered"): Promise<Keyspace<string, bigint>> {
  return await db.keyspace("numbers", { kind, value: "u64" });
}

describe.each(["ordered", "hashed"] as const)("in an %s keyspace", (kind) => {
  test("random additions, over reopens and other sizes, sum up", async () => {
    const random = new Random(seed);
    const medium = new MemoryMedium();
    let db = await open(new MemoryStorage(medium));
    let keyspace = await numbers(db, kind);
    const keys = ["views", "views\u0000", "", "\u0000size"];
    const sums = new Map(keys.map((key) => [key, 0n]));
    const counters = new Map<string, Counter<string>>();
    try {
      for (let step = 0; step < 400; step++) {
        const key = random.pick(keys);
        const counter =
          counters.get(key) ??
          (await db.counter(
            keyspace,
            key,
            random.chance(0.5) ? {} : { shards: random.whole(1, 40) },
          ));
        counters.set(key, counter);
        const amount = BigInt(random.integer(1_000_000));
        const way = random.integer(5);
        if (way === 0) await counter.add(amount);
        else if (way === 1) counter.addSync(amount);
        else if (way === 2) await db.transaction((tx) => counter.within(tx).add(amount));
        else if (way === 3) db.transactionSync((tx) => counter.within(tx).addSync(amount));
        else await db.commit({ mutations: [counter.mutations.add(amount)] });
        sums.set(key, (sums.get(key) as bigint) + amount);
        if (random.chance(0.05)) counters.clear();
        if (random.chance(0.03)) {
          await db.close();
          db = await open(new MemoryStorage(medium));
          keyspace = await numbers(db, kind);
          counters.clear();
        }
        if (random.chance(0.2))
          expect(await counterOf(key).then((one) => one.read())).toBe(sums.get(key));
      }
      for (const key of keys) {
        expect(await (await counterOf(key)).read()).toBe(sums.get(key));
        expect((await counterOf(key)).readSync()).toBe(sums.get(key));
        expect(await keyspace.has(key)).toBe(false);
      }
    } catch (error) {
      throw new Error(`Failed with SEED=${seed}`, { cause: error });
    } finally {
      await db.close();
    }

    async function counterOf(key: string): Promise<Counter<string>> {
      return await db.counter(keyspace, key);
    }
  });
});

describe("many transactions at once", () => {
  async function run(shards: number): Promise<{ conflicts: number; sum: bigint }> {
    await using db = await open("memory:");
    const keyspace = await numbers(db);
    const hits = await db.counter(keyspace, "hits", { shards });
    const bytes = await db.counter(keyspace, "bytes", { shards });
    let waiting = 0;
    let release = (): void => undefined;
    const all = new Promise<void>((resolve) => {
      release = resolve;
    });
    let conflicts = 0;
    const one = async (amount: bigint): Promise<void> => {
      try {
        await db.transaction(
          async (tx) => {
            await hits.within(tx).add(1n);
            await bytes.within(tx).add(amount);
            // Each has read and written before the first one commits.
            if (++waiting === 64) release();
            await all;
          },
          { retries: 0 },
        );
      } catch (error) {
        if (!isCairnError(error, "conflict")) throw error;
        conflicts++;
      }
    };
    await Promise.all(Array.from({ length: 64 }, (_none, at) => one(BigInt(at))));
    expect((await hits.read()) + BigInt(conflicts)).toBe(64n);
    return { conflicts, sum: await bytes.read() };
  }

  test("do not conflict when there is a part for each", async () => {
    expect(await run(64)).toEqual({ conflicts: 0, sum: 2_016n });
    expect(await run(4_096)).toEqual({ conflicts: 0, sum: 2_016n });
  });

  test("conflict when they must share a part", async () => {
    expect((await run(1)).conflicts).toBe(63);
    expect((await run(16)).conflicts).toBe(48);
  });

  test("all of them come through with retries", async () => {
    await using db = await open("memory:");
    const hits = await db.counter(await numbers(db), "hits", { shards: 4 });
    const add = (): Promise<void> =>
      db.transaction((tx) => hits.within(tx).add(1n), { retries: 64 });
    await Promise.all(Array.from({ length: 64 }, add));
    expect(await hits.read()).toBe(64n);
  });
});

describe("bounds", () => {
  test.each(["u64", "i64", "u256"] as const)("a sum beyond a %s is overflow", async (value) => {
    await using db = await open("memory:");
    const counter = await db.counter(await db.keyspace("numbers", { value }), "x", { shards: 2 });
    await counter.add(limits[value]);
    expect(await counter.read()).toBe(limits[value]);
    await counter.add(1n);
    const failure = { code: "overflow", details: { type: value } };
    await expect(counter.read()).rejects.toMatchObject(failure);
    expect(() => counter.readSync()).toThrow(/the sum of its parts is more/);
    await expect(db.transaction((tx) => counter.within(tx).read())).rejects.toMatchObject(failure);
    // One of the two parts is full itself.
    const both = await Promise.allSettled([counter.add(1n), counter.add(1n)]);
    expect(both.map(({ status }) => status).toSorted()).toEqual(["fulfilled", "rejected"]);
    expect(both.find(({ status }) => status === "rejected")).toMatchObject({ reason: failure });
  });

  test("an i64 goes below zero, others do not", async () => {
    await using db = await open("memory:");
    const signed = await db.counter(await db.keyspace("signed", { value: "i64" }), "x");
    await signed.add(-7n);
    await signed.add(3n);
    expect(await signed.read()).toBe(-4n);
    await signed.add(-(2n ** 63n));
    await expect(signed.read()).rejects.toMatchObject({ code: "underflow" });
    const counter = await db.counter(await numbers(db), "x");
    await expect(counter.add(-1n)).rejects.toMatchObject({ code: "value_invalid" });
    await expect(counter.add(1 as never)).rejects.toMatchObject({ code: "value_invalid" });
  });

  test("parts are 1 to 4,096, of keyspaces of numbers that do not expire", async () => {
    await using db = await open("memory:");
    const keyspace = await numbers(db);
    for (const shards of [0, 1.5, 4_097, "2"] as never[]) {
      await expect(db.counter(keyspace, "x", { shards })).rejects.toMatchObject({
        code: "argument_invalid",
      });
    }
    await expect(db.counter(keyspace, "x", { parts: 1 } as never)).rejects.toMatchObject({
      code: "option_unknown",
    });
    const texts = (await db.keyspace("texts", { value: "utf8" })) as never;
    await expect(db.counter(texts, "x")).rejects.toMatchObject({ code: "argument_invalid" });
    const short = await db.keyspace("short", { value: "u64", ttl: 1_000 });
    await expect(db.counter(short, "x")).rejects.toMatchObject({ code: "argument_invalid" });
    const most = await db.counter(keyspace, "x", { shards: 4_096 });
    for (let at = 0; at < 5_000; at++) most.addSync(2n);
    expect(most.readSync()).toBe(10_000n);
    expect(await keyspace.count()).toBe(4_097);
  });
});

test("a counter never has fewer parts than it had, and handles learn of more", async () => {
  await using db = await open("memory:");
  const keyspace = await numbers(db, "hashed");
  const few = await db.counter(keyspace, "x", { shards: 2 });
  for (let at = 0; at < 10; at++) await few.add(1n);
  const more = await db.counter(keyspace, "x", { shards: 32 });
  for (let at = 0; at < 100; at++) await more.add(1n);
  expect([few.shards, more.shards]).toEqual([2, 32]);
  expect(await few.read()).toBe(110n);
  expect(few.shards).toBe(32);
  expect((await db.counter(keyspace, "x", { shards: 3 })).shards).toBe(32);
  expect((await db.counter(keyspace, "x")).shards).toBe(32);
  expect((await db.counter(keyspace, "y")).shards).toBe(16);
});

test("snapshots, rollbacks, bytes as keys, and readers", async () => {
  const medium = new MemoryMedium();
  {
    await using db = await open(new MemoryStorage(medium));
    const keyspace = await db.keyspace("bytes", { key: "bytes", value: "u256" });
    const counter = await db.counter(keyspace, new Uint8Array([0, 255, 7]), { shards: 8 });
    await counter.add(2n ** 200n);
    using then = db.snapshot();
    const failing = db.transaction(async (tx) => {
      await counter.within(tx).add(5n);
      expect(await counter.within(tx).read()).toBe(2n ** 200n + 5n);
      throw new Error("odd");
    });
    await expect(failing).rejects.toThrow("odd");
    expect(await counter.add(9n)).toMatchObject({ durable: true });
    expect(await counter.read()).toBe(2n ** 200n + 9n);
    expect(await counter.read({ snapshot: then })).toBe(2n ** 200n);
    expect(counter.readSync({ snapshot: then })).toBe(2n ** 200n);
  }
  await using reader = await open(new MemoryStorage(medium), { readOnly: true });
  const keyspace = await reader.keyspace("bytes", { key: "bytes", value: "u256" });
  const counter = await reader.counter(keyspace, new Uint8Array([0, 255, 7]), { shards: 64 });
  expect(await counter.read()).toBe(2n ** 200n + 9n);
  expect(await (await reader.counter(keyspace, new Uint8Array([1]))).read()).toBe(0n);
  await expect(counter.add(1n)).rejects.toMatchObject({ code: "read_only" });
});
