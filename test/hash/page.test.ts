import { beforeAll, describe, expect, test } from "vitest";
import { Random } from "../storage/random.ts";
import { compile, PAGE_BYTES, Store } from "./harness.ts";
import { walk } from "./walker.ts";

/** True if a page can have that id: blob in the upper bits, one of 8,191 slots in the lower 16. */
function isPageId(id: number): boolean {
  const slot = id % 65536;
  return slot > 0 && slot < 8192 && id >= 65536;
}

function idAt(view: DataView, at: number): number {
  return view.getUint32(at, true) + view.getUint16(at + 4, true) * 2 ** 32;
}

/** True if a record of those sizes, with its value at `at`, may stand in a page. */
function isRecord(view: DataView, flags: number, key: number, at: number, bytes: number): boolean {
  if (flags > 3) return false;
  if ((flags & 2) === 0) return bytes <= 32 || key + bytes <= 1040;
  const extents = (bytes - 4) / 8;
  if (!Number.isInteger(extents) || extents < 1 || extents > 8) return false;
  const value = view.getUint32(at, true);
  let pages = 0;
  for (let extent = 0; extent < extents; extent++) {
    const first = idAt(view, at + 4 + extent * 8);
    const count = view.getUint16(at + 10 + extent * 8, true);
    if (!isPageId(first) || count === 0 || (first % 65536) + count > 8192) return false;
    pages += count;
  }
  return value <= 2 ** 26 && pages === Math.ceil((2 + key + value) / 4048);
}

/** True if the bytes are a bucket as assembly/hash/bucket.ts describes it. Its own parser. */
function isBucketByMap(bytes: Uint8Array): boolean {
  const view = new DataView(bytes.buffer, bytes.byteOffset, PAGE_BYTES);
  const u16 = (at: number): number => view.getUint16(at, true);
  const count = u16(2);
  const depth = bytes[24];
  if (bytes[0] !== 4 || bytes[1] !== 0 || count === 0 || depth > 63) return false;
  if (u16(10) !== 0 || u16(12) !== 0 || u16(14) !== 0 || bytes[31] !== 0) return false;
  if ((view.getBigUint64(16, true) << BigInt(depth)) % 2n ** 64n !== 0n) return false;
  const next = idAt(view, 25);
  if (next !== 0 && (depth !== 63 || !isPageId(next))) return false;
  const used = new Uint8Array(PAGE_BYTES);
  used.fill(1, 0, 32);
  let end = 4080;
  for (let index = 0; index < count; index++) {
    const group = 32 + 64 * (index >> 4);
    const slot = group + 16 + 3 * (index & 15);
    if (slot + 3 > end) return false;
    used[group + (index & 15)] = 1;
    used.fill(1, slot, slot + 3);
    const number = u16(slot) + bytes[slot + 2] * 65536;
    const cell = number & 4095;
    const keyLength = number >> 12;
    if (keyLength > 1040 || cell + keyLength + 9 > end) return false;
    const flags = bytes[cell + keyLength];
    const value = cell + keyLength + (flags & 1 ? 15 : 9);
    if (value + u16(value - 2) !== end) return false;
    if (!isRecord(view, flags, keyLength, value, end - value)) return false;
    end = cell;
  }
  if (u16(8) !== end) return false;
  used.fill(1, end, 4080);
  const lastGroup = 32 + 64 * ((count - 1) >> 4);
  if (lastGroup + 16 + 3 * (((count - 1) & 15) + 1) > end) return false;
  for (let at = 0; at < 4080; at++) if (used[at] === 0 && bytes[at] !== 0) return false;
  return true;
}

/** The same for a directory. */
function isDirectoryByMap(bytes: Uint8Array): boolean {
  const view = new DataView(bytes.buffer, bytes.byteOffset, PAGE_BYTES);
  const depth = bytes[24];
  if (bytes[0] !== 3 || bytes[1] !== 0 || depth > 54) return false;
  if (view.getUint16(8, true) !== 4080) return false;
  for (const at of [10, 11, 12, 13, 14, 15, 25, 26, 27, 28, 29, 30, 31])
    if (bytes[at]) return false;
  for (let at = 3168; at < 4080; at++) if (bytes[at]) return false;
  if ((view.getBigUint64(16, true) << BigInt(depth)) % 2n ** 64n !== 0n) return false;
  const entries = Array.from({ length: 512 }, (_, index) => {
    const at = 32 + index * 6;
    return { id: idAt(view, at), isDirectory: (bytes[3104 + (index >> 3)] >> (index & 7)) & 1 };
  });
  if (entries.some(({ id, isDirectory }) => id === 0 && isDirectory)) return false;
  if (entries.some(({ id }) => id !== 0 && !isPageId(id))) return false;
  const used = entries.filter(({ id }) => id !== 0).length;
  if (used === 0 || used !== view.getUint16(2, true)) return false;
  for (let first = 0; first < 512; ) {
    let end = first + 1;
    while (end < 512 && entries[end].id === entries[first].id) end++;
    const run = end - first;
    if (entries[first].id !== 0) {
      if (run === 512 || (run & (run - 1)) !== 0 || first % run !== 0) return false;
      const kinds = entries.slice(first, end).map(({ isDirectory }) => isDirectory);
      if (new Set(kinds).size > 1) return false;
    }
    first = end;
  }
  return true;
}

describe("pages of hashed trees", () => {
  let module: WebAssembly.Module;
  beforeAll(() => {
    module = compile("checked");
  });

  /**
   * A store of some thousand records, with holes in its buckets, and the addresses of its pages.
   */
  function filled(seed: number): { store: Store; ids: number[] } {
    const random = new Random(seed);
    const store = new Store(module, { frames: 4000, mask: 0xfff0_0000_0000_00ffn });
    store.core.beginEpoch();
    for (let i = 0; i < 3000; i++) {
      const key = new Uint8Array(random.integer(40));
      key.set(Buffer.from(`${random.integer(900)}`).subarray(0, key.length));
      if (random.chance(0.3)) store.remove(key);
      else store.put(key, random.bytes(random.integer(300)), i, random.chance(0.3) ? 9 : 0);
    }
    return { store, ids: walk(store).ids };
  }

  function export1(store: Store, id: number): Uint8Array {
    const target = store.core.outputAddress();
    store.bytes().fill(0xee, target, target + PAGE_BYTES);
    store.core.canonicalBucket(store.core.pageAddress(id), target);
    return store.bytes().slice(target, target + 4080);
  }

  test("are written without holes, in order, and with zeros wherever nothing stands", () => {
    const { store, ids } = filled(1);
    let buckets = 0;
    for (const id of ids) {
      const address = store.core.pageAddress(id);
      if (store.bytes()[address] !== 4) {
        expect(isDirectoryByMap(store.page(id))).toBe(true);
        expect(store.core.isDirectory(address)).toBe(1);
        continue;
      }
      buckets++;
      const bytes = new Uint8Array(PAGE_BYTES);
      bytes.set(export1(store, id));
      expect(isBucketByMap(bytes)).toBe(true);
      store.bytes().set(bytes, store.core.inputAddress());
      expect(store.core.isBucket(store.core.inputAddress())).toBe(1);
      let previous: [bigint, Uint8Array] | undefined;
      const view = new DataView(bytes.buffer);
      for (let index = 0; index < view.getUint16(2, true); index++) {
        const slot = 32 + 64 * (index >> 4) + 16 + 3 * (index & 15);
        const cell = view.getUint16(slot, true) & 4095;
        const length = (view.getUint16(slot, true) + bytes[slot + 2] * 65536) >> 12;
        const key = bytes.slice(cell, cell + length);
        const hash = store.hash(key);
        if (previous !== undefined) {
          const inOrder =
            previous[0] < hash || (previous[0] === hash && Buffer.compare(previous[1], key) < 0);
          expect(inOrder).toBe(true);
        }
        previous = [hash, key];
      }
    }
    expect(buckets).toBeGreaterThan(20);
  });

  test("hold the same bytes for the same records, whatever happened before", () => {
    const images = [3, 4].map((seed) => {
      const random = new Random(seed);
      const store = new Store(module);
      store.core.beginEpoch();
      const order = Array.from({ length: 25 }, (_, i) => i);
      for (let i = order.length - 1; i > 0; i--) {
        const other = random.integer(i + 1);
        [order[i], order[other]] = [order[other], order[i]];
      }
      for (const i of order) {
        store.put(Buffer.from(`gone-${i}`), random.bytes(50));
        store.put(Buffer.from(`kept-${i}`), random.bytes(random.integer(20)));
        store.put(Buffer.from(`kept-${i}`), new Uint8Array(60).fill(i), i);
        store.remove(Buffer.from(`gone-${i}`));
      }
      return Buffer.from(export1(store, store.core.treeRoot(store.tree, 0))).subarray(2);
    });
    expect(Buffer.compare(images[0].subarray(14), images[1].subarray(14))).toBe(0);
  });

  test("are refused when any byte makes them what the byte map does not allow", () => {
    const random = new Random(5);
    const { store, ids } = filled(5);
    const at = store.core.inputAddress();
    let refused = 0;
    let accepted = 0;
    for (let round = 0; round < 30_000; round++) {
      const id = random.pick(ids);
      const bytes = new Uint8Array(PAGE_BYTES);
      const isBucket = store.bytes()[store.core.pageAddress(id)] === 4;
      bytes.set(isBucket ? export1(store, id) : store.page(id));
      const changes = 1 + random.integer(3);
      for (let i = 0; i < changes; i++) {
        const place = random.chance(0.7) ? random.integer(200) : random.integer(4080);
        bytes[place] = random.chance(0.5)
          ? random.integer(256)
          : bytes[place] ^ (1 << random.integer(8));
      }
      store.bytes().set(bytes, at);
      const expected = isBucket ? isBucketByMap(bytes) : isDirectoryByMap(bytes);
      const found = isBucket ? store.core.isBucket(at) : store.core.isDirectory(at);
      if ((found === 1) !== expected) {
        throw new Error(`Round ${round} of seed 5: the core says ${found}, the map ${expected}`);
      }
      if (expected) accepted++;
      else refused++;
    }
    expect(refused).toBeGreaterThan(5000);
    expect(accepted).toBeGreaterThan(1000);
  });

  test("of any bytes that pass do no more harm than a wrong answer", { timeout: 120_000 }, () => {
    const random = new Random(6);
    const { store } = filled(6);
    store.core.commitEpoch();
    store.evictAll();
    const keys = Array.from({ length: 50 }, (_, i) => Buffer.from(`${i * 18}`.padEnd(20, "\0")));
    let passed = 0;
    for (let round = 0; round < 1500; round++) {
      // Forged pages reach the core through the same check as honest ones, their checksum aside.
      store.core.beginEpoch();
      const id = random.pick(walk(store).ids);
      const address = store.core.pageAddress(id);
      const honest = store.page(id);
      const forged = honest.slice();
      for (let i = 0; i < 3; i++) {
        const place = 2 + random.integer(random.chance(0.5) ? 120 : 3166);
        forged[place] = random.integer(256);
      }
      store.bytes().set(forged, address);
      const isValid =
        forged[0] === 4 ? store.core.isBucket(address) : store.core.isDirectory(address);
      if (isValid === 1) {
        passed++;
        for (const key of keys) {
          attempt(() => store.get(key));
          attempt(() => store.remove(key));
          attempt(() => store.put(key, new Uint8Array(random.integer(900))));
        }
        attempt(() => store.scanAll(200));
        attempt(() => store.check());
      }
      store.core.rollbackEpoch();
      store.bytes().set(honest, address);
      if (isValid === 1) expect(store.check()).toBe(0);
    }
    expect(passed).toBeGreaterThan(50);
  });

  /** Runs what may end in an error code or a missing page, but not in a trap. */
  function attempt(action: () => unknown): void {
    try {
      action();
    } catch (error) {
      if (error instanceof WebAssembly.RuntimeError) throw error;
      if ((error as Error).message.startsWith("assertion")) throw error;
    }
  }
});
