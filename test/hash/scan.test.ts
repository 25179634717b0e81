import { beforeAll, describe, expect, test } from "vitest";
import { Random } from "../storage/random.ts";
import { compile, ROW_SKIPPED, Store, text } from "./harness.ts";

const UNORDERED = -10;
const key = (i: number): Uint8Array => Buffer.from(`key-${i}`);

describe("a scan of a hashed tree", () => {
  let module: WebAssembly.Module;
  beforeAll(() => {
    module = compile("checked");
  });

  test("gives every untouched record once while others come and go between its batches", () => {
    const random = new Random(99);
    const store = new Store(module, { frames: 4000 });
    const epoch = store.core.beginEpoch();
    expect(epoch).toBe(1);
    for (let i = 0; i < 3000; i++) store.put(key(i), random.bytes(60));
    let fresh = 10_000;
    const rows = store.scanAll(37, 0, 0, () => {
      // Odd records are removed, new ones split buckets, removals merge them.
      for (let i = 0; i < 60; i++) store.remove(key(random.integer(1500) * 2 + 1));
      for (let i = 0; i < 30; i++) store.put(key(fresh++), random.bytes(random.integer(500)));
      for (let i = 0; i < 30; i++) store.remove(key(10_000 + random.integer(fresh - 10_000)));
    });
    const seen = rows.map((row) => text(row.key));
    expect(new Set(seen).size).toBe(seen.length);
    const kept = seen.filter((name) => {
      const number = Number(name.slice(4));
      return number < 3000 && number % 2 === 0;
    });
    expect(kept.length).toBe(1500);
    const hashes = rows.map((row) => store.hash(row.key));
    expect(hashes).toEqual([...hashes].sort((a, b) => (a < b ? -1 : 1)));
    expect(store.check()).toBe(0);
  });

  test("goes on behind a cursor that is no record", () => {
    const store = new Store(module);
    store.core.beginEpoch();
    for (let i = 0; i < 500; i++) store.put(key(i), new Uint8Array(50));
    const order = store.scanAll(1000).map((row) => store.hash(row.key));
    for (let i = 1000; i < 1050; i++) {
      const hash = store.hash(key(i));
      const { rows } = store.scan(key(i), 1000);
      expect(rows.length).toBe(order.filter((other) => other > hash).length);
    }
  });

  test("stops where the columns are full and loses nothing", () => {
    const store = new Store(module, { frames: 4000 });
    store.core.beginEpoch();
    for (let i = 0; i < 1500; i++) store.put(key(i), new Uint8Array(1000).fill(i));
    const first = store.scan(undefined, 4096);
    expect(first.more).toBe(true);
    expect(first.rows.length).toBe(Math.floor((640 * 1024) / 1000));
    const all = store.scanAll(4096);
    expect(new Set(all.map((row) => text(row.key))).size).toBe(1500);
    expect(all.length).toBe(1500);
  });

  test("says that there is no more once it has met the end", () => {
    const store = new Store(module);
    store.core.beginEpoch();
    expect(store.scan(undefined, 10)).toEqual({ rows: [], more: false });
    for (let i = 0; i < 5; i++) store.put(key(i), new Uint8Array(5));
    expect(store.scan(undefined, 10).more).toBe(false);
    expect(store.scan(undefined, 4).more).toBe(true);
    const all = store.scan(undefined, 10).rows;
    expect(store.scan(all[4].key, 10)).toEqual({ rows: [], more: false });
  });

  test("gets through a long stretch of expired records while pages are missing", () => {
    const store = new Store(module, { frames: 4000 });
    store.core.beginEpoch();
    for (let i = 0; i < 2000; i++) store.put(key(i), new Uint8Array(200), 1, i === 77 ? 0 : 50);
    store.core.commitEpoch();
    let cursor: Uint8Array | undefined;
    let skipped = 0;
    const seen: string[] = [];
    for (let batch = 0; ; batch++) {
      expect(batch).toBeLessThan(3000);
      store.evictAll();
      const { rows, more } = store.scan(cursor, 100, 0, 60);
      for (const row of rows) {
        if (row.flags === ROW_SKIPPED) skipped++;
        else seen.push(text(row.key));
      }
      if (!more) break;
      expect(rows.length).toBeGreaterThan(0);
      cursor = rows[rows.length - 1].key;
    }
    expect(seen).toEqual(["key-77"]);
    expect(skipped).toBeGreaterThan(0);
  });

  test("does not go backwards", () => {
    const store = new Store(module);
    expect(store.core.scan(store.tree, 0, 8 + 1, -1, -1, 0, 10)).toBe(UNORDERED);
  });

  test("orders a chain that is longer than what is sorted at once", () => {
    const store = new Store(module, { mask: 0n });
    store.core.beginEpoch();
    const names: string[] = [];
    for (let i = 0; i < 2500; i++) {
      const name = `n${(i * 7919) % 2500}`;
      names.push(name);
      store.put(Buffer.from(name), new Uint8Array(20));
    }
    names.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    expect(store.scanAll(4096).map((row) => text(row.key))).toEqual(names);
    expect(store.scanAll(333).map((row) => text(row.key))).toEqual(names);
    expect(store.check()).toBe(0);
  });
});
