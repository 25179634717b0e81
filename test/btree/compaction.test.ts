import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { builds } from "../core/arithmetic.ts";
import { expectNoLeak, expectSame } from "./compare.ts";
import { Model } from "./model.ts";
import { makeValue, shapeName, shapes } from "./shapes.ts";
import { type Effect, put, remove, Store } from "./store.ts";
import { readTree } from "./walker.ts";

const TREE = 3;

/** A tree with holes: `count` records, of which only every `keep`-th stays. */
function holey(store: Store, shape: (n: number) => Buffer, count: number, keep: number): Model {
  store.core.createTree(TREE, 1);
  const model = new Model();
  const put1 = (n: number): Effect => {
    // Short enough to stand beside the longest key: the host itself moves long values.
    const value = makeValue((n * 13) % 33, n);
    model.put({ key: shape(n), value, seq: store.seq + 1, expiresAt: 0 });
    return put(TREE, shape(n), value);
  };
  for (let from = 0; from < count; from += 50) {
    store.commit(Array.from({ length: 50 }, (_, index) => put1(from + index)));
  }
  const gone = Array.from({ length: count }, (_, n) => n).filter((n) => n % keep !== 0);
  for (const n of gone) model.delete(shape(n));
  for (let from = 0; from < gone.length; from += 50) {
    store.commit(gone.slice(from, from + 50).map((n) => remove(TREE, shape(n))));
  }
  return model;
}

/** Repacks the whole tree, a lowest branch per epoch: the leaves written. */
function repackAll(store: Store): number {
  let key: Uint8Array = Buffer.alloc(0);
  let leaves = 0;
  while (true) {
    store.core.beginEpoch();
    const written = store.retry(() => {
      store.bytes.set(key, store.input);
      return store.core.repack(TREE, key.length);
    });
    const { more } = store;
    const next = store.bytes.slice(store.output, store.output + store.keyColumnBytes);
    store.core.commitEpoch();
    if (written < 0) throw new Error(`repack answered ${written}`);
    leaves += written;
    if (!more) return leaves;
    if (Buffer.compare(key, next) >= 0) throw new Error("repack got no further");
    key = next;
  }
}

describe.each(builds)("compaction in the %s build", (build) => {
  const numRuns = build === "release" ? 60 : 15;

  test("repacks leaves and changes nothing that can be read", () => {
    fc.assert(
      fc.property(
        shapeName,
        fc.integer({ min: 1, max: 30 }),
        fc.constantFrom(1, 2, 3, 10),
        fc.boolean(),
        (name, hundreds, keep, evict) => {
          const store = new Store({ build, frames: evict ? 512 : 65_536 });
          const model = holey(store, shapes[name], hundreds * 50, keep);
          const epoch = store.commit([]);
          store.core.pinEpoch(epoch);
          if (evict) store.evictAll();
          const leaves = repackAll(store);
          expect(leaves).toBe(readTree(store, TREE).leaves);
          expectSame(store, TREE, model);
          expectSame(store, TREE, model, { at: epoch });
          store.core.unpinEpoch(epoch);
          expectNoLeak(store, [TREE], evict);
          // Once more: nothing left to do but to move, and the leaves stay as many.
          if (model.size > 0) expect(repackAll(store)).toBeLessThanOrEqual(leaves);
          expectSame(store, TREE, model);
        },
      ),
      { numRuns },
    );
  });

  test("fills leaves nine tenths", () => {
    const store = new Store({ build });
    const model = holey(store, shapes.random, 12_000, 3);
    const before = readTree(store, TREE);
    repackAll(store);
    const after = readTree(store, TREE);
    expect(after.leafBytes / after.leaves).toBeGreaterThan(3300);
    expect(after.leaves).toBeLessThan(before.leaves * 0.8);
    expectSame(store, TREE, model);
  });

  test("empties a blob by moving every page that is still live in it", () => {
    fc.assert(
      fc.property(shapeName, fc.integer({ min: 1, max: 20 }), fc.boolean(), (name, count, pin) => {
        const store = new Store({ build });
        const { core } = store;
        const model = holey(store, shapes[name], count * 50, 2);
        const epoch = store.commit([]);
        if (pin) core.pinEpoch(epoch);
        const last = core.freezeBlobs();
        for (const { id } of readTree(store, TREE).pages) {
          core.beginEpoch();
          const moved = store.retry(() => core.relocatePage(id));
          core.commitEpoch();
          // 0 for a page that another one has taken along, as its parent or its first child.
          expect([0, 1]).toContain(moved);
        }
        for (let blob = 1; blob <= last; blob++) expect(core.livePages(blob)).toBe(0);
        expectSame(store, TREE, model);
        if (pin) {
          expectSame(store, TREE, model, { at: epoch });
          core.unpinEpoch(epoch);
        }
        // Pages that were gone already have been read to learn that they are.
        expectNoLeak(store, [TREE], true);
      }),
      { numRuns },
    );
  });
});
