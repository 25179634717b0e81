import { describe, expect, test } from "vitest";
import { builds } from "../core/arithmetic.ts";
import { expectRows } from "./compare.ts";
import { isAlive, Model } from "./model.ts";
import { makeValue, shapes } from "./shapes.ts";
import { type Bounds, put, type Row, Store } from "./store.ts";

const TREE = 3;

/** The rows within bounds, the slow way. */
function within(model: Model, bounds: Bounds, now: number): Row[] {
  const rows = model.sorted().filter((row) => {
    if (!isAlive(row, now)) return false;
    const low = bounds.low === undefined ? 1 : Buffer.compare(row.key, bounds.low);
    const high = bounds.high === undefined ? -1 : Buffer.compare(row.key, bounds.high);
    if (low < 0 || (low === 0 && bounds.lowExclusive)) return false;
    return high < 0 || (high === 0 && bounds.highInclusive === true);
  });
  return bounds.reverse ? rows.reverse() : rows;
}

function fill(store: Store, count: number, shape: (n: number) => Buffer, length: number): Model {
  store.core.createTree(TREE, 1);
  const model = new Model();
  for (let from = 0; from < count; from += 100) {
    const effects = Array.from({ length: Math.min(100, count - from) }, (_, index) => {
      const key = shape(from + index);
      const value = makeValue(length, from + index);
      const expiresAt = (from + index) % 4 === 0 ? 1000 : 0;
      model.put({ key, value, seq: store.seq + 1, expiresAt });
      return put(TREE, key, value, expiresAt);
    });
    store.commit(effects);
  }
  return model;
}

const sides = [false, true];

describe.each(builds)("a scan of the %s build", (build) => {
  test.each(["tinyAlphabet", "sequential", "longPrefix", "prefixThief"])(
    "returns the rows within any bounds, both ways, in batches of any size: %s",
    (name) => {
      const store = new Store({ build });
      const shape = shapes[name];
      const model = fill(store, 300, shape, 90);
      // Keys that are there, keys that are not, keys before the first and behind the last one.
      const numbers = [0, 5, 77, 299, 301, 350];
      const keys = [undefined, Buffer.alloc(0), ...numbers.map(shape), Buffer.alloc(1040, 255)];
      let scans = 0;
      for (const low of keys) {
        for (const high of keys) {
          for (const lowExclusive of sides) {
            for (const highInclusive of sides) {
              for (const reverse of sides) {
                const bounds: Bounds = {
                  ...(low && { low }),
                  ...(high && { high }),
                  lowExclusive,
                  highInclusive,
                  reverse,
                };
                const now = scans % 3 === 0 ? 2000 : 0;
                const limit = [1, 7, 100, 4096][scans % 4];
                const rows = store.scan(TREE, bounds, limit, 0, now);
                expectRows(rows, within(model, bounds, now), `${low} to ${high}`);
                scans++;
              }
            }
          }
        }
      }
      expect(scans).toBe(9 * 9 * 8);
    },
  );

  test("ends a batch where its columns are full, and goes on behind", () => {
    const store = new Store({ build });
    // 4,096 rows of 160 bytes of key and 800 of value fill either column long before the limit.
    const model = fill(store, 3000, (n) => Buffer.from(String(n).padStart(160, "k")), 800);
    const { rows, more } = store.scanBatch(TREE, {}, 4096);
    expect(more).toBe(true);
    expect(rows.length).toBeGreaterThan(700);
    expect(rows.length).toBeLessThan(900);
    expectRows(store.scan(TREE, {}, 4096), model.sorted(), "all");
    expectRows(store.scan(TREE, { reverse: true }, 4096), model.sorted().toReversed(), "reverse");
    const keys = model.sorted().map(({ key }) => key);
    expectRows(store.getMany(TREE, keys), model.sorted(), "getMany");
  });

  test("says that there is no more when the limit ends with the range", () => {
    const store = new Store({ build });
    fill(store, 100, shapes.sequential, 300);
    expect(store.scanBatch(TREE, {}, 100)).toMatchObject({ more: false, rows: { length: 100 } });
    expect(store.scanBatch(TREE, {}, 99).more).toBe(true);
    const last = shapes.sequential(99);
    expect(store.scanBatch(TREE, { low: last }, 1)).toMatchObject({ more: false });
    expect(store.scanBatch(TREE, { high: last }, 99).rows.length).toBe(99);
  });

  test("of no tree, an empty tree or more keys than a batch holds is answered, too", () => {
    const store = new Store({ build });
    expect(store.core.scan(9, 0, 24, -1, -1, 0, 10)).toBe(-9);
    expect(store.core.get(9, 0, 1, 0)).toBe(-9);
    expect(store.core.getMany(9, 0, 1, 0, 16)).toBe(-9);
    expect(store.core.countRange(9, 0, 0, 0)).toBe(-9);
    expect(store.core.checkTreeBegin(9, 0)).toBe(-9);
    store.core.createTree(TREE, 1);
    expect(store.scan(TREE)).toEqual([]);
    expect(store.getMany(TREE, [Buffer.from("k"), Buffer.alloc(0)])).toEqual([
      undefined,
      undefined,
    ]);
    expect(store.check(TREE)).toBe(0);
    expect(store.countRange(TREE, Buffer.from("a"), Buffer.from("b"))).toBe(0);
    // 5,000 empty keys: only 4,096 rows fit.
    store.bytes.fill(0, store.input, store.input + 10_000);
    expect(store.core.getMany(TREE, 0, 5000, 0, 16)).toBe(4096);
    expect(store.more).toBe(true);
    store.commit([put(TREE, Buffer.alloc(0), Buffer.from("v"))]);
    store.bytes.fill(0, store.input, store.input + 10_000);
    expect(store.core.getMany(TREE, 0, 5000, 0, 16)).toBe(4096);
    expect(store.more).toBe(true);
  });
});
