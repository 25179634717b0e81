import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { expectNoLeak, expectSame } from "../btree/compare.ts";
import { Model } from "../btree/model.ts";
import { makeValue, shapeName, shapes } from "../btree/shapes.ts";
import { type Effect, put, remove, removeRange, Store } from "../btree/store.ts";
import { builds } from "../core/arithmetic.ts";

const TREES = [5, 6];

/** What a checkpoint writes beside pages. */
interface Catalogue {
  readonly trees: { id: number; root: number; records: number; overflow: number }[];
  readonly blobs: { number: number; live: number; slots: number }[];
  readonly nextBlob: number;
  readonly reclaim: Buffer[];
}

/** Closes the open blobs and notes what leads to their pages. */
function freeze({ core, bytes, output }: Store): Catalogue {
  const last = core.freezeBlobs();
  const items = core.copyReclaimQueue();
  const reclaim = Array.from({ length: items }, (_, index) =>
    Buffer.from(bytes.slice(output + index * 16, output + index * 16 + 8)),
  );
  return {
    trees: TREES.map((id) => ({
      id,
      root: core.treeRoot(id, 0),
      records: core.treeRecords(id, 0),
      overflow: core.treeOverflow(id),
    })),
    blobs: Array.from({ length: last }, (_, index) => index + 1).map((number) => ({
      number,
      live: core.livePages(number),
      slots: core.blobSlots(number),
    })),
    nextBlob: last + 1,
    reclaim,
  };
}

/** A new instance that knows nothing but the catalogue and the pages. */
function open(build: Store["build"], catalogue: Catalogue, medium: Map<number, Uint8Array>): Store {
  const store = new Store({ build, firstBlob: catalogue.nextBlob, medium });
  const { core } = store;
  for (const { number, live, slots } of catalogue.blobs) core.setBlob(number, live, slots);
  for (const { id, root, records, overflow } of catalogue.trees) {
    core.createTree(id, 1);
    core.restoreTree(id, root, records, overflow);
  }
  for (const item of catalogue.reclaim) {
    store.bytes.set(item, store.input);
    core.restoreReclaimItem();
  }
  store.commit([]); // the roots belong to an epoch from here on
  return store;
}

const batch = fc.record({
  tree: fc.constantFrom(...TREES),
  from: fc.nat(500),
  count: fc.integer({ min: 1, max: 250 }),
  length: fc.oneof(fc.nat(200), fc.constantFrom(1040, 5000)),
  kind: fc.constantFrom("put", "put", "put", "delete", "deleteRange"),
});
type Batch = typeof batch extends fc.Arbitrary<infer T> ? T : never;

function perform(
  { tree, from, count, length, kind }: Batch,
  shape: (n: number) => Buffer,
  model: Model,
  seq: number,
): Effect[] {
  if (kind === "deleteRange") {
    const [low, high] = [shape(from), shape(from + count)].sort(Buffer.compare);
    model.deleteRange(low, high);
    return [removeRange(tree, low, high)];
  }
  const most = length > 1040 ? Math.min(count, 8) : count;
  return Array.from({ length: most }, (_, index) => {
    const key = shape((from + index * 3) % 600);
    if (kind === "delete") {
      model.delete(key);
      return remove(tree, key);
    }
    const value = makeValue(length, seq * 1000 + index);
    model.put({ key, value, seq, expiresAt: 0 });
    return put(tree, key, value);
  });
}

describe.each(builds)("a checkpoint of the %s build, in miniature", (build) => {
  const numRuns = build === "release" ? 60 : 20;
  const batches = fc.array(batch, { minLength: 1, maxLength: 12 });

  test("opens as the state it froze, though commits went on while it was written", () => {
    fc.assert(
      fc.property(shapeName, batches, batches, batches, (name, before, during, after) => {
        const shape = shapes[name];
        const store = new Store({ build });
        for (const id of TREES) store.core.createTree(id, 1);
        const models = new Map(TREES.map((id) => [id, new Model()]));
        const run = (on: Store, of: Map<number, Model>, list: readonly Batch[]): number => {
          let epoch = on.commit([]);
          for (const item of list) {
            const model = of.get(item.tree) as Model;
            epoch = on.commit(perform(item, shape, model, on.seq + 1));
          }
          return epoch;
        };
        const frozenAt = run(store, models, before);
        store.core.pinEpoch(frozenAt);
        const catalogue = freeze(store);
        const frozen = new Map([...models].map(([id, model]) => [id, model.copy()]));
        run(store, models, during);
        store.reclaimAll();
        for (let blob = 1; blob < catalogue.nextBlob; blob++) store.writeBlob(blob);
        store.core.unpinEpoch(frozenAt);

        // Only pages of closed blobs are on the medium: the rest was lost with the process.
        const opened = open(build, catalogue, store.medium);
        for (const id of TREES) expectSame(opened, id, frozen.get(id) as Model);
        expectNoLeak(opened, TREES, true);
        opened.seq = store.seq;
        run(opened, frozen, after);
        for (const id of TREES) expectSame(opened, id, frozen.get(id) as Model);
        expectNoLeak(opened, TREES, true);
        // The first instance is none the worse for it.
        for (const id of TREES) expectSame(store, id, models.get(id) as Model);
        expectNoLeak(store, TREES);
      }),
      { numRuns },
    );
  });

  test("every page of it passes its check, under its own id and database only", () => {
    const store = new Store({ build });
    for (const id of TREES) store.core.createTree(id, 1);
    const model = new Model();
    for (let from = 0; from < 600; from += 50) {
      const length = from === 300 ? 9000 : 60;
      const item: Batch = { tree: 5, from, count: 200, length, kind: "put" };
      store.commit(perform(item, shapes.random, model, store.seq + 1));
    }
    const catalogue = freeze(store);
    for (let blob = 1; blob < catalogue.nextBlob; blob++) store.writeBlob(blob);
    const own = new Store({ build });
    const other = new Store({ build, databaseSeed: 100 });
    expect(store.medium.size).toBe(store.core.residentPages());
    for (const [id, bytes] of store.medium) {
      expect(other.tryLoad(id, bytes)).toBe(-5);
      expect(own.tryLoad(id + 1, bytes)).toBe(-5);
      expect(own.tryLoad(id, bytes)).toBe(0);
      expect(own.core.isResident(id)).toBe(1);
    }
    expect(own.core.residentPages()).toBe(store.medium.size);
    expect(other.core.freeFrames()).toBe(other.core.frameCount());
  });
});
