import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { clear, encode, op, put, remove, removeRange, Store } from "../btree/store.ts";
import { builds } from "../core/arithmetic.ts";

const TREE = 2;
const INVALID = -8;

/** Applies raw bytes in an epoch of their own: the result and what was consumed. */
function applyBytes(store: Store, bytes: Uint8Array): { result: number; consumed: number } {
  store.bytes.set(bytes, store.input);
  store.core.beginEpoch();
  const result = store.core.apply(bytes.length, 1);
  const { consumed } = store;
  store.core.rollbackEpoch();
  return { result, consumed };
}

const key = Buffer.from("key");
const value = Buffer.from("value");

describe.each(builds)("effects in the %s build", (build) => {
  const open = (): Store => {
    const store = new Store({ build });
    store.core.createTree(TREE, 1);
    store.core.createTree(TREE + 1, 2);
    return store;
  };

  test("that are malformed stop the stream where they stand", () => {
    const store = open();
    const good = encode(put(TREE, key, value));
    const damaged = (at: number, byte: number): Buffer => {
      const bytes = Buffer.from(good);
      bytes[at] = byte;
      return bytes;
    };
    const cases: [string, Buffer, number][] = [
      ["an unknown operation", damaged(0, 9), INVALID],
      ["no operation", damaged(0, 0), INVALID],
      ["an unknown flag", damaged(1, 2), INVALID],
      ["a reserved byte", damaged(13, 1), INVALID],
      ["a key that is too long", damaged(3, 0xff), INVALID],
      ["a tree that is not there", damaged(4, 77), -9],
      ["the creation of a tree", damaged(0, 5), -6],
      ["the removal of a tree", damaged(0, 6), -6],
      ["a range of a hashed tree", encode(removeRange(TREE + 1, key, value)), -10],
    ];
    for (const [what, bytes, result] of cases) {
      const stream = Buffer.concat([good, bytes]);
      expect({ what, ...applyBytes(store, stream) }).toEqual({
        what,
        result,
        consumed: good.length,
      });
    }
  });

  test("that are cut off wait for the rest", () => {
    const store = open();
    const good = Buffer.concat([encode(put(TREE, key, value, 5)), encode(remove(TREE, key))]);
    for (let length = 0; length < good.length; length++) {
      const { result, consumed } = applyBytes(store, good.subarray(0, length));
      expect(result).toBe(0);
      expect(consumed).toBe(length < 16 + 8 + 8 ? 0 : 32);
    }
    const large = encode(put(TREE, key, Buffer.alloc(5000)));
    expect(applyBytes(store, large.subarray(0, 18))).toEqual({ result: 0, consumed: 0 });
    expect(applyBytes(store, large.subarray(0, 19))).toEqual({ result: -7, consumed: 0 });
  });

  test("of any bytes end in a known result and change no more than an epoch", () => {
    const store = open();
    store.commit([put(TREE, key, value)]);
    const headers = fc.record({
      op: fc.integer({ min: 0, max: 8 }),
      flags: fc.integer({ min: 0, max: 2 }),
      keyLength: fc.oneof(fc.nat(20), fc.nat(65_535)),
      tree: fc.constantFrom(TREE, TREE + 1, 99),
      valueLength: fc.oneof(fc.nat(50), fc.nat(0xffff_ffff)),
      rest: fc.uint8Array({ maxLength: 80 }),
    });
    fc.assert(
      fc.property(fc.array(headers, { maxLength: 5 }), (effects) => {
        const stream = Buffer.concat(
          effects.map((effect) => {
            const head = Buffer.alloc(16);
            head[0] = effect.op;
            head[1] = effect.flags;
            head.writeUInt16LE(effect.keyLength, 2);
            head.writeUInt32LE(effect.tree, 4);
            head.writeUInt32LE(effect.valueLength, 8);
            return Buffer.concat([head, effect.rest]);
          }),
        );
        const { result, consumed } = applyBytes(store, stream);
        expect([0, -6, -7, -8, -9, -10]).toContain(result);
        expect(consumed).toBeLessThanOrEqual(stream.length);
        expect(store.get(TREE, key)?.value.toString()).toBe("value");
        expect(store.core.treeRecords(TREE, 0)).toBe(1);
      }),
      { numRuns: 500 },
    );
  });

  test("tell how many records they removed", () => {
    const store = open();
    const keys = Array.from({ length: 500 }, (_, n) => Buffer.from(String(n).padStart(4, "0")));
    store.core.beginEpoch();
    expect(store.apply(keys.map((of) => put(TREE, of, value)))).toBe(0);
    expect(store.apply([remove(TREE, keys[0]), remove(TREE, keys[0]), remove(TREE, key)])).toBe(1);
    expect(store.apply([removeRange(TREE, keys[0], keys[100])])).toBe(99);
    expect(store.apply([removeRange(TREE, keys[200], keys[150])])).toBe(0);
    expect(store.apply([removeRange(TREE, keys[450], Buffer.alloc(0))])).toBe(50);
    expect(store.apply([clear(TREE), clear(TREE)])).toBe(350);
    store.core.commitEpoch();
    expect(store.core.treeRecords(TREE, 0)).toBe(0);
  });

  test("keep the seq and the expiry that they were given", () => {
    const store = open();
    const latest = 2 ** 48 - 1;
    store.seq = 2 ** 48 - 3;
    store.commit([put(TREE, key, value, latest)]);
    store.commit([put(TREE, value, key)]);
    expect(store.get(TREE, key)).toMatchObject({ seq: 2 ** 48 - 2, expiresAt: latest });
    expect(store.get(TREE, value)).toMatchObject({ seq: 2 ** 48 - 1, expiresAt: 0 });
    expect(store.get(TREE, key, 0, latest - 1)).toBeDefined();
    expect(store.get(TREE, key, 0, latest)).toBeUndefined();
    expect(op.deleteRange).toBe(3);
  });
});
