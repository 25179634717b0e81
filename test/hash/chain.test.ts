import { beforeAll, describe, expect, test } from "vitest";
import { compile, PAGE_MISS, Store, TABLE_FULL } from "./harness.ts";
import { walk } from "./walker.ts";

const PAGES_MAX = 64;
const key = (i: number): Uint8Array => Buffer.from(`key-${i}`.padEnd(16));

describe("a chain of equal hashes", () => {
  let module: WebAssembly.Module;
  beforeAll(() => {
    module = compile("checked");
  });

  function full(): { store: Store; count: number } {
    const store = new Store(module, { mask: 0n });
    store.core.beginEpoch();
    let count = 0;
    while (true) {
      const result = store.put(key(count), new Uint8Array(1000).fill(count));
      if (result === TABLE_FULL) return { store, count };
      expect(result).toBe(0);
      count++;
      if (count % 50 === 0) {
        store.core.commitEpoch();
        store.core.beginEpoch();
      }
    }
  }

  test("takes 64 pages, then refuses records without changing anything", () => {
    const { store, count } = full();
    expect(count).toBe(PAGES_MAX * 3);
    expect(walk(store).chainPages).toBe(PAGES_MAX - 1);
    expect(store.core.treeRecords(store.tree, 0)).toBe(count);
    expect(store.check()).toBe(0);
    for (let i = 0; i < count; i++) expect(store.get(key(i))?.value[0]).toBe(i & 255);
    // What is there can still be replaced, as long as it fits.
    expect(store.put(key(5), new Uint8Array(900))).toBe(1);
    expect(store.put(key(5), new Uint8Array(1010))).toBe(1);
    expect(store.check()).toBe(0);
  });

  test("refuses a replacement that no page has room for", () => {
    const store = new Store(module, { mask: 0n });
    store.core.beginEpoch();
    let count = 0;
    while (store.put(key(count), new Uint8Array(310)) === 0) count++;
    expect(walk(store).chainPages).toBe(PAGES_MAX - 1);
    expect(store.put(key(3), new Uint8Array(1010))).toBe(TABLE_FULL);
    expect(store.get(key(3))?.value.length).toBe(310);
    expect(store.remove(key(4))).toBe(1);
    expect(store.remove(key(20))).toBe(1);
    expect(store.check()).toBe(0);
  });

  test("is read to its end before a replacement that has outgrown its page gets a new one", () => {
    const store = new Store(module, { mask: 0n });
    store.core.beginEpoch();
    for (let i = 0; i < 60; i++) store.put(key(i), new Uint8Array(310));
    // Room in the last pages only, which the record's own page does not lead to in one step.
    const pages = walk(store).chainPages;
    for (let i = 12; i < 20; i++) store.remove(key(i));
    store.core.commitEpoch();
    const name = store.scanAll(100).find((row) => isInHead(store, row.key))?.key;
    if (name === undefined) throw new Error("The first page has no record");
    store.core.beginEpoch();
    store.evictAll();
    store.get(name);
    store.setKey(name);
    expect(store.core.putRecord(store.tree, name.length, 0, 1, 0, 1000)).toBe(PAGE_MISS);
    expect(store.put(name, new Uint8Array(1000))).toBe(1);
    expect(walk(store).chainPages).toBeLessThanOrEqual(pages);
    expect(store.check()).toBe(0);
  });

  /** True if the key can be found without reading a second page of the chain. */
  function isInHead(store: Store, name: Uint8Array): boolean {
    store.evictAll();
    store.loads = 0;
    store.get(name);
    return store.loads === 8;
  }

  test("lets go of its pages one by one, from any end", () => {
    const { store, count } = full();
    for (let i = 0; i < count; i++) {
      const which = i % 2 === 0 ? i >> 1 : count - 1 - (i >> 1);
      expect(store.remove(key(which))).toBe(1);
      if (i % 10 === 0) {
        expect(store.check()).toBe(0);
        expect(walk(store).records.size).toBe(count - 1 - i);
      }
    }
    expect(store.core.treeRoot(store.tree, 0)).toBe(0);
    store.core.commitEpoch();
    expect(store.core.livePages(1)).toBe(0);
  });
});
