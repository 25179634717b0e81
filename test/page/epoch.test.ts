import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { expectNoLeak, expectRows, expectSame } from "../btree/compare.ts";
import { Model } from "../btree/model.ts";
import { makeValue, shapes } from "../btree/shapes.ts";
import { clear, type Effect, put, remove, removeRange, Store } from "../btree/store.ts";
import { builds } from "../core/arithmetic.ts";

const TREE = 3;
const OTHER = 4;
const shape = shapes.random;

type Step =
  | { kind: "commit"; seed: number; size: number; tree: number }
  | { kind: "rollback"; seed: number; size: number; tree: number }
  | { kind: "pin" }
  | { kind: "unpin"; which: number }
  | { kind: "reclaim"; pages: number };

const change = {
  seed: fc.nat(1_000_000),
  size: fc.integer({ min: 1, max: 120 }),
  tree: fc.constantFrom(TREE, TREE, OTHER),
};
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 10, arbitrary: fc.record({ kind: fc.constant("commit" as const), ...change }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("rollback" as const), ...change }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("pin" as const) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("unpin" as const), which: fc.nat(50) }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("reclaim" as const), pages: fc.constantFrom(1, 500) }),
  },
);

/** Puts, deletions, and now and then a range, a clear or a value in overflow pages. */
function changes(seed: number, size: number, tree: number, model: Model, seq: number): Effect[] {
  const effects: Effect[] = [];
  for (let index = 0; index < size; index++) {
    const n = (seed + index * 37) % 400;
    const key = shape(n);
    const dice = (seed + index * 7919) % 100;
    if (dice === 0) {
      const [low, high] = [key, shape((n * 7) % 400)].sort(Buffer.compare);
      effects.push(removeRange(tree, low, high));
      model.deleteRange(low, high);
    } else if (dice === 1 && seed % 5 === 0) {
      effects.push(clear(tree));
      model.clear();
    } else if (dice < 30) {
      effects.push(remove(tree, key));
      model.delete(key);
    } else {
      const value = makeValue(dice === 99 ? 6000 : (seed + index) % 300, seed + index);
      effects.push(put(tree, key, value));
      model.put({ key, value, seq, expiresAt: 0 });
    }
  }
  return effects;
}

interface Snapshot {
  readonly epoch: number;
  readonly models: Map<number, Model>;
}

function expectSnapshot(store: Store, { epoch, models }: Snapshot): void {
  for (const [tree, model] of models) expectSame(store, tree, model, { at: epoch });
}

describe.each(builds)("epochs of the %s build", (build) => {
  const numRuns = build === "release" ? 60 : 20;

  test("a pinned epoch reads what it read, whatever is pinned or committed later", () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 5, maxLength: 80 }), (steps) => {
        const store = new Store({ build });
        for (const tree of [TREE, OTHER]) store.core.createTree(tree, 1);
        let models = new Map([TREE, OTHER].map((tree) => [tree, new Model()]));
        // Epoch 0 stands for the newest one, so the first that can be pinned is 1.
        let published = store.commit([]);
        const pinned: Snapshot[] = [];
        const copy = () => new Map([...models].map(([tree, model]) => [tree, model.copy()]));
        for (const action of steps) {
          if (action.kind === "pin") {
            expect(store.core.pinEpoch(published)).toBe(0);
            pinned.push({ epoch: published, models: copy() });
          } else if (action.kind === "unpin") {
            if (pinned.length === 0) continue;
            const [gone] = pinned.splice(action.which % pinned.length, 1);
            expectSnapshot(store, gone);
            store.core.unpinEpoch(gone.epoch);
          } else if (action.kind === "reclaim") {
            store.core.reclaim(action.pages);
          } else {
            const { seed, size, tree } = action;
            const before = copy();
            const epoch = store.core.beginEpoch();
            store.apply(changes(seed, size, tree, models.get(tree) as Model, store.seq + 1));
            if (action.kind === "commit") {
              store.core.commitEpoch();
              published = epoch;
            } else {
              store.core.rollbackEpoch();
              models = before;
            }
          }
        }
        for (const snapshot of pinned) expectSnapshot(store, snapshot);
        const oldest = pinned.map(({ epoch }) => epoch).sort((a, b) => a - b)[0];
        if (oldest !== undefined) expect(store.core.oldestPin()).toBe(oldest);
        while (pinned.length > 0) {
          const gone = pinned.splice(Math.floor(pinned.length / 2), 1)[0];
          store.core.unpinEpoch(gone.epoch);
          for (const snapshot of pinned) expectSnapshot(store, snapshot);
        }
        for (const [tree, model] of models) expectSame(store, tree, model);
        expectNoLeak(store, [TREE, OTHER]);
      }),
      { numRuns },
    );
  });

  test("a rollback leaves roots, counts, live pages and the reclaim queue as they were", () => {
    fc.assert(
      fc.property(fc.array(fc.record(change), { minLength: 2, maxLength: 20 }), (epochs) => {
        const store = new Store({ build });
        const { core } = store;
        store.core.createTree(TREE, 1);
        const model = new Model();
        const effectsOf = (seed: number, of: Model): Effect[] =>
          changes(seed, 100, TREE, of, store.seq + 1);
        for (const { seed } of epochs) {
          store.commit(effectsOf(seed, model));
          const state = (): unknown => ({
            root: core.treeRoot(TREE, 0),
            records: core.treeRecords(TREE, 0),
            overflow: core.treeOverflow(TREE),
            live: Array.from({ length: core.currentBlob() + 1 }, (_, blob) => core.livePages(blob)),
            resident: core.residentPages(),
            dirty: core.dirtyFrames(),
            queued: core.reclaimQueue(),
            queue: queueOf(store),
          });
          const before = state();
          core.beginEpoch();
          store.apply([...effectsOf(seed + 1, model.copy()), clear(TREE)]);
          store.apply(effectsOf(seed + 2, new Model()));
          core.rollbackEpoch();
          store.seq -= 2;
          expect(state()).toEqual(before);
          expectSame(store, TREE, model);
        }
        expectNoLeak(store, [TREE]);
      }),
      { numRuns },
    );
  });

  test("hundreds of commits under pins give every page back in the end", () => {
    const store = new Store({ build });
    store.core.createTree(TREE, 1);
    const model = new Model();
    const snapshots: Snapshot[] = [];
    for (let commit = 0; commit < 400; commit++) {
      const effects = changes(commit * 31, 20, TREE, model, store.seq + 1);
      const epoch = store.commit(effects);
      if (commit % 8 === 0) {
        store.core.pinEpoch(epoch);
        snapshots.push({ epoch, models: new Map([[TREE, model.copy()]]) });
      }
      // From the oldest, the newest and the middle in turn; some stay for a long time.
      if (commit % 11 === 10) {
        const which = [0, snapshots.length - 1, snapshots.length >> 1][commit % 3];
        const [gone] = snapshots.splice(which, 1);
        expectSnapshot(store, gone);
        store.core.unpinEpoch(gone.epoch);
      }
    }
    for (const snapshot of snapshots) expectSnapshot(store, snapshot);
    for (const { epoch } of snapshots) store.core.unpinEpoch(epoch);
    expectSame(store, TREE, model);
    expectNoLeak(store, [TREE]);
  });

  test("an epoch pinned twice is kept until it is unpinned twice", () => {
    const store = new Store({ build });
    store.core.createTree(TREE, 1);
    const rows = (at: number): string[] =>
      store.scan(TREE, {}, 10, at).map(({ value }) => value.toString());
    const first = store.commit([put(TREE, Buffer.from("k"), Buffer.from("old"))]);
    store.core.pinEpoch(first);
    store.core.pinEpoch(first);
    store.commit([put(TREE, Buffer.from("k"), Buffer.from("new"))]);
    store.core.unpinEpoch(first);
    expect(rows(first)).toEqual(["old"]);
    expect(store.core.residentPages()).toBe(2);
    store.core.unpinEpoch(first);
    expect(store.core.residentPages()).toBe(1);
    expect(rows(0)).toEqual(["new"]);
  });

  test("no frame is lost over many rounds of filling, pinning, clearing and unpinning", () => {
    const store = new Store({ build });
    store.core.createTree(TREE, 1);
    const round = (): number => {
      const epochs: number[] = [];
      for (let commit = 0; commit < 30; commit++) {
        const effects = Array.from({ length: 30 }, (_, index) =>
          put(TREE, shape((commit * 17 + index) % 300), makeValue(index === 7 ? 9000 : 100, index)),
        );
        const epoch = store.commit(effects);
        store.core.pinEpoch(epoch);
        epochs.push(epoch);
      }
      store.commit([clear(TREE)]);
      for (const epoch of epochs) store.core.unpinEpoch(epoch);
      store.reclaimAll();
      store.core.freezeBlobs(); // gives the list of free slots back
      expect(store.core.residentPages()).toBe(0);
      expect(store.livePages()).toBe(0);
      return store.core.freeFrames();
    };
    const after = round();
    for (let index = 0; index < 5; index++) expect(round()).toBe(after);
    // All that stays are the older roots' records, which are used again and again.
    expect(store.core.frameCount() - after).toBeLessThanOrEqual(1);
  });
});

/** The items of the reclaim queue. */
function queueOf(store: Store): string[] {
  const count = store.core.copyReclaimQueue();
  const bytes = Buffer.from(store.bytes.slice(store.output, store.output + count * 16));
  return Array.from({ length: count }, (_, index) =>
    bytes.toString("hex", index * 16, index * 16 + 16),
  );
}

test("rows are compared at all", () => {
  const row = { key: Buffer.from("k"), value: Buffer.alloc(200), seq: 1, expiresAt: 0 };
  const other = { ...row, value: Buffer.alloc(200).fill(1, 199) };
  expect(() => expectRows([row], [other], "rows")).toThrow(/row 0/);
  expect(() => expectRows([row, row], [row], "rows")).toThrow(/2 rows, expected 1/);
  expect(() => expectRows([row], [row, row], "rows")).toThrow(/row 1/);
});
