import { beforeAll, describe, expect, test } from "vitest";
import { Random } from "../storage/random.ts";
import { compile, Store } from "./harness.ts";
import { walk } from "./walker.ts";

const OVERFLOW = 2;
const STATUS_RUN = 64;
const key = (i: number): Uint8Array => Buffer.from(`key-${i}`);

describe("long values in a hashed tree", () => {
  let module: WebAssembly.Module;
  beforeAll(() => {
    module = compile("checked");
  });

  /** Writes pages of a value, as the host does, and puts its descriptor. */
  function putLong(store: Store, name: Uint8Array, pages: number, expiresAt = 0): number {
    const { core } = store;
    const runs: [number, number][] = [];
    let left = pages;
    while (left > 0) {
      const count = store.retry(() => core.overflowReserve(left));
      runs.push([store.status(STATUS_RUN), count]);
      left -= count;
    }
    const descriptor = new DataView(new ArrayBuffer(4 + runs.length * 8));
    // All pages are full; the content begins with the key and its length.
    descriptor.setUint32(0, pages * 4048 - 2 - name.length, true);
    runs.forEach(([first, count], index) => {
      descriptor.setUint32(4 + index * 8, first % 2 ** 32, true);
      descriptor.setUint16(8 + index * 8, Math.floor(first / 2 ** 32), true);
      descriptor.setUint16(10 + index * 8, count, true);
      for (let page = 0; page < count; page++) {
        store.retry(() => core.overflowWrite(store.tree, first + page, runs[0][0], 4048));
      }
    });
    return store.put(name, new Uint8Array(descriptor.buffer), 1, expiresAt, OVERFLOW);
  }

  test("are counted, checked and given back when they are replaced or deleted", () => {
    const random = new Random(17);
    const store = new Store(module, { frames: 8000 });
    const pages = new Map<number, number>();
    store.core.beginEpoch();
    for (let i = 0; i < 1500; i++) {
      const which = random.integer(400);
      const had = pages.has(which);
      if (random.chance(0.3)) {
        expect(store.remove(key(which))).toBe(had ? 1 : -1);
        pages.delete(which);
      } else if (random.chance(0.5)) {
        expect(store.put(key(which), random.bytes(40))).toBe(had ? 1 : 0);
        pages.set(which, 0);
      } else {
        const count = 1 + random.integer(6);
        expect(putLong(store, key(which), count, random.chance(0.3) ? 9 : 0)).toBe(had ? 1 : 0);
        pages.set(which, count);
      }
      if (i % 100 === 99) {
        store.core.commitEpoch();
        store.core.beginEpoch();
      }
    }
    store.core.commitEpoch();
    const total = [...pages.values()].reduce((sum, count) => sum + count, 0);
    expect(total).toBeGreaterThan(100);
    expect(store.core.treeOverflow(store.tree)).toBe(total);
    store.evictAll();
    store.core.clearSeen();
    expect(store.check()).toBe(0);
    expect(store.core.livePages(1)).toBe(walk(store).ids.length + total);
    expect(store.core.seenPages(1)).toBe(store.core.livePages(1));
    for (const [which, count] of pages) {
      expect(store.get(key(which))?.value.length).toBe(count === 0 ? 40 : 12);
    }
    store.core.beginEpoch();
    for (const which of pages.keys()) expect(store.remove(key(which))).toBe(1);
    store.core.commitEpoch();
    expect(store.core.treeOverflow(store.tree)).toBe(0);
    expect(store.core.livePages(1)).toBe(0);
  });

  test.each([
    ["buckets and directories", 0xffff_ffff_ffff_ffffn],
    ["chains", 0x8000_0000_0000_0000n],
  ])("go with a tree that is cleared, over %s", (_name, mask) => {
    const store = new Store(module, { frames: 8000, mask });
    store.core.beginEpoch();
    for (let i = 0; i < 1200; i++) {
      if (i % 10 === 0) putLong(store, key(i), 1 + (i % 3));
      else store.put(key(i), new Uint8Array(60));
    }
    store.core.commitEpoch();
    const epoch = store.core.beginEpoch();
    store.core.pinEpoch(epoch - 1);
    store.evictAll();
    expect(store.retry(() => store.core.clear(store.tree))).toBe(0);
    store.put(key(5), new Uint8Array(3));
    store.core.commitEpoch();
    expect(store.core.treeOverflow(store.tree)).toBe(0);
    expect(store.core.treeRecords(store.tree, epoch - 1)).toBe(1200);
    while (store.retry(() => store.core.reclaim(7)) > 0);
    expect(store.core.livePages(1)).toBe(1);
    // The pinned epoch sees all of it until it is let go.
    expect(store.scanAll(500, epoch - 1).length).toBe(1200);
    expect(store.scanAll(500).length).toBe(1);
    store.core.unpinEpoch(epoch - 1);
    expect(store.core.residentPages()).toBe(1);
  });

  test("do not let a cleared tree without them be read", () => {
    const store = new Store(module, { frames: 8000 });
    store.core.beginEpoch();
    for (let i = 0; i < 12_000; i++) store.put(key(i), new Uint8Array(60));
    store.core.commitEpoch();
    const { directories, buckets } = walk(store);
    expect(buckets).toBeGreaterThan(200);
    store.evictAll();
    store.core.beginEpoch();
    store.core.clear(store.tree);
    store.core.commitEpoch();
    store.loads = 0;
    while (store.retry(() => store.core.reclaim(50)) > 0);
    expect(store.loads).toBe(directories);
    expect(store.core.livePages(1)).toBe(0);
  });
});
