import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { effectOp, readEffects } from "../../../src/engine/log/effect.ts";
import { EffectBuffer } from "../../../src/engine/log/effect-buffer.ts";
import { CairnError } from "../../../src/errors.ts";

const bytesArbitrary = (maxLength: number): fc.Arbitrary<Uint8Array> =>
  fc.uint8Array({ maxLength });
const wellFormed = fc.string({ unit: "binary", maxLength: 90 });
const keyArbitrary = fc.oneof(bytesArbitrary(40), wellFormed, fc.string({ maxLength: 60 }));
const treeArbitrary = fc.integer({ min: 0, max: 0xffffffff });

type Call =
  | { op: "put"; key: Uint8Array | string; value: Uint8Array; expiresAt: number | undefined }
  | { op: "delete"; key: Uint8Array | string }
  | { op: "deleteRange"; key: Uint8Array | string; high: Uint8Array | string | undefined }
  | { op: "createTree"; value: Uint8Array }
  | { op: "clear" | "dropTree" };

const callArbitrary: fc.Arbitrary<[number, Call]> = fc.tuple(
  treeArbitrary,
  fc.oneof(
    fc.record({
      op: fc.constant("put" as const),
      key: keyArbitrary,
      value: bytesArbitrary(300),
      expiresAt: fc.option(fc.maxSafeNat(), { nil: undefined }),
    }),
    fc.record({ op: fc.constant("delete" as const), key: keyArbitrary }),
    fc.record({
      op: fc.constant("deleteRange" as const),
      key: keyArbitrary,
      high: fc.option(keyArbitrary, { nil: undefined }),
    }),
    fc.record({ op: fc.constant("createTree" as const), value: bytesArbitrary(50) }),
    fc.record({ op: fc.constantFrom("clear" as const, "dropTree" as const) }),
  ),
);

function run(buffer: EffectBuffer, [tree, call]: [number, Call]): void {
  if (call.op === "put") buffer.put(tree, call.key, call.value, call.expiresAt);
  else if (call.op === "delete") buffer.delete(tree, call.key);
  else if (call.op === "deleteRange") buffer.deleteRange(tree, call.key, call.high);
  else if (call.op === "createTree") buffer.createTree(tree, call.value);
  else buffer[call.op](tree);
}

const hexOf = (bytes: Uint8Array | string): string => Buffer.from(bytes).toString("hex");

/** The bytes of an effect, put together from the layout in the head of effect.ts. */
function layoutOf([tree, call]: [number, Call]): string {
  const key = "key" in call ? Buffer.from(call.key) : Buffer.alloc(0);
  const written = "value" in call ? call.value : "high" in call ? (call.high ?? "") : "";
  const value = Buffer.from(written);
  const expiresAt = "expiresAt" in call ? call.expiresAt : undefined;
  const header = Buffer.alloc(expiresAt === undefined ? 16 : 24);
  header[0] = effectOp[call.op];
  header[1] = expiresAt === undefined ? 0 : 1;
  header.writeUInt16LE(key.length, 2);
  header.writeUInt32LE(tree, 4);
  header.writeUInt32LE(value.length, 8);
  if (expiresAt !== undefined) header.writeDoubleLE(expiresAt, 16);
  return hexOf(Buffer.concat([header, key, value]));
}

function codeOf(call: () => unknown): string {
  try {
    call();
  } catch (error) {
    if (error instanceof CairnError) return error.code;
    throw error;
  }
  return "none";
}

describe("effects", () => {
  test("have the documented bytes, and are read as they were given", () => {
    fc.assert(
      fc.property(fc.array(callArbitrary, { maxLength: 30 }), (calls) => {
        const buffer = new EffectBuffer({ keyBytesMax: 1024, capacityBytes: 1 });
        for (const call of calls) run(buffer, call);
        expect(hexOf(buffer.bytes)).toBe(calls.map(layoutOf).join(""));
        expect(buffer.count).toBe(calls.length);
        const read = [...readEffects(buffer.bytes)];
        expect(read.map((effect) => [effect.tree, effect.op])).toEqual(
          calls.map(([tree, call]) => [tree, effectOp[call.op]]),
        );
        for (const [i, effect] of read.entries()) {
          const [, call] = calls[i];
          expect(hexOf(effect.key)).toBe("key" in call ? hexOf(call.key) : "");
          expect(effect.expiresAt).toBe("expiresAt" in call ? call.expiresAt : undefined);
        }
      }),
    );
  });

  test("survive the reuse of the buffer, and a cut back to a mark", () => {
    const buffer = new EffectBuffer({ keyBytesMax: 64 });
    buffer.put(1, "a", Uint8Array.of(1));
    const before = hexOf(buffer.bytes);
    const mark = buffer.mark();
    buffer.put(2, "b".repeat(60), new Uint8Array(10_000).fill(7), 5);
    buffer.cutBack(mark);
    expect([hexOf(buffer.bytes), buffer.count]).toEqual([before, 1]);
    buffer.reset(16);
    expect([buffer.length, buffer.count]).toEqual([0, 0]);
    buffer.put(1, "a", Uint8Array.of(1));
    expect(hexOf(buffer.bytes)).toBe(before);
  });

  test.each([
    ["key_too_large", "a".repeat(1025)],
    ["key_too_large", "é".repeat(513)],
    ["key_too_large", new Uint8Array(1025)],
    ["key_invalid", "a\ud800"],
    ["key_invalid", `${"x".repeat(100)}\udc00`],
    ["none", "é".repeat(512)],
    ["none", "\ud83d\ude00"],
  ])("with a bad key are refused as %s and leave the buffer as it was", (code, key) => {
    const buffer = new EffectBuffer({ keyBytesMax: 1024 });
    buffer.put(1, "before", Uint8Array.of(1));
    const before = hexOf(buffer.bytes);
    const { length } = buffer;
    expect(codeOf(() => buffer.put(1, key, Uint8Array.of(2)))).toBe(code);
    expect(codeOf(() => buffer.delete(1, key))).toBe(code);
    expect(codeOf(() => buffer.deleteRange(1, key))).toBe(code);
    expect(codeOf(() => buffer.deleteRange(1, "", key))).toBe(code);
    expect(hexOf(buffer.bytes.subarray(0, length))).toBe(before);
    expect(buffer.count).toBe(code === "none" ? 5 : 1);
  });

  test("beyond the limit are refused, and smaller ones still fit", () => {
    const buffer = new EffectBuffer({ keyBytesMax: 16, bytesMax: 100 });
    expect(codeOf(() => buffer.put(1, "k", new Uint8Array(84)))).toBe("transaction_too_large");
    buffer.put(1, "k", new Uint8Array(83));
    expect(buffer.length).toBe(100);
    expect(codeOf(() => buffer.clear(1))).toBe("transaction_too_large");
  });

  test.each([-1, 0.5, Number.NaN, 2 ** 53])("with the expiry %d are refused", (expiresAt) => {
    const buffer = new EffectBuffer({ keyBytesMax: 16 });
    expect(codeOf(() => buffer.put(1, "k", new Uint8Array(1), expiresAt))).toBe("invariant_broken");
    expect(buffer.length).toBe(0);
  });
});

describe("malformed effects are refused", () => {
  const sample = new EffectBuffer({ keyBytesMax: 64 });
  sample.put(1, "key", Uint8Array.of(1, 2, 3), 77);

  function changed(change: (view: DataView) => void): Uint8Array {
    const bytes = sample.bytes.slice();
    change(new DataView(bytes.buffer));
    return bytes;
  }

  test.each<[string, (view: DataView) => void]>([
    ["an unknown op", (view) => view.setUint16(0, 7, true)],
    ["op 0", (view) => view.setUint16(0, 0, true)],
    ["an unknown flag", (view) => view.setUint8(1, 3)],
    ["a reserved field", (view) => view.setUint8(15, 1)],
    ["a key beyond the end", (view) => view.setUint16(2, 7, true)],
    ["a value beyond the end", (view) => view.setUint32(8, 0xffffffff, true)],
    ["an expiry that is no number", (view) => view.setFloat64(16, Number.NaN, true)],
    ["an expiry on a delete", (view) => view.setUint8(0, effectOp.delete)],
    ["a clear with a key", (view) => view.setUint16(0, effectOp.clear, true)],
    ["a createTree with a key", (view) => view.setUint16(0, effectOp.createTree, true)],
    ["a dropTree with a value", (view) => view.setUint16(0, effectOp.dropTree, true)],
    ["a delete with a value", (view) => view.setUint16(0, effectOp.delete, true)],
  ])("%s", (_, change) => {
    expect(codeOf(() => [...readEffects(changed(change))])).toBe("log_corrupt");
  });

  test("each cut", () => {
    for (let length = 1; length < sample.length; length++) {
      expect(codeOf(() => [...readEffects(sample.bytes.subarray(0, length))])).toBe("log_corrupt");
    }
  });

  test("any bytes are read or refused, and what is read is what lies there", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
        let read = 0;
        const code = codeOf(() => {
          for (const { key, value, expiresAt } of readEffects(bytes)) {
            read += 16 + key.length + value.length + (expiresAt === undefined ? 0 : 8);
          }
        });
        expect(code === "none" ? read : code).toBe(code === "none" ? bytes.length : "log_corrupt");
      }),
    );
  });
});
