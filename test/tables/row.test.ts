/** Goal: rows come back as they were written, whole or by the column, whatever layout they have. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { RowCodec, type RowColumn } from "../../src/tables/row.ts";
import { type ColumnType, cellBytesMax, checkerOf } from "../../src/tables/types.ts";
import "../seed.ts";

const longText = "long ✓ ".repeat(2_000);
const values: Readonly<Record<ColumnType, fc.Arbitrary<unknown>>> = {
  u8: fc.nat(255),
  boolean: fc.boolean(),
  u64: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  i64: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  integer: fc.oneof(fc.maxSafeInteger(), fc.constantFrom(-1, 2 ** 32, -(2 ** 32), -(2 ** 53) + 1)),
  float: fc.double({ noNaN: true, noDefaultInfinity: true }),
  u256: fc.bigInt({ min: 0n, max: 2n ** 256n - 1n }),
  i256: fc.bigInt({ min: -(2n ** 255n), max: 2n ** 255n - 1n }),
  timestamp: fc.date({ noInvalidDate: true }),
  text: fc.oneof(fc.string({ unit: "grapheme" }), fc.constantFrom("", longText)),
  blob: fc.uint8Array({ maxLength: 300 }),
  // The null of JSON is the null of the column.
  json: fc
    .jsonValue({ maxDepth: 2 })
    .map((value) => JSON.parse(JSON.stringify(value)))
    .filter((value) => value !== null),
  vector: fc
    .array(fc.float({ noNaN: true, noDefaultInfinity: true }), { minLength: 3, maxLength: 3 })
    .map((numbers) => new Float32Array(numbers)),
};

const columnArbitrary = fc.record({
  type: fc.constantFrom(...(Object.keys(values) as ColumnType[])),
  isNullable: fc.boolean(),
});

const tableArbitrary = fc
  .array(columnArbitrary, { minLength: 1, maxLength: 12 })
  .map((columns) =>
    columns.map(
      (column, index): RowColumn => ({
        ...column,
        ...(column.type === "vector" ? { dimensions: 3 } : {}),
        id: index + 1,
        name: `c${index}`,
        missing: null,
      }),
    ),
  )
  .chain((columns) =>
    fc.tuple(
      fc.constant(columns),
      fc.tuple(
        ...columns.map(({ type, isNullable }) =>
          isNullable ? fc.option(values[type], { nil: null }) : values[type],
        ),
      ),
    ),
  );

const checked = (columns: readonly RowColumn[], row: readonly unknown[]): unknown[] =>
  row.map((value, index) =>
    value === null ? null : checkerOf(columns[index], columns[index].name)(value),
  );

test("rows come back as they were written", () => {
  fc.assert(
    fc.property(tableArbitrary, fc.nat(9), ([columns, row], shift) => {
      const codec = new RowCodec(columns, [{ version: 7, columns }]);
      const bytes = codec.encode(checked(columns, row)).slice();
      // Rows lie anywhere in memory.
      const memory = new Uint8Array(bytes.length + shift + 3);
      memory.set(bytes, shift);
      const expected = Object.fromEntries(row.map((value, index) => [`c${index}`, value]));
      expect(codec.decodeRow(memory, shift, bytes.length, 0, 0)).toEqual(expected);
      row.forEach((value, index) => {
        expect(codec.reader(index)(memory, shift)).toEqual(value);
      });
      const values = codec.decodeValues(memory, shift, bytes.length, 0, 0);
      expect(codec.encode(values)).toEqual(bytes);
      expect(codec.rowOf(values)).toEqual(expected);
    }),
    { numRuns: 400 },
  );
});

test("fixed columns lie at the same place in every row", () => {
  const columns: RowColumn[] = (["text", "integer", "u256", "float", "json"] as const).map(
    (type, index) => ({ type, id: index + 1, name: type, isNullable: true, missing: null }),
  );
  const codec = new RowCodec(columns, [{ version: 1, columns }]);
  expect(columns.map((_column, index) => codec.fixedPlace(index))).toEqual([
    undefined,
    { offset: 3, bit: 1 },
    { offset: 11, bit: 2 },
    { offset: 43, bit: 3 },
    undefined,
  ]);
  const bytes = codec.encode(["abc", -2, 1n, 0.5, null]);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  expect(view.getUint16(0, true)).toBe(1);
  expect(bytes[2]).toBe(0b10000);
  expect(view.getBigInt64(3, true)).toBe(-2n);
  expect(view.getFloat64(43, true)).toBe(0.5);
  expect([view.getUint32(51, true), view.getUint32(55, true)]).toEqual([62, 62]);
  expect(bytes.subarray(59)).toEqual(new Uint8Array([97, 98, 99]));
});

test("rows of an older layout read what was added as its default, and not what is gone", () => {
  const column = (id: number, type: ColumnType, missing: unknown = null): RowColumn => {
    return { id, name: `c${id}`, type, isNullable: true, missing };
  };
  const first = [column(1, "text"), column(2, "integer"), column(3, "text")];
  const old = new RowCodec(first, [{ version: 1, columns: first }]);
  const bytes = old.encode(["a", 5, "c"]).slice();
  const second = [column(3, "text"), column(4, "u64", 9n), column(1, "text")];
  const layouts = [
    { version: 1, columns: first },
    { version: 2, columns: second },
  ];
  const codec = new RowCodec(second, layouts);
  expect(codec.decodeRow(bytes, 0, bytes.length, 0, 0)).toEqual({ c3: "c", c4: 9n, c1: "a" });
  expect(codec.reader(1)(bytes, 0)).toBe(9n);
  expect(() => old.decodeRow(codec.encode(["x", 1n, "y"]), 0, 0, 0, 0)).toThrow(/layout 2/);
});

test("cells that are too large or not well-formed are refused", () => {
  const columns: RowColumn[] = [
    { id: 1, name: "note", type: "text", isNullable: true, missing: null },
  ];
  const codec = new RowCodec(columns, [{ version: 1, columns }]);
  expect(() => codec.encode(["é".repeat(cellBytesMax / 2 + 1)])).toThrow(/at most/);
  expect(() => codec.encode(["\ud800"])).toThrow(/surrogate/);
  expect(codec.encode(["x".repeat(cellBytesMax)]).length).toBeGreaterThan(cellBytesMax);
});
