import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { type Arithmetic, builds, coreModule, growBy, instantiate } from "../core/arithmetic.ts";
import { MAX, readU256, u256, writeU256 } from "./values.ts";

const OVERFLOW = -20;
const UNDERFLOW = -21;
const COUNT_MAX = 40;
const COLUMN_BYTES = COUNT_MAX * 32;
const runs = { numRuns: 1500 };

type Expected = (left: bigint, right: bigint) => bigint | number;
type Batch = "u256AddEach" | "u256SubtractEach" | "u256MultiplyEach";

const batches: readonly (readonly [Batch, Expected])[] = [
  ["u256AddEach", (left, right) => (left + right > MAX ? OVERFLOW : left + right)],
  ["u256SubtractEach", (left, right) => (left < right ? UNDERFLOW : left - right)],
  ["u256MultiplyEach", (left, right) => (left * right > MAX ? OVERFLOW : left * right)],
];

/** Values that seldom fail together, so that batches get past their first element. */
const small = u256.map((value) => value >> 129n);
const pairs = fc.array(
  fc.oneof({ weight: 9, arbitrary: fc.tuple(small, small) }, fc.tuple(u256, u256)),
  {
    maxLength: COUNT_MAX,
  },
);

describe.each(builds)("u256 batches in the %s build", (build) => {
  let core: Arithmetic;
  let memory: Uint8Array;
  let first: number;
  let second: number;
  let third: number;

  beforeAll(() => {
    core = instantiate(coreModule(build));
    first = growBy(core.memory, 65_536) + 5;
    second = first + COLUMN_BYTES;
    third = second + COLUMN_BYTES;
    memory = new Uint8Array(core.memory.buffer);
  });

  const put = (address: number, column: readonly bigint[]): void =>
    column.forEach((value, index) => {
      writeU256(memory, address + 32 * index, value);
    });
  const get = (address: number, count: number): bigint[] =>
    Array.from({ length: count }, (_, index) => readU256(memory, address + 32 * index));

  describe.each(batches)("%s", (name, expected) => {
    test("does each element, up to the first that fails", () => {
      fc.assert(
        fc.property(pairs, fc.constantFrom("apart", "left", "right"), (elements, where) => {
          const left = elements.map(([value]) => value);
          const right = elements.map(([, value]) => value);
          const untouched =
            where === "left" ? left : where === "right" ? right : left.map(() => 7n);
          const out = where === "left" ? first : where === "right" ? second : third;
          put(third, untouched);
          put(first, left);
          put(second, right);
          const wanted = elements.map(([a, b]) => expected(a, b));
          const failed = wanted.findIndex((value) => typeof value === "number");

          const status = core[name](first, second, out, elements.length);

          expect(status).toBe(failed < 0 ? 0 : wanted[failed]);
          if (failed >= 0) expect(core.u256FailedIndex()).toBe(failed);
          const done = failed < 0 ? elements.length : failed;
          expect(get(out, elements.length)).toEqual([
            ...wanted.slice(0, done),
            ...untouched.slice(done),
          ]);
        }),
        runs,
      );
    });
  });

  test("u256Sum adds a column, or reports that the sum does not fit", () => {
    const values = fc.array(fc.oneof({ weight: 20, arbitrary: small }, u256), {
      maxLength: COUNT_MAX,
    });
    fc.assert(
      fc.property(values, (column) => {
        put(first, column);
        put(third, [7n]);
        const status = core.u256Sum(first, column.length, third);
        const sum = column.reduce((total, value) => total + value, 0n);
        expect([status, ...get(third, 1)]).toEqual(sum > MAX ? [OVERFLOW, 7n] : [0, sum]);
      }),
      runs,
    );
  });

  test("u256Sum is exact at the limit", () => {
    for (let count = 2; count <= COUNT_MAX; count++) {
      const column = new Array<bigint>(count).fill(MAX / BigInt(count));
      column[0] += MAX % BigInt(count);
      put(first, column);
      expect([core.u256Sum(first, count, third), ...get(third, 1)]).toEqual([0, MAX]);
      column[count - 1] += 1n;
      put(first, column);
      expect(core.u256Sum(first, count, third)).toBe(OVERFLOW);
    }
  });

  test("u256TransferEach keeps the sum of all balances, up to the first that fails", () => {
    const transfers = fc.array(
      fc.tuple(small, small, fc.oneof({ weight: 9, arbitrary: small.map((x) => x >> 64n) }, u256)),
      { maxLength: COUNT_MAX },
    );
    fc.assert(
      fc.property(transfers, (elements) => {
        put(
          first,
          elements.map(([source]) => source),
        );
        put(
          second,
          elements.map(([, target]) => target),
        );
        put(
          third,
          elements.map(([, , amount]) => amount),
        );
        const fits = elements.findIndex(([source, , amount]) => source < amount);
        const status = core.u256TransferEach(first, second, third, elements.length);
        const done = fits < 0 ? elements.length : fits;
        expect(status).toBe(fits < 0 ? 0 : UNDERFLOW);
        if (fits >= 0) expect(core.u256FailedIndex()).toBe(fits);
        expect(get(first, elements.length)).toEqual(
          elements.map(([source, , amount], index) => (index < done ? source - amount : source)),
        );
        expect(get(second, elements.length)).toEqual(
          elements.map(([, target, amount], index) => (index < done ? target + amount : target)),
        );
      }),
      runs,
    );
  });
});
