import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import {
  readU256 as readView,
  U256,
  U256_MAX,
  writeU256 as writeView,
} from "../../bindings/u256.ts";
import { CairnError, type ErrorCode } from "../../src/errors.ts";
import { type Arithmetic, builds, coreModule, growBy, instantiate } from "../core/arithmetic.ts";
import { edges, readU256, u256, writeU256 } from "./values.ts";

const INPUT_BYTES = 512;

const columnOf = (values: readonly bigint[]): Uint8Array => {
  const column = new Uint8Array(values.length * 32);
  values.forEach((value, index) => {
    writeU256(column, index * 32, value);
  });
  return column;
};
const valuesOf = (column: Uint8Array): bigint[] =>
  Array.from({ length: column.length / 32 }, (_, index) => readU256(column, index * 32));

/** The value, or the code of the CairnError that is thrown. */
function outcome<T>(action: () => T): T | ErrorCode {
  try {
    return action();
  } catch (error) {
    if (error instanceof CairnError) return error.code;
    throw error;
  }
}

const fits = (value: bigint): bigint | ErrorCode =>
  value < 0n ? "underflow" : value > U256_MAX ? "overflow" : value;

describe.each(builds)("the U256 binding on the %s build", (build) => {
  let core: Arithmetic;
  let numbers: U256;

  beforeAll(() => {
    core = instantiate(coreModule(build));
    const address = growBy(core.memory, INPUT_BYTES);
    numbers = new U256({ ...core, inputAddress: () => address, inputBytes: () => INPUT_BYTES });
  });

  test("adds, subtracts, multiplies, divides and compares as BigInt, within the range", () => {
    fc.assert(
      fc.property(u256, u256, (a, b) => {
        expect(outcome(() => numbers.add(a, b))).toBe(fits(a + b));
        expect(outcome(() => numbers.subtract(a, b))).toBe(fits(a - b));
        expect(outcome(() => numbers.multiply(a, b))).toBe(fits(a * b));
        expect(outcome(() => numbers.divide(a, b))).toEqual(
          b === 0n ? "argument_invalid" : { quotient: a / b, remainder: a % b },
        );
        expect(numbers.compare(a, b)).toBe(a < b ? -1 : a === b ? 0 : 1);
      }),
      { numRuns: 1000 },
    );
  });

  test.each([-1n, U256_MAX + 1n, -(1n << 300n), 1n << 300n])("refuses the operand %i", (value) => {
    for (const action of [
      () => numbers.add(value, 1n),
      () => numbers.subtract(1n, value),
      () => numbers.multiply(value, 0n),
      () => numbers.divide(1n, value),
      () => numbers.compare(value, value),
      () => numbers.print(value),
    ]) {
      expect(outcome<unknown>(action)).toBe("argument_invalid");
    }
  });

  test("prints and parses both kinds of text", () => {
    fc.assert(
      fc.property(u256, (value) => {
        expect(numbers.print(value)).toBe(value.toString());
        expect(numbers.print(value, 16)).toBe(`0x${value.toString(16)}`);
        expect(numbers.parse(value.toString())).toBe(value);
        expect(numbers.parse(`0x${value.toString(16)}`)).toBe(value);
      }),
      { numRuns: 1000 },
    );
  });

  test.each(["", "0x", "-1", "1.5", "١", "1\u0130", "12\u{1F600}", "ff", "0X1", "0".repeat(417)])(
    "refuses the text %j",
    (text) => {
      expect(outcome(() => numbers.parse(text))).toBe("argument_invalid");
    },
  );

  test("parses as many leading zeros as there is room for, and reports an overflow", () => {
    expect(numbers.parse(`${"0".repeat(415)}7`)).toBe(7n);
    expect(outcome(() => numbers.parse((U256_MAX + 1n).toString()))).toBe("overflow");
    expect(outcome(() => numbers.parse(`0x${(U256_MAX + 1n).toString(16)}`))).toBe("overflow");
  });

  // 512 bytes hold 8 pairs, 5 transfers, 13 values of a sum: these columns take several rounds.
  const small = u256.map((value) => value >> 140n);
  const column = (values: fc.Arbitrary<bigint>): fc.Arbitrary<[bigint, bigint][]> =>
    fc.array(fc.tuple(values, values), { maxLength: 40 });
  const forms = ["addEach", "subtractEach", "multiplyEach"] as const;
  const operators = {
    addEach: (a: bigint, b: bigint) => a + b,
    subtractEach: (a: bigint, b: bigint) => a - b,
    multiplyEach: (a: bigint, b: bigint) => a * b,
  };

  test.each(forms)("%s works on columns of any length and names the element that fails", (form) => {
    fc.assert(
      fc.property(fc.oneof(column(small), column(u256)), (pairs) => {
        const left = columnOf(pairs.map(([a]) => a));
        const right = columnOf(pairs.map(([, b]) => b));
        const [leftBefore, rightBefore] = [left.slice(), right.slice()];
        const wanted = pairs.map(([a, b]) => fits(operators[form](a, b)));
        const failed = wanted.findIndex((value) => typeof value === "string");
        if (failed < 0) expect(valuesOf(numbers[form](left, right))).toEqual(wanted);
        else {
          expect(() => numbers[form](left, right)).toThrow(
            expect.objectContaining({ code: wanted[failed], details: { index: failed } }),
          );
        }
        expect([left, right]).toEqual([leftBefore, rightBefore]);
      }),
      { numRuns: 500 },
    );
  });

  test("sum adds a column of any length", () => {
    const values = fc.oneof(fc.array(small, { maxLength: 60 }), fc.array(u256, { maxLength: 60 }));
    fc.assert(
      fc.property(values, (elements) => {
        const total = elements.reduce((sum, value) => sum + value, 0n);
        expect(outcome(() => numbers.sum(columnOf(elements)))).toBe(fits(total));
      }),
      { numRuns: 500 },
    );
  });

  test("transferEach returns both columns changed, or names the element that fails", () => {
    const amounts = fc.oneof({ weight: 30, arbitrary: small.map((value) => value >> 100n) }, u256);
    const transfers = fc.array(fc.tuple(small, small, amounts), { maxLength: 30 });
    fc.assert(
      fc.property(transfers, (elements) => {
        const sources = columnOf(elements.map(([source]) => source));
        const targets = columnOf(elements.map(([, target]) => target));
        const moved = columnOf(elements.map(([, , amount]) => amount));
        const failed = elements.findIndex(([source, , amount]) => source < amount);
        if (failed >= 0) {
          expect(() => numbers.transferEach(sources, targets, moved)).toThrow(
            expect.objectContaining({ code: "underflow", details: { index: failed } }),
          );
          return;
        }
        const after = numbers.transferEach(sources, targets, moved);
        expect(valuesOf(after.sources)).toEqual(elements.map(([a, , amount]) => a - amount));
        expect(valuesOf(after.targets)).toEqual(elements.map(([, b, amount]) => b + amount));
      }),
      { numRuns: 500 },
    );
  });

  test("works in the input area of the core itself", () => {
    const inCore = new U256(core);
    const count = Math.ceil((2 * core.inputBytes()) / 32) + 1;
    const values = Array.from({ length: count }, (_, index) => BigInt(index) << 200n);
    const doubled = valuesOf(inCore.addEach(columnOf(values), columnOf(values)));
    expect(doubled).toEqual(values.map((value) => 2n * value));
    expect(inCore.sum(columnOf(values))).toBe(BigInt((count * (count - 1)) / 2) << 200n);
  });

  test("refuses columns that are no multiple of 32 bytes or differ in length", () => {
    const three = new Uint8Array(96);
    for (const wrong of [new Uint8Array(95), new Uint8Array(64), new Uint8Array(97)]) {
      expect(outcome(() => numbers.addEach(three, wrong))).toBe("argument_invalid");
      expect(outcome(() => numbers.transferEach(three, three, wrong))).toBe("argument_invalid");
    }
    expect(outcome(() => numbers.sum(new Uint8Array(33)))).toBe("argument_invalid");
  });

  test("goes on after the memory has grown", () => {
    growBy(core.memory, 65_536);
    expect(numbers.add(1n, 2n)).toBe(3n);
    growBy(core.memory, 65_536);
    expect(numbers.sum(columnOf([1n, 2n]))).toBe(3n);
    growBy(core.memory, 65_536);
    expect(valuesOf(numbers.addEach(columnOf([1n]), columnOf([2n])))).toEqual([3n]);
  });
});

test("readU256 and writeU256 keep 32 bytes, least significant first, at any offset", () => {
  const bytes = new Uint8Array(41).fill(0xaa);
  const view = new DataView(bytes.buffer);
  const check = (value: bigint): void => {
    writeView(view, 5, value);
    expect(readView(view, 5)).toBe(value);
    expect(readU256(bytes, 5)).toBe(value);
    expect([bytes[4], bytes[37]]).toEqual([0xaa, 0xaa]);
  };
  edges.forEach(check);
  fc.assert(fc.property(u256, check));
});
