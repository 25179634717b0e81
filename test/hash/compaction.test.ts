import { beforeAll, describe, expect, test } from "vitest";
import { Random } from "../storage/random.ts";
import { CORRUPT, compile, PAGE_BYTES, Store, text } from "./harness.ts";
import { Model, repackAll } from "./model.ts";
import { walk } from "./walker.ts";

const key = (i: number): Uint8Array => Buffer.from(`key-${i}`.padEnd(16));

describe("moving the pages of a hashed tree", () => {
  let module: WebAssembly.Module;
  beforeAll(() => {
    module = compile("checked");
  });

  function filled(mask?: bigint): Model {
    const model = new Model(new Store(module, mask === undefined ? {} : { mask }));
    for (let i = 0; i < 2500; i++) model.put(key(i), new Uint8Array(30).fill(i));
    model.commit(true);
    return model;
  }

  test.each([
    ["all bits", 0xffff_ffff_ffff_ffffn],
    ["two bits of the hash, in chains", 0xc000_0000_0000_0000n],
    ["every fourth bit", 0x1111_1111_1111_1111n],
  ])("one by one empties their blob, with %s", (_name, mask) => {
    const model = filled(mask);
    const { store } = model;
    const last = store.core.freezeBlobs();
    const places = walk(store).ids.map((id) => {
      const bytes = store.page(id);
      const view = new DataView(bytes.buffer);
      return {
        id,
        low: view.getUint32(16, true),
        high: view.getUint32(20, true),
        depth: bytes[24],
      };
    });
    store.evictAll();
    for (const { id, low, high, depth } of places) {
      const move = (): number =>
        store.retry(() => store.core.relocateHashed(store.tree, low, high, depth, id));
      // An ancestor's move, or a page before it in its chain, does not move the page itself.
      const moved = move();
      expect(moved).toBeGreaterThanOrEqual(0);
      expect(walk(store).ids).not.toContain(id);
      expect(move()).toBe(0);
    }
    expect(walk(store).ids.filter((id) => id < (last + 1) * 65536)).toEqual([]);
    expect(store.core.livePages(last)).toBeGreaterThan(0);
    model.commit(false);
    expect(store.core.livePages(last)).toBe(0);
    // The pinned epoch still reads the old pages.
    model.check();
    model.end();
  });

  test("reads no page that cannot be the one", () => {
    const model = filled();
    const { store } = model;
    store.evictAll();
    store.loads = 0;
    expect(store.retry(() => store.core.relocateHashed(store.tree, 0, 0, 9, 12_345))).toBe(0);
    expect(store.loads).toBeLessThan(3);
    expect(store.retry(() => store.core.relocateHashed(store.tree, 0, 0, 0, 12_345))).toBe(0);
    model.end();
  });

  test.each([
    ["all bits", 0xffff_ffff_ffff_ffffn],
    ["two bits of the hash, in chains", 0xc000_0000_0000_0000n],
  ])("in slices rewrites every page, and merges what deletions have left, with %s", (_, mask) => {
    const random = new Random(11);
    const model = filled(mask);
    const { store } = model;
    for (let i = 0; i < 2500; i++) if (random.chance(0.75)) model.remove(key(i));
    model.commit(false);
    const last = store.core.freezeBlobs();
    const before = walk(store);
    store.evictAll();
    const written = repackAll(store);
    const after = walk(store);
    expect(after.ids.filter((id) => id < (last + 1) * 65536)).toEqual([]);
    expect(written).toBeGreaterThanOrEqual(after.buckets);
    expect(after.ids.length).toBeLessThanOrEqual(before.ids.length);
    if (after.chainPages === 0) expect(after.buckets).toBeLessThan(before.buckets);
    model.check();
    model.rollback();
    expect(walk(store).ids).toEqual(before.ids);
    repackAll(store);
    model.commit(false);
    model.check();
    model.end();
  });

  test("in slices makes way when frames run out, and loses nothing", () => {
    const store = new Store(module, { frames: 450 });
    store.core.beginEpoch();
    for (let i = 0; i < 20_000; i++) store.put(key(i), new Uint8Array(100).fill(i));
    store.core.commitEpoch();
    store.core.beginEpoch();
    const last = store.core.freezeBlobs();
    repackAll(store);
    store.core.commitEpoch();
    expect(store.core.livePages(last)).toBe(0);
    expect(store.check()).toBe(0);
    for (let i = 0; i < 20_000; i += 7) expect(store.get(key(i))?.value[0]).toBe(i & 255);
    expect(new Set(store.scanAll(2000).map((row) => text(row.key))).size).toBe(20_000);
  });

  test("refuses a page that says it belongs elsewhere", () => {
    const model = filled();
    const { store } = model;
    const id = walk(store).ids[5];
    const bytes = store.page(id);
    const view = new DataView(bytes.buffer);
    store.bytes()[store.core.pageAddress(id) + 23] ^= 1;
    const [low, high] = [view.getUint32(16, true), view.getUint32(20, true)];
    expect(store.core.relocateHashed(store.tree, low, high, bytes[24], id)).toBe(CORRUPT);
    expect(() => repackAll(store)).toThrow(String(CORRUPT));
    expect(bytes.length).toBe(PAGE_BYTES);
  });
});
