import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { builds } from "../core/arithmetic.ts";
import { expectNoLeak, expectSame } from "./compare.ts";
import { Model } from "./model.ts";
import { makeValue, shapeName, shapes, valueLength } from "./shapes.ts";
import { clear, type Effect, put, remove, removeRange, Store } from "./store.ts";

const TREE = 7;
const KEYS = 600;

/** What an epoch does; numbers name keys of the run's shape. */
type Change =
  | { kind: "put"; from: number; step: number; count: number; length: number; expiresAt: number }
  | { kind: "delete"; from: number; step: number; count: number }
  | { kind: "deleteRange"; low: number; high: number; open: boolean }
  | { kind: "clear" };

const number = fc.nat(KEYS - 1);
const step = fc.constantFrom(1, 1, 7, 211, KEYS - 1);
const change: fc.Arbitrary<Change> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      kind: fc.constant("put" as const),
      from: number,
      step,
      count: fc.oneof(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 300 })),
      length: valueLength,
      expiresAt: fc.constantFrom(0, 0, 0, 500, 1500),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant("delete" as const),
      from: number,
      step,
      count: fc.oneof(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 300 })),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("deleteRange" as const),
      low: number,
      high: number,
      open: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("clear" as const) }) },
);

interface Epoch {
  readonly changes: readonly Change[];
  readonly rollback: boolean;
  readonly reclaim: number;
  readonly limit: number;
  readonly now: number;
}

const epoch: fc.Arbitrary<Epoch> = fc.record({
  changes: fc.array(change, { minLength: 1, maxLength: 6 }),
  rollback: fc.constantFrom(false, false, false, true),
  reclaim: fc.constantFrom(0, 0, 1, 1000),
  limit: fc.constantFrom(1, 2, 10, 100, 1000, 4096),
  now: fc.constantFrom(0, 1000, 2000),
});

/** The effects of a change, and the change itself done to the model. */
function perform(
  changes: readonly Change[],
  shape: (n: number) => Buffer,
  model: Model,
  seq: number,
) {
  const effects: Effect[] = [];
  let removed = 0;
  let mark = seq << 12;
  for (const change of changes) {
    if (change.kind === "clear") {
      effects.push(clear(TREE));
      removed += model.clear();
    } else if (change.kind === "deleteRange") {
      const [low, high] = [shape(change.low), shape(change.high)].sort(Buffer.compare);
      const end = change.open ? Buffer.alloc(0) : high;
      effects.push(removeRange(TREE, low, end));
      removed += model.deleteRange(low, end);
    } else {
      // Large values are few, or a run would be about nothing else.
      const isLarge = change.kind === "put" && change.length > 1041;
      const count = isLarge ? Math.min(change.count, 5) : change.count;
      for (let index = 0; index < count; index++) {
        const key = shape((change.from + index * change.step) % KEYS);
        if (change.kind === "delete") {
          effects.push(remove(TREE, key));
          removed += model.delete(key);
        } else {
          const value = makeValue(change.length, mark++);
          effects.push(put(TREE, key, value, change.expiresAt));
          model.put({ key, value, seq, expiresAt: change.expiresAt });
        }
      }
    }
  }
  return { effects, removed };
}

describe.each(builds)("the ordered tree of the %s build", (build) => {
  const numRuns = build === "release" ? 150 : 40;

  test("answers as a sorted array does, epoch by epoch", { timeout: 120_000 }, () => {
    const property = fc.property(
      shapeName,
      fc.array(epoch, { minLength: 1, maxLength: 12 }),
      fc.constantFrom(64, 5000, 200_000),
      (name, epochs, chunkBytes) => {
        const shape = shapes[name];
        const store = new Store({ build });
        store.core.createTree(TREE, 1);
        let model = new Model();
        const absent = Array.from({ length: 20 }, (_, index) => shape(KEYS + index));
        for (const { changes, rollback, reclaim, limit, now } of epochs) {
          const before = rollback ? model.copy() : model;
          store.core.beginEpoch();
          const { effects, removed } = perform(changes, shape, model, store.seq + 1);
          expect(store.apply(effects, chunkBytes)).toBe(removed);
          if (rollback) {
            store.core.rollbackEpoch();
            model = before;
          } else store.core.commitEpoch();
          if (reclaim > 0) store.core.reclaim(reclaim);
          expectSame(store, TREE, model, { limit, now, absent });
        }
        expectNoLeak(store, [TREE]);
      },
    );
    fc.assert(property, { numRuns });
  });
});
