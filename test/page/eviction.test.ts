import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { expectNoLeak, expectRows, expectSame } from "../btree/compare.ts";
import { Model } from "../btree/model.ts";
import { makeValue, scatter, shapeName, shapes, valueLength } from "../btree/shapes.ts";
import { type Effect, put, remove, removeRange, Store } from "../btree/store.ts";
import { builds } from "../core/arithmetic.ts";

const TREE = 7;
const KEYS = 20_000;

interface Batch {
  readonly from: number;
  readonly step: number;
  readonly count: number;
  readonly length: number;
  readonly kind: "put" | "delete" | "deleteRange" | "rollback";
}
const batch: fc.Arbitrary<Batch> = fc.record({
  from: fc.nat(KEYS),
  step: fc.constantFrom(1, 1, 13, 7919),
  count: fc.oneof(fc.integer({ min: 1, max: 50 }), fc.integer({ min: 1, max: 3000 })),
  length: valueLength,
  kind: fc.constantFrom("put", "put", "put", "delete", "deleteRange", "rollback"),
});

function perform(batch: Batch, shape: (n: number) => Buffer, model: Model, seq: number): Effect[] {
  const { from, step, count, length, kind } = batch;
  if (kind === "deleteRange") {
    const [low, high] = [shape(from), shape((from * 31) % KEYS)].sort(Buffer.compare);
    model.deleteRange(low, high);
    return [removeRange(TREE, low, high)];
  }
  const most = length > 1041 ? Math.min(count, 40) : count;
  return Array.from({ length: most }, (_, index) => {
    const key = shape((from + index * step) % KEYS);
    if (kind === "delete") {
      model.delete(key);
      return remove(TREE, key);
    }
    const value = makeValue(length, seq * 4096 + index);
    model.put({ key, value, seq, expiresAt: 0 });
    return put(TREE, key, value);
  });
}

describe.each(builds)("under a small budget, the %s build", (build) => {
  test("answers the same, pages coming and going all the while", { timeout: 240_000 }, () => {
    const property = fc.property(
      shapeName,
      fc.constantFrom(320, 512, 1024),
      fc.array(batch, { minLength: 3, maxLength: 14 }),
      (name, frames, batches) => {
        const store = new Store({ build, frames });
        store.core.createTree(TREE, 1);
        let model = new Model();
        let pinned: { epoch: number; model: Model } | undefined;
        for (const item of batches) {
          const before = model.copy();
          const epoch = store.core.beginEpoch();
          store.apply(perform(item, shapes[name], model, store.seq + 1));
          if (item.kind === "rollback") {
            store.core.rollbackEpoch();
            model = before;
            continue;
          }
          store.core.commitEpoch();
          if (item.from % 5 === 0) {
            if (pinned) store.core.unpinEpoch(pinned.epoch);
            pinned = { epoch, model: model.copy() };
            store.core.pinEpoch(epoch);
          }
          if (item.from % 3 === 0) store.evictAll();
        }
        expectSame(store, TREE, model, { limit: 300 });
        if (pinned) {
          expectSame(store, TREE, pinned.model, { at: pinned.epoch });
          store.core.unpinEpoch(pinned.epoch);
        }
        store.evictAll();
        expectSame(store, TREE, model);
        expectNoLeak(store, [TREE], true);
        expect(store.core.frameCount()).toBeLessThanOrEqual(frames);
      },
    );
    fc.assert(property, { numRuns: build === "release" ? 40 : 10 });
  });

  test("a scan over expired records only gets ahead, batch by batch", () => {
    const store = new Store({ build, frames: 320 });
    store.core.createTree(TREE, 1);
    const model = new Model();
    for (let from = 0; from < 20_000; from += 500) {
      const effects = Array.from({ length: 500 }, (_, index) => {
        const key = shapes.sequential(from + index);
        const value = makeValue(100, from + index);
        const expiresAt = from + index === 19_990 || from === 0 ? 0 : 1000;
        model.put({ key, value, seq: store.seq + 1, expiresAt });
        return put(TREE, key, value, expiresAt);
      });
      store.commit(effects);
    }
    store.evictAll();
    const alive = model.sorted().filter(({ expiresAt }) => expiresAt === 0);
    for (const reverse of [false, true]) {
      const found = store.scan(TREE, { reverse }, 10_000, 0, 2000);
      expectRows(found, reverse ? alive.toReversed() : alive, "alive");
    }
  });
});

test("a million records of 116 bytes live under 16 MiB", () => {
  const total = 1_000_000;
  const store = new Store({ frames: 4096 });
  const { core } = store;
  core.createTree(TREE, 1);
  const keyOf = (n: number): Buffer => {
    const key = Buffer.alloc(16, "k");
    key.writeUInt32BE(scatter(n), 0);
    key.writeUInt32BE(n, 12);
    return key;
  };
  const valueAt = (n: number): Buffer => makeValue(100, n);
  for (let from = 0; from < total; from += 1000) {
    const numbers = Array.from({ length: 1000 }, (_, index) => from + index);
    store.commit(numbers.map((n) => put(TREE, keyOf(n), valueAt(n))));
  }
  expect(core.treeRecords(TREE, 0)).toBe(total);
  expect(core.frameCount()).toBe(4096);
  expect(store.medium.size).toBeGreaterThan(8 * core.frameCount());

  for (let probe = 0; probe < 10_000; probe++) {
    const n = scatter(probe) % total;
    const row = store.get(TREE, keyOf(n));
    if (row === undefined || !row.value.equals(valueAt(n))) expect(row?.value).toEqual(valueAt(n));
  }
  expect(store.get(TREE, keyOf(total))).toBeUndefined();

  let seen = 0;
  let last: Buffer = Buffer.alloc(0);
  for (let more = true; more; ) {
    const batchOf = store.scanBatch(TREE, { low: last, lowExclusive: true }, 4096);
    for (const { key, value } of batchOf.rows) {
      const n = key.readUInt32BE(12);
      const inOrder = Buffer.compare(last, key) < 0;
      if (!inOrder || !key.equals(keyOf(n)) || !value.equals(valueAt(n))) {
        expect({ n, inOrder, key, value }).toEqual({
          n,
          inOrder: true,
          key: keyOf(n),
          value: valueAt(n),
        });
      }
      last = key;
      seen++;
    }
    more = batchOf.more;
  }
  expect(seen).toBe(total);
  expect(store.check(TREE)).toBe(total);
  core.clearSeen();
  store.check(TREE);
  for (let blob = 1; blob <= core.currentBlob(); blob++) {
    expect(core.seenPages(blob)).toBe(core.livePages(blob));
  }
}, 240_000);
