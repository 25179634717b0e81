import { describe, expect, test } from "vitest";
import { expectNoLeak, expectSame } from "../btree/compare.ts";
import { Model } from "../btree/model.ts";
import { makeValue } from "../btree/shapes.ts";
import {
  clear,
  contentBytes,
  describe as descriptorOf,
  put,
  remove,
  removeRange,
  Store,
} from "../btree/store.ts";
import { builds } from "../core/arithmetic.ts";

const TREE = 2;
const keyOf = (n: number): Buffer => Buffer.from(`value ${String(n).padStart(4, "0")}`);
const everything = Buffer.alloc(0);

/** Puts a value of `pages` pages whose pages are reserved only: nothing here reads them. */
function putUnwritten(store: Store, n: number, pages: number): void {
  const key = keyOf(n);
  const runs = store.reserve(pages);
  store.putDescriptor(TREE, key, descriptorOf(pages * contentBytes - 2 - key.length, runs));
}

describe.each(builds)("long values in the %s build", (build) => {
  test.each([
    ["one by one", false],
    ["as a range", true],
  ])("of 4,000 pages each, deleted %s, do not run out of frames", (_name, asRange) => {
    const store = new Store({ build, frames: 1024 });
    const { core } = store;
    core.createTree(TREE, 1);
    // Eighty records of one leaf: 320,000 pages.
    store.core.beginEpoch();
    for (let n = 0; n < 80; n++) putUnwritten(store, n, 4000);
    store.core.commitEpoch();
    expect(store.livePages()).toBe(320_001);
    expect(core.treeOverflow(TREE)).toBe(320_000);
    const epoch = store.commit([]);
    core.pinEpoch(epoch);
    const keys = Array.from({ length: 79 }, (_, n) => keyOf(n + 1));
    store.commit(
      asRange ? [removeRange(TREE, keys[0], everything)] : keys.map((key) => remove(TREE, key)),
    );
    expect(core.treeOverflow(TREE)).toBe(4000);
    expect(store.livePages()).toBe(4001);
    core.unpinEpoch(epoch);
    store.commit([clear(TREE)]);
    store.reclaimAll();
    expect(store.livePages()).toBe(0);
    // Their slots are there again for whoever comes next.
    const blobs = core.currentBlob();
    store.core.beginEpoch();
    for (let n = 0; n < 50; n++) store.apply([put(TREE, keyOf(n), makeValue(1000, n))]);
    store.core.commitEpoch();
    expect(core.currentBlob()).toBe(blobs);
    expect(store.check(TREE)).toBe(50);
  });

  test("of 4,000 pages each leave enough frames when their tree is dropped or rolled back", () => {
    const store = new Store({ build, frames: 1024 });
    const { core } = store;
    core.createTree(TREE, 1);
    core.beginEpoch();
    for (let n = 0; n < 80; n++) putUnwritten(store, n, 4000);
    core.rollbackEpoch();
    expect(store.livePages()).toBe(0);
    core.beginEpoch();
    for (let n = 0; n < 80; n++) putUnwritten(store, n, 4000);
    core.commitEpoch();
    const epoch = store.commit([]);
    core.pinEpoch(epoch);
    store.commit([clear(TREE)]);
    expect(core.treeOverflow(TREE)).toBe(0);
    store.reclaimAll();
    expect(store.livePages()).toBe(0);
    core.unpinEpoch(epoch);
    expect(core.residentPages()).toBe(0);
  });

  test("cross from one blob into the next and are read back whole", () => {
    const store = new Store({ build });
    store.core.createTree(TREE, 1);
    const model = new Model();
    store.core.beginEpoch();
    const epochs = [8100, 150, 8191, 3];
    for (const [n, pages] of epochs.entries()) {
      const value = makeValue(pages * contentBytes - 2 - keyOf(n).length, n);
      store.putLarge(TREE, keyOf(n), value);
      model.put({ key: keyOf(n), value, seq: 0, expiresAt: 0 });
    }
    store.core.commitEpoch();
    expect(store.core.currentBlob()).toBe(3);
    expectSame(store, TREE, model);
    expectNoLeak(store, [TREE]);
    store.commit([remove(TREE, keyOf(0)), remove(TREE, keyOf(2))]);
    model.delete(keyOf(0));
    model.delete(keyOf(2));
    expectSame(store, TREE, model);
    expectNoLeak(store, [TREE]);
  });

  test("are counted in a walk that begins again after it was given up", () => {
    const store = new Store({ build, frames: 1024 });
    store.core.createTree(TREE, 1);
    store.commit([0, 1].map((n) => put(TREE, keyOf(n), makeValue(50_000, n))));
    store.evictAll();
    const kind = store.core.checkTreeBegin(TREE, 0);
    const first = 65_537;
    expect(store.core.checkTreeNext(kind, 100)).toBe(-2);
    for (let id = first; id < first + 8; id++) store.load(id);
    store.load(store.core.treeRoot(TREE, 0));
    expect(store.core.checkTreeNext(kind, 100)).toBe(-2);
    // Some pages of a value have been seen. Whoever starts over sees them again.
    store.core.clearSeen();
    expect(store.check(TREE)).toBe(2);
    expect(store.core.seenPages(1)).toBe(store.core.livePages(1));
  });
});
