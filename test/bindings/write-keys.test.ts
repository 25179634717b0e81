// What `writeKeys` and `writePackedKeys` leave in the input area, against an encoder that writes
// one key after the other.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Core } from "../../bindings/core.ts";
import { loadCore } from "../../bindings/load.ts";
import { coreKeyBytesMax, keysOfMany, rowsMax } from "../../bindings/status.ts";
import { CairnError } from "../../src/errors.ts";

const core = new Core(loadCore());
const encoder = new TextEncoder();

function bytesOf(key: string | Uint8Array): Uint8Array {
  return typeof key === "string" ? encoder.encode(key) : key;
}

/** The keys in the input area. */
function written(count: number): Uint8Array[] {
  const view = new DataView(core.bytes.buffer, core.inputAddress);
  const keys: Uint8Array[] = [];
  let at = keysOfMany;
  for (let index = 0; index < count; index++) {
    const length = view.getUint16(index * 2, true);
    keys.push(core.input.slice(at, at + length));
    at += length;
  }
  return keys;
}

/** All keys as `write` hands them over, batch by batch. */
function all(total: number, write: (from: number) => number): Uint8Array[] {
  const keys: Uint8Array[] = [];
  while (keys.length < total) {
    const count = write(keys.length);
    if (count === 0) throw new Error("A batch got no further");
    keys.push(...written(count));
  }
  return keys;
}

const ascii = fc.string({ unit: "binary-ascii", maxLength: coreKeyBytesMax });
const text = fc.string({ unit: "grapheme", maxLength: 300 });
const bytes = fc.uint8Array({ maxLength: coreKeyBytesMax });

describe("Keys of a batch", () => {
  test("go over as they are, whatever their kinds and lengths", () => {
    const mixed = fc.array(fc.oneof(ascii, text, bytes), { maxLength: 600, size: "max" });
    fc.assert(
      fc.property(fc.oneof(fc.array(ascii, { maxLength: 900, size: "max" }), mixed), (keys) => {
        const expected = keys.map(bytesOf);
        expect(all(keys.length, (from) => core.writeKeys(keys, from))).toEqual(expected);
        const ends = expected.map(
          (
            (sum) => (key: Uint8Array) =>
              (sum += key.length)
          )(0),
        );
        const packed = {
          count: keys.length,
          bytes: Buffer.concat(expected),
          start: (index: number) => (index === 0 ? 0 : ends[index - 1]),
        };
        expect(all(keys.length, (from) => core.writePackedKeys(packed, from))).toEqual(expected);
      }),
      { numRuns: 60 },
    );
  });

  test("are at most as many as a batch has rows", () => {
    const keys = Array.from({ length: rowsMax + 5 }, () => "");
    expect(core.writeKeys(keys, 0)).toBe(rowsMax);
    expect(core.writeKeys(keys, rowsMax)).toBe(5);
  });

  test("that are too long or ill-formed are refused where they stand", () => {
    const long = "x".repeat(coreKeyBytesMax + 1);
    expect(core.writeKeys(["a", long], 0)).toBe(1);
    expect(() => core.writeKeys(["a", long], 1)).toThrow(CairnError);
    expect(() => core.writeKeys(["a", "\ud800"], 0)).toThrow(/lone surrogate/);
    // As many units as bytes fit, and more bytes than that: not to be taken for ASCII.
    const wide = Array.from({ length: 300 }, () => `\u00e9${"y".repeat(coreKeyBytesMax - 2)}`);
    expect(all(wide.length, (from) => core.writeKeys(wide, from))).toEqual(wide.map(bytesOf));
  });
});
