import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { type Arithmetic, builds, coreModule, growBy, instantiate } from "../core/arithmetic.ts";
import { edges, MAX, nearProductLimit, readU256, u256, writeU256 } from "./values.ts";

const OVERFLOW = -20;
const UNDERFLOW = -21;
const DIVIDE_BY_ZERO = -22;
const UNTOUCHED = 0x5555n;
const runs = { numRuns: 3000 };

/** What an operation should do: a value, or the code and no change. */
type Expected = (left: bigint, right: bigint) => bigint | number;
type Operation = "u256Add" | "u256Subtract" | "u256Multiply" | "u256Divide" | "u256Remainder";

const operations: readonly (readonly [Operation, Expected])[] = [
  ["u256Add", (left, right) => (left + right > MAX ? OVERFLOW : left + right)],
  ["u256Subtract", (left, right) => (left < right ? UNDERFLOW : left - right)],
  ["u256Multiply", (left, right) => (left * right > MAX ? OVERFLOW : left * right)],
  ["u256Divide", (left, right) => (right === 0n ? DIVIDE_BY_ZERO : left / right)],
  ["u256Remainder", (left, right) => (right === 0n ? DIVIDE_BY_ZERO : left % right)],
];

describe.each(builds)("u256 in the %s build", (build) => {
  let core: Arithmetic;
  let memory: Uint8Array;
  let left: number;
  let right: number;
  let out: number;
  let other: number;

  beforeAll(() => {
    core = instantiate(coreModule(build));
    // An odd address: operands lie in rows, at any alignment.
    left = growBy(core.memory, 65_536) + 3;
    right = left + 32;
    out = right + 32;
    other = out + 32;
    memory = new Uint8Array(core.memory.buffer);
  });

  const put = (address: number, value: bigint): void => writeU256(memory, address, value);
  const get = (address: number): bigint => readU256(memory, address);

  describe.each(operations)("%s", (name, expected) => {
    const check = (a: bigint, b: bigint): void => {
      const want = expected(a, b);
      put(left, a);
      put(right, b);
      put(out, UNTOUCHED);
      put(other, MAX);
      const status = core[name](left, right, out);
      expect([status, get(out)]).toEqual(typeof want === "number" ? [want, UNTOUCHED] : [0, want]);
      expect([get(left), get(right), get(other)]).toEqual([a, b, MAX]);
    };

    test("agrees with BigInt on every pair of edge values", () => {
      for (const a of edges) for (const b of edges) check(a, b);
    });

    test("agrees with BigInt on random values", () => {
      fc.assert(fc.property(u256, u256, check), runs);
    });

    test("agrees with BigInt next to the limit of a product", () => {
      fc.assert(
        fc.property(nearProductLimit, ([a, b]) => {
          check(a, b);
          check(b, a);
        }),
        runs,
      );
    });

    test("may write its result over an operand, and leaves both when it fails", () => {
      fc.assert(
        fc.property(u256, u256, (a, b) => {
          for (const target of [left, right]) {
            put(left, a);
            put(right, b);
            const want = expected(a, b);
            const status = core[name](left, right, target);
            const kept = target === left ? get(right) : get(left);
            expect(kept).toBe(target === left ? b : a);
            if (typeof want === "bigint") expect([status, get(target)]).toEqual([0, want]);
            else expect([status, get(target)]).toEqual([want, target === left ? a : b]);
          }
        }),
        runs,
      );
    });

    test("takes one address for both operands and the result", () => {
      fc.assert(
        fc.property(u256, (a) => {
          put(left, a);
          const want = expected(a, a);
          const status = core[name](left, left, left);
          expect([status, get(left)]).toEqual(typeof want === "number" ? [want, a] : [0, want]);
        }),
      );
    });
  });

  test("division gives quotient and remainder at once, also over its operands", () => {
    fc.assert(
      fc.property(u256, u256, fc.boolean(), (a, b, inPlace) => {
        const [quotient, remainder] = inPlace ? [right, left] : [out, other];
        put(left, a);
        put(right, b);
        const status = core.u256DivideRemainder(left, right, quotient, remainder);
        if (b === 0n) expect(status).toBe(DIVIDE_BY_ZERO);
        else expect([status, get(quotient), get(remainder)]).toEqual([0, a / b, a % b]);
      }),
      runs,
    );
  });

  test("division is exact where the first guess of a digit is one too many", () => {
    // Dividends just below a multiple of a divisor with long runs of ones need the correction.
    fc.assert(
      fc.property(u256, u256, fc.bigInt({ min: 0n, max: 3n }), (b, factor, less) => {
        fc.pre(b > 0n);
        const product = b * (factor % (MAX / b + 1n));
        const a = product > less ? product - less : product;
        put(left, a);
        put(right, b);
        const status = core.u256DivideRemainder(left, right, out, other);
        expect([status, get(out), get(other)]).toEqual([0, a / b, a % b]);
      }),
      runs,
    );
  });

  test("compares as BigInt does", () => {
    const check = (a: bigint, b: bigint): void => {
      put(left, a);
      put(right, b);
      expect(core.u256Compare(left, right)).toBe(a < b ? 0 : a === b ? 1 : 2);
    };
    for (const a of edges) for (const b of edges) check(a, b);
    fc.assert(fc.property(u256, u256, check), runs);
  });

  describe("u256Transfer", () => {
    test("moves an amount, or changes neither side", () => {
      fc.assert(
        fc.property(u256, u256, u256, (source, target, amount) => {
          put(left, source);
          put(right, target);
          put(out, amount);
          const status = core.u256Transfer(left, right, out);
          const after = [status, get(left), get(right), get(out)];
          if (source < amount) expect(after).toEqual([UNDERFLOW, source, target, amount]);
          else if (target + amount > MAX) expect(after).toEqual([OVERFLOW, source, target, amount]);
          else expect(after).toEqual([0, source - amount, target + amount, amount]);
        }),
        runs,
      );
    });

    test("to itself creates nothing, and needs the amount", () => {
      fc.assert(
        fc.property(u256, u256, (balance, amount) => {
          put(left, balance);
          put(out, amount);
          const status = core.u256Transfer(left, left, out);
          expect([status, get(left)]).toEqual([balance < amount ? UNDERFLOW : 0, balance]);
        }),
        runs,
      );
    });

    test("takes one of the balances as the amount", () => {
      fc.assert(
        fc.property(u256, u256, (source, target) => {
          put(left, source);
          put(right, target);
          if (core.u256Transfer(left, right, left) === 0) {
            expect([get(left), get(right)]).toEqual([0n, source + target]);
          } else expect(source + target).toBeGreaterThan(MAX);
          put(left, source);
          put(right, target);
          const status = core.u256Transfer(left, right, right);
          if (status === 0) expect([get(left), get(right)]).toEqual([source - target, target * 2n]);
          else expect(status).toBe(source < target ? UNDERFLOW : OVERFLOW);
        }),
        runs,
      );
    });
  });
});
