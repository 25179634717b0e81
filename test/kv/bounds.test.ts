import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodeCursor, encodeCursor } from "../../src/kv/cursor.ts";
import { nextPrefix } from "../../src/kv/range.ts";
import { decodeHint, dueBefore, momentOf } from "../../src/transaction/index.ts";
import { fails } from "./fails.ts";

describe("the key behind a prefix", () => {
  test("separates the keys with the prefix from those behind", () => {
    const short = fc.uint8Array({ maxLength: 4 });
    const key = fc.oneof(short, fc.array(fc.constantFrom(0, 1, 254, 255), { maxLength: 4 }));
    fc.assert(
      fc.property(key, key, (prefixBytes, bytes) => {
        const prefix = Buffer.from(prefixBytes);
        const found = Buffer.from(bytes);
        const has = found.subarray(0, prefix.length).equals(prefix);
        const next = nextPrefix(prefix);
        const isBefore = next === undefined || Buffer.compare(found, next) < 0;
        const isFrom = Buffer.compare(found, prefix) >= 0;
        expect(isFrom && isBefore).toBe(has);
      }),
      { numRuns: 1_000 },
    );
  });

  test("is none for an empty prefix and for nothing but FF", () => {
    expect(nextPrefix(new Uint8Array(0))).toBeUndefined();
    expect(nextPrefix(Uint8Array.of(255, 255))).toBeUndefined();
    expect(nextPrefix(Uint8Array.of(1, 255, 255))).toEqual(Uint8Array.of(2));
  });
});

describe("cursors", () => {
  test("keep the key and the direction, in characters that a URL leaves alone", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), fc.boolean(), (key, isReverse) => {
        const cursor = encodeCursor(key, isReverse);
        expect(encodeURIComponent(cursor)).toBe(cursor);
        expect(decodeCursor("visit", cursor, isReverse)).toEqual(key);
      }),
    );
  });

  test("are refused when they are made up or for the other direction", async () => {
    const cursor = encodeCursor(Uint8Array.of(1), false);
    await fails("argument_invalid", () => decodeCursor("visit", cursor, true));
    for (const other of ["", "=", "a", "?", "AAAA", 7, null]) {
      await fails("argument_invalid", () => decodeCursor("visit", other, false));
    }
  });
});

describe("moments of the expiry tree", () => {
  test("are never before the expiry, and less than 1,024 ms behind", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2 ** 48 - 1 }), (expiresAt) => {
        const moment = momentOf(expiresAt);
        expect(moment).toBeGreaterThanOrEqual(expiresAt);
        expect(moment - expiresAt).toBeLessThan(1_024);
      }),
    );
    expect(momentOf(2 ** 48 - 1)).toBe(2 ** 48 - 1);
  });

  test("lie before the bound of a time when they are due", () => {
    const moment = fc.integer({ min: 0, max: 2 ** 48 - 2 });
    fc.assert(
      fc.property(moment, moment, fc.uint8Array({ maxLength: 9 }), (first, now, key) => {
        const entry = Buffer.alloc(10 + key.length);
        entry.writeUIntBE(first, 0, 6);
        entry.writeUInt32BE(77, 6);
        entry.set(key, 10);
        expect(Buffer.compare(entry, dueBefore(now)) < 0).toBe(first <= now);
        expect(decodeHint(entry)).toEqual({ moment: first, tree: 77, key: Buffer.from(key) });
      }),
    );
  });
});
