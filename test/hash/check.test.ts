import { beforeAll, describe, expect, test } from "vitest";
import { CORRUPT, compile, Store } from "./harness.ts";
import { walk } from "./walker.ts";

const REASON_KIND = 2;
const REASON_LAYOUT = 3;
const REASON_ORDER = 4;
const REASON_TREE = 6;
const REASON_BOUNDS = 7;
const REASON_COUNT = 8;
const REASON_HASH = 9;
const STATUS_REASON = 36;

describe("the check of a hashed tree", () => {
  let module: WebAssembly.Module;
  let store: Store;
  let ids: number[];
  beforeAll(() => {
    module = compile("checked");
    store = new Store(module, { frames: 4000 });
    store.core.beginEpoch();
    for (let i = 0; i < 12_000; i++) store.put(Buffer.from(`key-${i}`), new Uint8Array(100));
    store.core.commitEpoch();
    ids = walk(store).ids;
  });

  const addressOf = (id: number): number => store.core.pageAddress(id);
  const pages = (kind: number): number[] =>
    ids.filter((id) => store.bytes()[addressOf(id)] === kind);

  /** Changes bytes of a page, checks, and puts them back. */
  function checkWith(id: number, change: (bytes: DataView) => void): [number, number] {
    const address = addressOf(id);
    const honest = store.page(id);
    change(new DataView(store.core.memory.buffer, address, 4096));
    const result = store.check();
    const reason = store.statusWord(STATUS_REASON);
    store.bytes().set(honest, address);
    return [result, reason];
  }

  test("passes an honest tree of several directories", () => {
    expect(pages(3).length).toBeGreaterThan(2);
    expect(store.check()).toBe(0);
  });

  test.each<[string, (view: DataView) => void, number]>([
    ["a wrong tag", (view) => view.setUint8(35, view.getUint8(35) ^ 1), REASON_HASH],
    ["another tree's number", (view) => view.setUint32(4, 8, true), REASON_TREE],
    [
      "a bit more than it stands for",
      (view) => view.setUint8(24, view.getUint8(24) + 1),
      REASON_BOUNDS,
    ],
    ["too many bits", (view) => view.setUint8(24, 40), REASON_HASH],
    ["another hash", (view) => view.setUint8(23, view.getUint8(23) ^ 128), REASON_HASH],
    [
      "a key that belongs elsewhere",
      (view) => {
        const cell = view.getUint16(48, true) & 4095;
        view.setUint8(cell + 4, view.getUint8(cell + 4) ^ 7);
      },
      REASON_HASH,
    ],
    [
      "a record that stands twice",
      (view) => {
        view.setUint8(33, view.getUint8(32));
        view.setUint16(51, view.getUint16(48, true), true);
        view.setUint8(53, view.getUint8(50));
      },
      REASON_ORDER,
    ],
    [
      "a record too few",
      (view) => view.setUint16(2, view.getUint16(2, true) - 1, true),
      REASON_LAYOUT,
    ],
    ["no records", (view) => view.setUint16(2, 0, true), REASON_COUNT],
    ["garbage that there is not", (view) => view.setUint16(10, 5, true), REASON_LAYOUT],
    ["a chain where there can be none", (view) => view.setUint8(25, 3), REASON_BOUNDS],
    ["the mark of a directory", (view) => view.setUint8(0, 3), REASON_LAYOUT],
  ])("finds a bucket with %s", (_name, change, reason) => {
    const all = pages(4);
    for (const id of [all[0], all[200], all[all.length - 1]]) {
      expect(checkWith(id, change)).toEqual([CORRUPT, reason]);
    }
  });

  test.each<[string, (view: DataView) => void, number]>([
    [
      "an entry that leads elsewhere",
      (view) => {
        // The first run of entries is lengthened over the next.
        let at = 32;
        while (view.getUint32(at, true) === view.getUint32(at + 6, true)) at += 6;
        view.setUint32(at + 6, view.getUint32(at, true), true);
      },
      REASON_LAYOUT,
    ],
    [
      "a directory marked as a bucket, or the reverse",
      (view) => {
        view.setUint8(3104, view.getUint8(3104) ^ 255);
        for (let at = 3105; at < 3168; at++) view.setUint8(at, view.getUint8(at) ^ 255);
      },
      REASON_KIND,
    ],
    [
      "a wrong count",
      (view) => view.setUint16(2, view.getUint16(2, true) - 1, true),
      REASON_LAYOUT,
    ],
    ["another depth", (view) => view.setUint8(24, 60), REASON_LAYOUT],
  ])("finds a directory with %s", (_name, change, reason) => {
    for (const id of pages(3)) expect(checkWith(id, change)).toEqual([CORRUPT, reason]);
  });

  test("finds two buckets that have changed places", () => {
    const leaf = pages(3)[1];
    const [result, reason] = checkWith(leaf, (view) => {
      const runs: number[] = [];
      for (let index = 0; index < 512; index++) {
        const id = view.getUint32(32 + index * 6, true);
        if (runs.length === 0 || view.getUint32(26 + index * 6, true) !== id) runs.push(index);
      }
      const widthOf = (run: number): number => (runs[run + 1] ?? 512) - runs[run];
      const one = runs.findIndex((_, run) => run > 3 && widthOf(run) === widthOf(run + 1));
      for (let step = 0; step < widthOf(one); step++) {
        const a = 32 + (runs[one] + step) * 6;
        const b = 32 + (runs[one + 1] + step) * 6;
        const id = view.getUint32(a, true);
        view.setUint32(a, view.getUint32(b, true), true);
        view.setUint32(b, id, true);
      }
    });
    expect([result, reason]).toEqual([CORRUPT, REASON_HASH]);
  });

  test("a reader that meets such a page is told so", () => {
    const bucket = pages(4)[17];
    const address = addressOf(bucket);
    const bytes = store.page(bucket);
    const slot = bytes[48] + bytes[49] * 256 + bytes[50] * 65536;
    const key = bytes.slice(slot & 4095, (slot & 4095) + (slot >> 12));
    store.bytes()[address + 24] += 20;
    expect(() => store.get(key)).toThrow(String(CORRUPT));
    expect(store.statusWord(STATUS_REASON)).toBe(REASON_HASH);
    expect(store.status(0)).toBe(bucket);
    expect(() => store.scanAll(1000)).toThrow(String(CORRUPT));
    store.core.beginEpoch();
    expect(store.put(key, new Uint8Array(4))).toBe(CORRUPT);
    expect(store.remove(key)).toBe(CORRUPT);
    store.core.rollbackEpoch();
    store.bytes()[address + 24] -= 20;
    expect(store.get(key)?.value.length).toBe(100);
    expect(store.check()).toBe(0);
  });

  test("counts pages by their blob, and goes on after missing pages", () => {
    store.core.clearSeen();
    store.evictAll();
    expect(store.check()).toBe(0);
    expect(store.core.seenPages(1)).toBe(ids.length);
    expect(store.core.livePages(1)).toBe(ids.length);
  });
});
