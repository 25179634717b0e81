/**
 * Goal: the order of encoded keys is the order of values, null first, and keys say their values.
 * Oracle: BigInt and number operators, and Buffer.compare over UTF-8.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { afterPrefix, KeyCodec, type KeyPart } from "../../src/tables/key.ts";
import type { ColumnType } from "../../src/tables/types.ts";
import "../seed.ts";

type Order = (left: unknown, right: unknown) => number;

const byOperator: Order = (left, right) =>
  (left as number) < (right as number) ? -1 : Number((left as number) > (right as number));
const byBytes: Order = (left, right) =>
  Buffer.compare(Buffer.from(left as string), Buffer.from(right as string));

const whole = (low: bigint, high: bigint): fc.Arbitrary<bigint> =>
  fc.oneof(
    fc.bigInt({ min: low, max: high }),
    fc.constantFrom(low, low + 1n, high, high - 1n, ...(low < 0n ? [-1n] : []), 0n, 1n, 255n, 256n),
  );
const text = fc.oneof(
  fc.string({ unit: "binary", maxLength: 6 }),
  fc.constantFrom("", "\0", "a", "a\0", "a\0b", "ab", "\uffff", "😀", "\ue000", "é"),
);

const types: Readonly<Partial<Record<ColumnType, [fc.Arbitrary<unknown>, Order]>>> = {
  u8: [fc.nat(255), byOperator],
  boolean: [fc.boolean(), byOperator],
  u64: [whole(0n, 2n ** 64n - 1n), byOperator],
  i64: [whole(-(2n ** 63n), 2n ** 63n - 1n), byOperator],
  integer: [
    fc.oneof(fc.maxSafeInteger(), fc.constantFrom(0, -1, 2 ** 32, -(2 ** 32), 2 ** 53 - 1)),
    byOperator,
  ],
  float: [fc.double({ noNaN: true, noDefaultInfinity: true }).map((x) => x + 0), byOperator],
  u256: [whole(0n, 2n ** 256n - 1n), byOperator],
  i256: [whole(-(2n ** 255n), 2n ** 255n - 1n), byOperator],
  timestamp: [fc.date({ noInvalidDate: true }), byOperator],
  text: [text, byBytes],
  blob: [fc.uint8Array({ maxLength: 5 }), byBytes],
};

const orderOf = (part: KeyPart): Order => {
  const [, order] = types[part.type] as [unknown, Order];
  return (left, right) => {
    if (left === null || right === null) return Number(left !== null) - Number(right !== null);
    return order(left, right);
  };
};

const partArbitrary: fc.Arbitrary<KeyPart> = fc.record({
  type: fc.constantFrom(...(Object.keys(types) as ColumnType[])),
  hasMark: fc.boolean(),
  isRaw: fc.constant(false),
});

const partsArbitrary = fc
  .tuple(fc.array(partArbitrary, { minLength: 1, maxLength: 3 }), fc.boolean())
  .map(([parts, isRaw]) =>
    parts.map((part, index) => {
      const canBeRaw = part.type === "text" || part.type === "blob";
      return { ...part, isRaw: isRaw && canBeRaw && index === parts.length - 1 };
    }),
  );

const valuesOf = (parts: readonly KeyPart[]): fc.Arbitrary<unknown[]> =>
  fc.tuple(
    ...parts.map(({ type, hasMark }) => {
      const [values] = types[type] as [fc.Arbitrary<unknown>, Order];
      return hasMark ? fc.option(values, { nil: null, freq: 4 }) : values;
    }),
  );

const casesArbitrary = partsArbitrary.chain((parts) =>
  fc.tuple(fc.constant(parts), valuesOf(parts), valuesOf(parts)),
);

const positions = [0, 1, 2];

describe("keys", () => {
  test("come in the order of their values", () => {
    fc.assert(
      fc.property(casesArbitrary, ([parts, left, right]) => {
        const codec = new KeyCodec(parts);
        const at = positions.slice(0, parts.length);
        const first = codec.encode(left, at).slice();
        const second = codec.encode(right, at).slice();
        const orders = parts.map((part, index) => orderOf(part)(left[index], right[index]));
        const expected = orders.find((order) => order !== 0) ?? 0;
        expect(Math.sign(Buffer.compare(first, second))).toBe(Math.sign(expected));
      }),
      { numRuns: 5_000 },
    );
  });

  test("say their values, and where they end", () => {
    fc.assert(
      fc.property(casesArbitrary, ([parts, values]) => {
        const codec = new KeyCodec(parts);
        const at = positions.slice(0, parts.length);
        const key = codec.encode(values, at).slice();
        expect(codec.decode(key)).toEqual(values);
        if (parts.some(({ isRaw }) => isRaw)) return;
        const longer = codec.encode(values, at, new Uint8Array([0, 255])).slice();
        expect(codec.skip(longer, 0)).toBe(key.length);
        expect(longer.subarray(0, key.length)).toEqual(key);
      }),
      { numRuns: 2_000 },
    );
  });

  test("with a prefix end before the key behind it, and no other does", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 1, maxLength: 4 }),
        fc.uint8Array({ maxLength: 6 }),
        (prefix, key) => {
          const end = afterPrefix(prefix);
          const begins = Buffer.from(key).subarray(0, prefix.length).equals(prefix);
          const isWithin =
            Buffer.compare(key, prefix) >= 0 && (end === undefined || Buffer.compare(key, end) < 0);
          expect(isWithin).toBe(begins);
        },
      ),
      { numRuns: 2_000 },
    );
  });

  test("are refused when they are too long", () => {
    const codec = new KeyCodec([{ type: "text", hasMark: false, isRaw: false }]);
    for (const value of ["x".repeat(1_025), "\0".repeat(600), "é".repeat(600)]) {
      expect(() => codec.encode([value], [0])).toThrow(/at most 1024/);
    }
    expect(codec.encode(["x".repeat(1_022)], [0])).toHaveLength(1_024);
    expect(() => codec.encode(["\ud800"], [0])).toThrow(/surrogate/);
  });
});
