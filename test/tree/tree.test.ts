import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { expectNoLeak, expectSame } from "../btree/compare.ts";
import { Model } from "../btree/model.ts";
import { makeValue, scatter, shapes } from "../btree/shapes.ts";
import { clear, type Effect, put, removeRange, Store } from "../btree/store.ts";
import { builds } from "../core/arithmetic.ts";

const shape = shapes.longPrefix;

function filled(tree: number, model: Model, from: number, count: number, seq: number): Effect[] {
  return Array.from({ length: count }, (_, index) => {
    const [key, value] = [shape(from + index), makeValue(index % 90, from + index)];
    model.put({ key, value, seq, expiresAt: 0 });
    return put(tree, key, value);
  });
}

describe.each(builds)("trees of the %s build", (build) => {
  test("come and go in any number, and are found by their ids", () => {
    const action = fc.record({
      kind: fc.constantFrom("create", "create", "put", "drop"),
      id: fc.oneof(fc.nat(20), fc.nat(0xffff_fffe)),
    });
    fc.assert(
      fc.property(fc.array(action, { maxLength: 150 }), (actions) => {
        const store = new Store({ build });
        const { core } = store;
        const models = new Map<number, Model>();
        for (const { kind, id } of actions) {
          const model = models.get(id);
          if (kind === "create") {
            expect(core.createTree(id, 1)).toBe(0);
            if (!model) models.set(id, new Model());
          } else if (!model) {
            expect(core.get(id, 0, 0, 0)).toBe(-9);
            expect(core.clear(id)).toBe(-9);
            expect(core.forgetTree(id)).toBe(-9);
            expect(core.treeRoot(id, 0)).toBe(0);
          } else if (kind === "put") {
            store.commit(filled(id, model, id % 1000, 5, store.seq + 1));
          } else {
            store.commit([clear(id)]);
            expect(core.forgetTree(id)).toBe(0);
            models.delete(id);
          }
        }
        for (const [id, model] of models) expectSame(store, id, model);
        expectNoLeak(store, [...models.keys()]);
      }),
      { numRuns: build === "release" ? 100 : 30 },
    );
  });

  test("are 65,536 at most", () => {
    const store = new Store({ build });
    const { core } = store;
    for (let n = 0; n < 65_536; n++) expect(core.createTree(scatter(n), 1 + (n % 2))).toBe(0);
    expect(core.createTree(scatter(70_000), 1)).toBe(-11);
    expect(core.createTree(scatter(5), 1)).toBe(0);
    for (let n = 0; n < 65_536; n += 3) expect(core.forgetTree(scatter(n))).toBe(0);
    for (let n = 0; n < 65_536; n++) {
      const result = core.get(scatter(n), 0, 0, 0);
      if (result !== (n % 3 === 0 ? -9 : -1)) expect({ n, result }).toBe("as it was made");
    }
    expect(core.createTree(scatter(70_000), 1)).toBe(0);
    expect(core.get(scatter(70_000), 0, 0, 0)).toBe(-1);
  });

  test("that are made anew after a pin are empty for it, and those gone are still seen", () => {
    const store = new Store({ build });
    const { core } = store;
    const old = new Model();
    core.createTree(1, 1);
    const before = store.commit(filled(1, old, 0, 200, store.seq + 1));
    core.pinEpoch(before);
    store.commit([clear(1)]);
    core.createTree(2, 1);
    const fresh = new Model();
    store.commit(filled(2, fresh, 500, 100, store.seq + 1));
    store.reclaimAll();
    expectSame(store, 1, old, { at: before });
    expectSame(store, 2, new Model(), { at: before });
    expectSame(store, 1, new Model());
    expectSame(store, 2, fresh);
    core.unpinEpoch(before);
    expectNoLeak(store, [1, 2]);
  });

  test("read as they were at a thousand pins, whichever go first", () => {
    const store = new Store({ build });
    const { core } = store;
    for (const tree of [1, 2]) core.createTree(tree, 1);
    const pins: { epoch: number; counts: [number, number] }[] = [];
    const counts: [number, number] = [0, 0];
    for (let n = 0; n < 1000; n++) {
      const tree = scatter(n) % 5 === 0 ? 2 : 1;
      const epoch = store.commit([put(tree, shape(n), makeValue(10, n))]);
      counts[tree - 1]++;
      core.pinEpoch(epoch);
      pins.push({ epoch, counts: [...counts] });
    }
    const expectAll = (): void => {
      for (const { epoch, counts: of } of pins) {
        expect([core.treeRecords(1, epoch), core.treeRecords(2, epoch)]).toEqual(of);
      }
    };
    expectAll();
    while (pins.length > 0) {
      const [gone] = pins.splice(scatter(pins.length) % pins.length, 1);
      core.unpinEpoch(gone.epoch);
      if (pins.length % 100 === 0) {
        store.commit([put(1, Buffer.from("again"), makeValue(5, 0))]);
        expectAll();
      }
    }
    expectNoLeak(store, [1, 2]);
  });
});

describe.each(builds)("the reclaim queue of the %s build", (build) => {
  test("gives back in slices what was cut off, and holds no more than it says", () => {
    const store = new Store({ build, frames: 8192 });
    const { core } = store;
    core.createTree(1, 1);
    const model = new Model();
    for (let from = 0; from < 30_000; from += 1000) {
      store.commit(filled(1, model, from, 1000, store.seq + 1));
    }
    const live = store.livePages();
    const [low, high] = [model.sorted()[1000].key, model.sorted()[29_000].key];
    const before = core.residentPages();
    store.commit([removeRange(1, low, high)]);
    model.deleteRange(low, high);
    // The cut itself touches two edges only.
    expect(before - core.residentPages()).toBeLessThan(20);
    expect(core.reclaimQueue()).toBeGreaterThan(0);
    expectSame(store, 1, model);
    let slices = 0;
    for (let left = 1; left > 0; slices++) {
      const resident = core.residentPages();
      left = core.reclaim(10);
      expect(left).toBe(core.reclaimQueue());
      expect(resident - core.residentPages()).toBeLessThanOrEqual(10);
    }
    expect(slices).toBeGreaterThan(live / 20);
    expectSame(store, 1, model);
    expectNoLeak(store, [1]);
  });

  test("reads no leaf of a tree without long values, and every leaf of one with them", () => {
    for (const long of [false, true]) {
      const store = new Store({ build, frames: 8192 });
      store.core.createTree(1, 1);
      const model = new Model();
      store.commit(filled(1, model, 0, 5000, 1));
      if (long) store.commit([put(1, shape(0), makeValue(5000, 0))]);
      const pages = store.livePages();
      store.evictAll();
      store.commit([clear(1)]);
      store.loads = 0;
      store.reclaimAll();
      if (long) expect(store.loads).toBeGreaterThan(pages - 20);
      else expect(store.loads).toBeLessThan(20);
      expect(store.livePages()).toBe(0);
    }
  });
});
