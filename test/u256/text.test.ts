import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { type Arithmetic, builds, coreModule, growBy, instantiate } from "../core/arithmetic.ts";
import { edges, MAX, readU256, u256, writeU256 } from "./values.ts";

const OVERFLOW = -20;
const TEXT_INVALID = -23;
const UNTOUCHED = 0x5555n;
const runs = { numRuns: 3000 };

describe.each(builds)("u256 text in the %s build", (build) => {
  let core: Arithmetic;
  let memory: Uint8Array;
  let value: number;
  let text: number;

  beforeAll(() => {
    core = instantiate(coreModule(build));
    value = growBy(core.memory, 65_536) + 1;
    text = value + 37;
    memory = new Uint8Array(core.memory.buffer);
  });

  const print = (how: "u256PrintDecimal" | "u256PrintHex", number: bigint): string => {
    writeU256(memory, value, number);
    memory.fill(0xee, text, text + 100);
    const length = core[how](value, text);
    expect(memory.subarray(text + length, text + 100).every((byte) => byte === 0xee)).toBe(true);
    return Buffer.from(memory.subarray(text, text + length)).toString("latin1");
  };

  const parse = (how: "u256ParseDecimal" | "u256ParseHex", written: string): bigint | number => {
    writeU256(memory, value, UNTOUCHED);
    const bytes = Buffer.from(written, "latin1");
    memory.set(bytes, text);
    // What follows the text must not count, even where it would fit.
    memory[text + bytes.length] = 0x39;
    const status = core[how](text, bytes.length, value);
    const result = readU256(memory, value);
    if (status === 0) return result;
    expect(result).toBe(UNTOUCHED);
    return status;
  };

  test("prints decimal text as BigInt does", () => {
    for (const number of edges) expect(print("u256PrintDecimal", number)).toBe(number.toString());
    fc.assert(
      fc.property(u256, (number) => {
        expect(print("u256PrintDecimal", number)).toBe(number.toString());
      }),
      runs,
    );
  });

  test("prints every power of ten and its predecessor", () => {
    for (let power = 1n; power <= MAX; power *= 10n) {
      expect(print("u256PrintDecimal", power)).toBe(power.toString());
      expect(print("u256PrintDecimal", power - 1n)).toBe((power - 1n).toString());
      expect(parse("u256ParseDecimal", power.toString())).toBe(power);
      expect(parse("u256ParseDecimal", (power - 1n).toString())).toBe(power - 1n);
    }
  });

  test("prints hexadecimal text as BigInt does, behind 0x", () => {
    for (const number of edges) {
      expect(print("u256PrintHex", number)).toBe(`0x${number.toString(16)}`);
    }
    fc.assert(
      fc.property(u256, (number) => {
        expect(print("u256PrintHex", number)).toBe(`0x${number.toString(16)}`);
      }),
      runs,
    );
  });

  test("parses decimal text, with leading zeros at any length", () => {
    fc.assert(
      fc.property(u256, fc.nat(120), (number, zeros) => {
        expect(parse("u256ParseDecimal", "0".repeat(zeros) + number.toString())).toBe(number);
      }),
      runs,
    );
  });

  test("parses hexadecimal text of either case, with and without 0x and leading zeros", () => {
    const style = fc.record({ zeros: fc.nat(120), prefix: fc.boolean(), upper: fc.boolean() });
    fc.assert(
      fc.property(u256, style, (number, { zeros, prefix, upper }) => {
        const digits = "0".repeat(zeros) + number.toString(16);
        const written = (prefix ? "0x" : "") + (upper ? digits.toUpperCase() : digits);
        expect(parse("u256ParseHex", written)).toBe(number);
      }),
      runs,
    );
  });

  test("calls values above 2^256 - 1 an overflow", () => {
    const tooLarge = fc.oneof(
      fc.bigInt({ min: MAX + 1n, max: MAX + 1000n }),
      fc.bigInt({ min: MAX + 1n, max: 10n ** 78n - 1n }),
      fc.bigInt({ min: MAX + 1n, max: 1n << 400n }),
    );
    fc.assert(
      fc.property(tooLarge, (number) => {
        expect(parse("u256ParseDecimal", number.toString())).toBe(OVERFLOW);
        expect(parse("u256ParseHex", number.toString(16))).toBe(OVERFLOW);
      }),
      runs,
    );
    for (let shift = 256n; shift < 300n; shift++) {
      expect(parse("u256ParseDecimal", (1n << shift).toString())).toBe(OVERFLOW);
    }
  });

  test("refuses every byte that is no digit, at every place", () => {
    for (let byte = 0; byte < 256; byte++) {
      const character = String.fromCharCode(byte);
      const decimal = /[0-9]/.test(character);
      const hexadecimal = /[0-9a-fA-F]/.test(character);
      for (const [before, after] of [
        ["", ""],
        ["12", ""],
        ["", "34"],
        ["1234567890", "1"],
      ]) {
        const written = before + character + after;
        expect(parse("u256ParseDecimal", written)).toBe(decimal ? BigInt(written) : TEXT_INVALID);
        expect(parse("u256ParseHex", written)).toBe(
          hexadecimal ? BigInt(`0x${written}`) : TEXT_INVALID,
        );
      }
    }
  });

  test.each(["", "-1", "+1", " 1", "1 ", "1_000", "1e3", "1.0", "0x", "0x1"])(
    "refuses %j as decimal text",
    (written) => {
      expect(parse("u256ParseDecimal", written)).toBe(TEXT_INVALID);
    },
  );

  test.each(["", "0x", "x1", "0X1", "0x0x1", "-0x1", "0x 1", "g", "00x1"])(
    "refuses %j as hexadecimal text",
    (written) => {
      expect(parse("u256ParseHex", written)).toBe(TEXT_INVALID);
    },
  );

  test("calls a long text with a wrong character invalid, not too large", () => {
    expect(parse("u256ParseDecimal", `${"9".repeat(200)}x`)).toBe(TEXT_INVALID);
    expect(parse("u256ParseHex", `${"f".repeat(200)}x`)).toBe(TEXT_INVALID);
  });
});
