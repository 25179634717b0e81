/**
 * What the key-value store that CairnDB sets out to surpass gets wrong, each as a test named after
 * its story. What was written there is written here, and what should be there afterwards is.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { MemoryMedium, MemoryStorage, open } from "../../src/index.ts";
import { fails } from "./fails.ts";
import { TestClock } from "./places.ts";

let root: string;
let path: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "cairn-story-"));
  path = join(root, "db");
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

test("writes after compact() go to the file that is read, not to an unlinked one", async () => {
  const db = await open(path);
  const kv = await db.keyspace("a");
  for (let round = 0; round < 3; round++) {
    await kv.put(`before ${round}`, round);
    await db.compact();
    await kv.put(`after ${round}`, round);
    expect(await kv.get(`after ${round}`)).toBe(round);
  }
  await db.close();
  const again = await open(path);
  const found = await again.keyspace("a");
  for (let round = 0; round < 3; round++) {
    expect(await found.getMany([`before ${round}`, `after ${round}`])).toEqual([round, round]);
  }
  await again.close();
});

test("writes while compact() runs are not lost", async () => {
  const db = await open(path);
  const kv = await db.keyspace<number>("a");
  await kv.batch(
    Array.from({ length: 20_000 }, (_none, index) => ({
      type: "put",
      key: `k${index}`,
      value: index,
    })),
  );
  let isRunning = true;
  const compaction = db.compact().finally(() => {
    isRunning = false;
  });
  let written = 0;
  do await kv.put(`new ${written}`, written++);
  while (isRunning);
  await compaction;
  expect(await kv.count()).toBe(20_000 + written);
  for (let index = 0; index < written; index++) expect(await kv.get(`new ${index}`)).toBe(index);
  expect((await db.verify()).findings).toEqual([]);
  await db.close();
});

test("what clear() deleted does not come back on reopening", async () => {
  const db = await open(path);
  const kv = await db.keyspace("a");
  await kv.put("k", 1);
  await kv.clear();
  await db.close();
  const again = await open(path);
  expect(await (await again.keyspace("a")).count()).toBe(0);
  await again.close();
});

test("what clear() deleted does not come back after a crash", async () => {
  const medium = new MemoryMedium();
  const db = await open(new MemoryStorage(medium));
  const kv = await db.keyspace("a");
  await kv.put("k", 1);
  await kv.clear();
  await kv.put("l", 2);
  const crashed = await open(new MemoryStorage(medium.copy()));
  expect(crashed.recovery.outcome).toBe("recovered");
  expect(await (await crashed.keyspace("a")).keys().toArray()).toEqual(["l"]);
  await crashed.close();
  await db.close();
});

test("a dropped keyspace does not come back, with or without a crash", async () => {
  const medium = new MemoryMedium();
  const db = await open(new MemoryStorage(medium));
  await (await db.keyspace("doomed")).put("k", 1);
  await (await db.keyspace("kept")).put("k", 1);
  await db.drop("doomed");
  const crashed = await open(new MemoryStorage(medium.copy()));
  expect(crashed.keyspaces().map(({ name }) => name)).toEqual(["kept"]);
  await crashed.close();
  await db.close();
  const again = await open(new MemoryStorage(medium));
  expect(again.keyspaces().map(({ name }) => name)).toEqual(["kept"]);
  expect(await (await again.keyspace("doomed")).count()).toBe(0);
  await again.close();
});

test("iterators do not yield what has expired", async () => {
  const clock = new TestClock();
  const db = await open("memory:", { clock: clock.now });
  for (const kind of ["ordered", "hashed"] as const) {
    const kv = await db.keyspace(kind, { kind });
    await kv.put("brief", 1, { ttl: 10 });
    await kv.put("lasting", 1);
    clock.advance(10);
    expect(await kv.keys().toArray()).toEqual(["lasting"]);
    expect(kv.entriesSync().toArray()).toEqual([{ key: "lasting", value: 1 }]);
    expect(await kv.count({ exact: true })).toBe(1);
  }
  await db.close();
});

test("an iterator shows one state, not a mixture of then and now", async () => {
  const db = await open("memory:");
  const kv = await db.keyspace<number>("a");
  for (const key of ["a", "b", "c"]) await kv.put(key, 1);
  const rows = kv.entries();
  await rows.next();
  await kv.put("b", 2);
  await kv.delete("c");
  await kv.put("d", 2);
  expect(await rows.toArray()).toEqual([
    { key: "b", value: 1 },
    { key: "c", value: 1 },
  ]);
  await db.close();
});

test("delete of an expired record answers false, not that it was there", async () => {
  const clock = new TestClock();
  const db = await open("memory:", { clock: clock.now });
  const kv = await db.keyspace("a");
  await kv.put("k", 1, { ttl: 10 });
  clock.advance(10);
  expect(await kv.delete("k")).toBe(false);
  await db.close();
});

test("a transaction that a crash interrupts leaves all of it or nothing", async () => {
  const medium = new MemoryMedium();
  const db = await open(new MemoryStorage(medium));
  const kv = await db.keyspace<number>("a");
  await kv.put("first", 0);
  const { records } = db.keyspaces()[0];
  expect(records).toBe(1);
  const before = medium.copy();
  await db.transaction((tx) => {
    const inside = tx.keyspace(kv);
    for (let index = 0; index < 5_000; index++) inside.put(`k${index}`, index);
  });
  // The medium may end anywhere within the frame: cut it byte by byte, here and there.
  for (const [segment, bytes] of medium.segments) {
    const old = before.segments.get(segment) ?? new Uint8Array(0);
    const from = bytes.findIndex((byte, at) => byte !== (old[at] ?? 0));
    if (from < 0) continue;
    for (let cut = from; cut < bytes.length; cut += Math.ceil((bytes.length - from) / 23)) {
      const torn = medium.copy();
      torn.segments.get(segment)?.fill(0, cut);
      const found = await open(new MemoryStorage(torn));
      const count = await (await found.keyspace("a")).count();
      expect([1, 5_001]).toContain(count);
      await found.close();
    }
  }
  await db.close();
});

test("transactions are isolated: a sum that is moved around stays the same", async () => {
  const db = await open("memory:");
  const kv = await db.keyspace<number>("a");
  const names = ["a", "b", "c", "d"];
  for (const name of names) await kv.put(name, 100);
  const move = (from: string, to: string, amount: number) =>
    db.transaction(async (tx) => {
      const inside = tx.keyspace(kv);
      inside.put(from, ((await inside.get(from)) ?? 0) - amount);
      inside.put(to, ((await inside.get(to)) ?? 0) + amount);
    });
  const sums: number[] = [];
  const watch = async () => {
    for (let round = 0; round < 20; round++) {
      const values = await db.transaction((tx) => tx.keyspace(kv).values().toArray());
      sums.push(values.reduce((sum, value) => sum + value, 0));
    }
  };
  const moves = Array.from({ length: 40 }, (_none, index) =>
    move(names[index % 4], names[(index * 3 + 1) % 4], index),
  );
  await Promise.all([...moves, watch(), watch()]);
  expect(new Set(sums)).toEqual(new Set([400]));
  await db.close();
});

test("damage in the middle of the log is reported, and no rest dropped in silence", async () => {
  const medium = new MemoryMedium();
  const db = await open(new MemoryStorage(medium));
  const kv = await db.keyspace("a");
  for (let index = 0; index < 50; index++) await kv.put(`k${index}`, "v".repeat(100));
  const damaged = medium.copy();
  const [segment] = [...damaged.segments.values()].slice(-1);
  const headerBytes = 4_096;
  const end = segment.findLastIndex((byte) => byte !== 0);
  segment[headerBytes + Math.floor((end - headerBytes) / 2)] ^= 1;
  await fails("log_corrupt", () => open(new MemoryStorage(damaged)));
  await db.close();
});

test("opening does not read the whole log again when there is a checkpoint", async () => {
  const db = await open(path, { durability: "none" });
  const kv = await db.keyspace("a");
  for (let index = 0; index < 2_000; index++) await kv.put(`k${index}`, index);
  await db.checkpoint();
  await kv.put("one more", 1);
  await db.close();
  const again = await open(path);
  expect(again.recovery.commitsReplayed).toBeLessThanOrEqual(1);
  expect(await (await again.keyspace("a")).count()).toBe(2_001);
  await again.close();
});

test("a backup is whole by itself, and an existing one is never replaced", async () => {
  const db = await open(path);
  const kv = await db.keyspace("a", { value: "utf8", ttl: 1e9 });
  await kv.put("k", "v");
  const copy = join(root, "copy");
  await db.backup(copy);
  await fails("target_exists", () => db.backup(copy));
  await db.close();
  rmSync(path, { recursive: true });
  const found = await open(copy);
  const records = await found.keyspace("a", { value: "utf8" });
  expect(await records.get("k")).toBe("v");
  expect(await records.ttl("k")).toBeGreaterThan(0);
  await found.close();
});

test("compact() leaves nothing beside the database, and deleted values are gone", async () => {
  const db = await open(path);
  const kv = await db.keyspace("a", { value: "utf8" });
  const secret = "a-secret-that-must-not-stay";
  await kv.put("k", secret.repeat(20));
  await db.checkpoint();
  await kv.delete("k");
  await kv.put("l", "public");
  await db.compact();
  await db.close();
  expect(readdirSync(root)).toEqual(["db"]);
  const files = readdirSync(path, { recursive: true, withFileTypes: true });
  for (const file of files.filter((entry) => entry.isFile())) {
    const bytes = readFileSync(join(file.parentPath, file.name));
    expect(bytes.includes(secret)).toBe(false);
  }
});

test("sweeping reaches every keyspace, not only the default one", async () => {
  const clock = new TestClock();
  const db = await open("memory:", { clock: clock.now });
  for (const name of ["", "a", "b"]) await (await db.keyspace(name)).put("k", 1, { ttl: 10 });
  clock.advance(5_000);
  expect(await db.sweep()).toBe(3);
  await db.close();
});

test("a second opening says who holds the database, and closing lets it go", async () => {
  const db = await open(path);
  const error = await fails("lock_held", () => open(path));
  expect(error.details.pid).toBe(process.pid);
  await db.close();
  await (await open(path)).close();
});

test("synchronous commits go on while upkeep runs, whenever they come", async () => {
  const db = await open(path, { durability: "none" });
  const kv = await db.keyspace<number>("a");
  const rows = Array.from({ length: 10_000 }, (_none, index) => index);
  await kv.batch(rows.map((index) => ({ type: "put", key: `k${index}`, value: index })));
  let isRunning = true;
  const upkeep = (async () => {
    for (let round = 0; round < 10; round++) {
      await db.checkpoint();
      await db.compact();
    }
  })().finally(() => {
    isRunning = false;
  });
  let written = 0;
  while (isRunning) {
    // Between every two steps of whatever waits for a promise, and then for the event loop.
    for (let turn = 0; turn < 100; turn++) {
      kv.putSync(`new ${written % 100}`, written++);
      await undefined;
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
  await upkeep;
  expect(await kv.count()).toBe(10_100);
  expect((await db.verify()).findings).toEqual([]);
  await db.close();
});
