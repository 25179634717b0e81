import { beforeAll, describe, expect, test } from "vitest";
import { Random } from "../storage/random.ts";
import { builds, CORRUPT, compile, Store } from "./harness.ts";
import { keyOf, valueBytesMax } from "./model.ts";
import { walk } from "./walker.ts";

describe.each(builds)("a batch of look-ups in a hashed tree (%s build)", (build) => {
  let module: WebAssembly.Module;
  beforeAll(() => {
    module = compile(build);
  });

  test.each([
    ["all bits", 0xffff_ffff_ffff_ffffn],
    ["every fourth bit", 0x1111_1111_1111_1111n],
    ["two bits, in chains", 0xc000_0000_0000_0000n],
  ])("answers what single ones do, with pages missing or not, with %s", (_name, mask) => {
    const random = new Random(41);
    const store = new Store(module, { mask });
    const epoch = store.core.beginEpoch();
    for (let i = 0; i < 1000; i++) {
      const key = keyOf(random.integer(900));
      const bytes = random.integer(Math.min(200, valueBytesMax(key.length)));
      store.put(key, random.bytes(bytes), i, random.chance(0.2) ? 50 : 0);
    }
    store.core.pinEpoch(epoch);
    store.core.commitEpoch();
    store.core.beginEpoch();
    for (let i = 0; i < 400; i++) store.remove(keyOf(random.integer(900)));
    for (const at of [0, epoch]) {
      for (let round = 0; round < 12; round++) {
        const now = random.pick([0, 60]);
        const keys = Array.from({ length: random.integer(200) }, () => keyOf(random.integer(1100)));
        const single = keys.map((key) => store.get(key, at, now));
        if (random.chance(0.5)) store.evictAll();
        expect(store.getMany(keys, at, now)).toEqual(single);
      }
    }
    expect(store.getMany([], 0)).toEqual([]);
  });

  test("answers nothing from an empty tree", () => {
    const store = new Store(module);
    store.core.beginEpoch();
    expect(store.getMany([keyOf(1), keyOf(2)])).toEqual([undefined, undefined]);
  });

  test("goes on where the value column was full", () => {
    const store = new Store(module);
    store.core.beginEpoch();
    const keys = Array.from({ length: 1500 }, (_, i) => Buffer.from(`key-${i}`));
    for (const [i, key] of keys.entries()) store.put(key, new Uint8Array(900).fill(i));
    const rows = store.getMany(keys);
    expect(rows.length).toBe(1500);
    for (const [i, row] of rows.entries()) expect(row?.value[899]).toBe(i & 255);
  });

  test("is refused by a damaged page, but not before it has told what it found until then", () => {
    const store = new Store(module);
    store.core.beginEpoch();
    const keys = Array.from({ length: 400 }, (_, i) => Buffer.from(`key-${i}`));
    for (const key of keys) store.put(key, new Uint8Array(50));
    const bucket = walk(store).ids[3];
    store.bytes()[store.core.pageAddress(bucket) + 24] = 40;
    const isRefused = (key: Uint8Array): boolean => {
      store.setKey(key);
      return store.core.get(store.tree, 0, key.length, 0) === CORRUPT;
    };
    const first = keys.findIndex(isRefused);
    expect(first).toBeGreaterThan(0);
    expect(store.lookUpMany(keys)).toBe(first);
    expect(store.lookUpMany(keys.slice(first))).toBe(CORRUPT);
    expect(store.status(0)).toBe(bucket);
    expect(() => store.getMany(keys)).toThrow(String(CORRUPT));
  });
});
