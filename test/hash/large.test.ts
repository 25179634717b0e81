import { beforeAll, describe, expect, test } from "vitest";
import { compile, PAGE_BYTES, Store, text } from "./harness.ts";
import { walk } from "./walker.ts";

const RECORDS = 200_000;
const key = (i: number): Uint8Array => Buffer.from(String(i * 2_654_435_761).padStart(16, "0"));

describe("a hashed tree of 200,000 records", () => {
  let module: WebAssembly.Module;
  beforeAll(() => {
    module = compile("release");
  });

  function fill(store: Store): void {
    const value = new Uint8Array(100);
    for (let i = 0; i < RECORDS; i++) {
      if (i % 1000 === 0) store.core.beginEpoch();
      value.fill(i & 255);
      if (store.put(key(i), value, i + 1) !== 0) throw new Error(`Record ${i} was there already`);
      if (i % 1000 === 999) store.core.commitEpoch();
    }
  }

  test("takes 7 bytes a record beside key and tail, and 80 with the room to grow", () => {
    const store = new Store(module, { frames: 16_000 });
    fill(store);
    const found = walk(store);
    expect(found.records.size).toBe(RECORDS);
    expect(found.bucketBytes / RECORDS).toBeLessThan(125 + 7);
    expect((found.ids.length * PAGE_BYTES) / RECORDS).toBeLessThan(125 + 80);
    expect(found.directories).toBeLessThan(found.buckets / 100);
    expect(store.check()).toBe(0);
    for (let i = 0; i < RECORDS; i += 3) {
      const row = store.get(key(i));
      if (row?.seq !== i + 1 || row.value[99] !== (i & 255))
        throw new Error(`Record ${i} is wrong`);
    }
    for (let i = RECORDS; i < RECORDS + 1000; i++) expect(store.get(key(i))).toBeUndefined();
    for (let i = 0; i < RECORDS; i++) {
      if (i % 1000 === 0) store.core.beginEpoch();
      if (store.remove(key(i)) !== 1) throw new Error(`Record ${i} was gone already`);
      if (i % 1000 === 999) store.core.commitEpoch();
    }
    expect(store.core.treeRoot(store.tree, 0)).toBe(0);
    expect(store.core.treeRecords(store.tree, 0)).toBe(0);
    expect(store.core.residentPages()).toBe(0);
  });

  test("works in a tenth of the memory, with pages written out and read back", () => {
    const store = new Store(module, { frames: 1200 });
    fill(store);
    expect(store.loads).toBeGreaterThan(1000);
    expect(store.core.residentPages()).toBeLessThanOrEqual(1200);
    const rows = store.scanAll(2000);
    expect(new Set(rows.map((row) => text(row.key))).size).toBe(RECORDS);
    for (const row of rows) {
      if (row.value[0] !== ((row.seq - 1) & 255)) throw new Error(`Seq ${row.seq} is wrong`);
    }
    expect(store.check()).toBe(0);
    store.core.beginEpoch();
    for (let i = 0; i < RECORDS; i += 5) if (store.remove(key(i)) !== 1) throw new Error(`${i}`);
    store.core.rollbackEpoch();
    expect(store.core.treeRecords(store.tree, 0)).toBe(RECORDS);
    expect(store.check()).toBe(0);
  });
});
