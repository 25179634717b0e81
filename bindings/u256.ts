import { CairnError, type ErrorCode } from "../src/errors.ts";
import { status } from "./status.ts";

/** Bytes of a value in memory, in a column and in a row: least significant byte first. */
export const U256_BYTES = 32;
/** The largest value, 2^256 - 1. */
export const U256_MAX: bigint = (1n << 256n) - 1n;

/** What {@link U256} needs of the core: the raw exports, addresses and numbers only. */
export interface U256Core {
  readonly memory: WebAssembly.Memory;
  /** Start of the area that the host fills, and its size in bytes: at least 512. */
  readonly inputAddress: () => number;
  readonly inputBytes: () => number;
  readonly u256Add: (left: number, right: number, out: number) => number;
  readonly u256AddEach: (left: number, right: number, out: number, count: number) => number;
  readonly u256Compare: (left: number, right: number) => number;
  readonly u256DivideRemainder: (
    left: number,
    right: number,
    quotient: number,
    remainder: number,
  ) => number;
  readonly u256FailedIndex: () => number;
  readonly u256Multiply: (left: number, right: number, out: number) => number;
  readonly u256MultiplyEach: (left: number, right: number, out: number, count: number) => number;
  readonly u256ParseDecimal: (pointer: number, length: number, out: number) => number;
  readonly u256ParseHex: (pointer: number, length: number, out: number) => number;
  readonly u256PrintDecimal: (value: number, out: number) => number;
  readonly u256PrintHex: (value: number, out: number) => number;
  readonly u256Subtract: (left: number, right: number, out: number) => number;
  readonly u256SubtractEach: (left: number, right: number, out: number, count: number) => number;
  readonly u256Sum: (values: number, count: number, out: number) => number;
  readonly u256TransferEach: (
    sources: number,
    targets: number,
    amounts: number,
    count: number,
  ) => number;
}

type Elementwise = (left: number, right: number, out: number, count: number) => number;

/** The negative results that arithmetic knows. */
const failures: Readonly<Record<number, readonly [ErrorCode, string]>> = {
  [status.overflow]: [
    "overflow",
    "the result exceeds 2^256 - 1. Use smaller values, or check them before",
  ],
  [status.underflow]: [
    "underflow",
    "the result would be below zero, which U256 cannot hold. Check that enough is there before",
  ],
  [status.divideByZero]: ["argument_invalid", "the divisor is zero. Pass one of at least 1"],
  [status.textInvalid]: [
    "argument_invalid",
    "the text is not a number. Pass decimal digits, or 0x and hexadecimal digits",
  ],
};

// Offsets in the input area: three values, then room for text or columns.
const LEFT = 0;
const RIGHT = 32;
const OUT = 64;
const ROOM = 96;

/** Writes `value` as 32 bytes at `offset`. The caller has checked its range. */
export function writeU256(view: DataView, offset: number, value: bigint): void {
  view.setBigUint64(offset, value, true);
  view.setBigUint64(offset + 8, value >> 64n, true);
  view.setBigUint64(offset + 16, value >> 128n, true);
  view.setBigUint64(offset + 24, value >> 192n, true);
}

/** Reads the 32 bytes at `offset`. */
export function readU256(view: DataView, offset: number): bigint {
  const upper =
    (view.getBigUint64(offset + 24, true) << 64n) | view.getBigUint64(offset + 16, true);
  const lower = (view.getBigUint64(offset + 8, true) << 64n) | view.getBigUint64(offset, true);
  return upper === 0n ? lower : (upper << 128n) | lower;
}

/**
 * Checked unsigned 256-bit arithmetic of the core, with bigint at the API.
 *
 * For one operation on two bigints JavaScript's operators are faster: a crossing costs 30 to 90 ns
 * per value, the operation 4 to 90. These forms are here to give exactly the core's results. What
 * pays is the forms over columns, `Uint8Array`s of 32 bytes per value. A failed batch throws with
 * the `index` of the element in `details`, and no column is changed. All operands pass through the
 * core's input area, so nothing else may rest there during a call.
 */
export class U256 {
  readonly #core: U256Core;
  readonly #address: number;
  readonly #inputBytes: number;
  #bytes: Uint8Array;
  #view: DataView;

  constructor(core: U256Core) {
    this.#core = core;
    this.#address = core.inputAddress();
    this.#inputBytes = core.inputBytes();
    this.#bytes = new Uint8Array(core.memory.buffer, this.#address, this.#inputBytes);
    this.#view = new DataView(core.memory.buffer, this.#address, this.#inputBytes);
  }

  /** left + right; `overflow` above 2^256 - 1. */
  add(left: bigint, right: bigint): bigint {
    const at = this.#put(left, right);
    check("add", this.#core.u256Add(at + LEFT, at + RIGHT, at + OUT));
    return readU256(this.#view, OUT);
  }

  /** left - right; `underflow` below zero. */
  subtract(left: bigint, right: bigint): bigint {
    const at = this.#put(left, right);
    check("subtract", this.#core.u256Subtract(at + LEFT, at + RIGHT, at + OUT));
    return readU256(this.#view, OUT);
  }

  /** left * right; `overflow` above 2^256 - 1. */
  multiply(left: bigint, right: bigint): bigint {
    const at = this.#put(left, right);
    check("multiply", this.#core.u256Multiply(at + LEFT, at + RIGHT, at + OUT));
    return readU256(this.#view, OUT);
  }

  /** left / right rounded down, and what is left over; `argument_invalid` when right is zero. */
  divide(left: bigint, right: bigint): { quotient: bigint; remainder: bigint } {
    const at = this.#put(left, right);
    const status = this.#core.u256DivideRemainder(at + LEFT, at + RIGHT, at + OUT, at + RIGHT);
    check("divide", status);
    return { quotient: readU256(this.#view, OUT), remainder: readU256(this.#view, RIGHT) };
  }

  /** -1, 0 or 1 as left is less than, equal to or greater than right. */
  compare(left: bigint, right: bigint): number {
    const at = this.#put(left, right);
    return this.#core.u256Compare(at + LEFT, at + RIGHT) - 1;
  }

  /**
   * The value of decimal digits, or of "0x" and hexadecimal digits; leading zeros are allowed.
   * `argument_invalid` for anything else, `overflow` above 2^256 - 1.
   */
  parse(text: string): bigint {
    this.#refresh();
    if (text.length > this.#inputBytes - ROOM) {
      throw new CairnError(
        "argument_invalid",
        `Cannot parse a U256: the text has ${text.length} characters, at most ` +
          `${this.#inputBytes - ROOM} are read. Drop leading zeros.`,
        { details: { length: text.length } },
      );
    }
    // A character outside ASCII becomes 0xff, which is no digit either.
    for (let index = 0; index < text.length; index++) {
      this.#bytes[ROOM + index] = Math.min(text.charCodeAt(index), 0xff);
    }
    const parse = text.startsWith("0x") ? this.#core.u256ParseHex : this.#core.u256ParseDecimal;
    check("parse", parse(this.#address + ROOM, text.length, this.#address + OUT));
    return readU256(this.#view, OUT);
  }

  /** Decimal digits, or with `radix` 16 "0x" and lower case digits; no leading zeros. */
  print(value: bigint, radix: 10 | 16 = 10): string {
    const at = this.#put(value, 0n);
    const print = radix === 16 ? this.#core.u256PrintHex : this.#core.u256PrintDecimal;
    const length = print(at + LEFT, at + ROOM);
    return String.fromCharCode(...this.#bytes.subarray(ROOM, ROOM + length));
  }

  /** The sum of a column, 0n for an empty one; `overflow` above 2^256 - 1. */
  sum(column: Uint8Array): bigint {
    const count = countOf("sum", column);
    const at = this.#put(0n, 0n);
    const step = Math.floor((this.#inputBytes - ROOM) / U256_BYTES);
    for (let from = 0; from < count; from += step) {
      const chunk = column.subarray(from * U256_BYTES, (from + step) * U256_BYTES);
      this.#bytes.set(chunk, ROOM);
      check("sum", this.#core.u256Sum(at + ROOM, chunk.length / U256_BYTES, at + RIGHT));
      check("sum", this.#core.u256Add(at + LEFT, at + RIGHT, at + LEFT));
    }
    return readU256(this.#view, LEFT);
  }

  /** A new column of left[i] + right[i]. */
  addEach(left: Uint8Array, right: Uint8Array): Uint8Array {
    return this.#each("add columns", this.#core.u256AddEach, left, right);
  }

  /** A new column of left[i] - right[i]. */
  subtractEach(left: Uint8Array, right: Uint8Array): Uint8Array {
    return this.#each("subtract columns", this.#core.u256SubtractEach, left, right);
  }

  /** A new column of left[i] * right[i]. */
  multiplyEach(left: Uint8Array, right: Uint8Array): Uint8Array {
    return this.#each("multiply columns", this.#core.u256MultiplyEach, left, right);
  }

  /** New columns in which amounts[i] went from sources[i] to targets[i]. */
  transferEach(
    sources: Uint8Array,
    targets: Uint8Array,
    amounts: Uint8Array,
  ): { sources: Uint8Array; targets: Uint8Array } {
    const [newSources, newTargets] = this.#columns(
      "transfer",
      [sources, targets, amounts],
      ([source, target, amount], count) =>
        this.#core.u256TransferEach(source, target, amount, count),
    );
    return { sources: newSources, targets: newTargets };
  }

  #each(action: string, batch: Elementwise, left: Uint8Array, right: Uint8Array): Uint8Array {
    const [result] = this.#columns(action, [left, right], ([a, b], count) => batch(a, b, a, count));
    return result;
  }

  /**
   * Copies of the columns as `batch` leaves them, when it has worked on as many as fit at a time.
   */
  #columns(
    action: string,
    columns: readonly Uint8Array[],
    batch: (addresses: readonly number[], count: number) => number,
  ): Uint8Array[] {
    const count = countOf(action, ...columns);
    this.#refresh();
    const step = Math.floor(this.#inputBytes / (columns.length * U256_BYTES));
    const offsets = columns.map((_, index) => index * step * U256_BYTES);
    const addresses = offsets.map((offset) => this.#address + offset);
    const results = columns.map((column) => new Uint8Array(column.length));
    for (let from = 0; from < count; from += step) {
      const start = from * U256_BYTES;
      const end = Math.min(from + step, count) * U256_BYTES;
      columns.forEach((column, index) => {
        this.#bytes.set(column.subarray(start, end), offsets[index]);
      });
      const status = batch(addresses, (end - start) / U256_BYTES);
      if (status < 0) check(action, status, from + this.#core.u256FailedIndex());
      results.forEach((result, index) => {
        result.set(this.#bytes.subarray(offsets[index], offsets[index] + end - start), start);
      });
    }
    return results;
  }

  /** Checks and writes both operands; the address of the input area. */
  #put(left: bigint, right: bigint): number {
    checkRange(left);
    checkRange(right);
    this.#refresh();
    writeU256(this.#view, LEFT, left);
    writeU256(this.#view, RIGHT, right);
    return this.#address;
  }

  /** Growth of the memory detaches views; a detached one has no bytes. */
  #refresh(): void {
    if (this.#bytes.byteLength !== 0) return;
    const { buffer } = this.#core.memory;
    this.#bytes = new Uint8Array(buffer, this.#address, this.#inputBytes);
    this.#view = new DataView(buffer, this.#address, this.#inputBytes);
  }
}

function check(action: string, result: number, index?: number): void {
  if (result >= 0) return;
  const [code, found] = failures[result] ?? ["core_failed", `the core answered ${result}`];
  const where = index === undefined ? "" : ` at element ${index}`;
  throw new CairnError(code, `Cannot ${action} as U256${where}: ${found}.`, {
    details: index === undefined ? {} : { index },
  });
}

function checkRange(value: bigint): void {
  if (value >= 0n && value <= U256_MAX) return;
  throw new CairnError(
    "argument_invalid",
    `Cannot use a bigint as U256: it is ${value < 0n ? "negative" : "above 2^256 - 1"}. ` +
      "Pass one from 0 to 2^256 - 1.",
  );
}

/** The number of values in columns that must all have the same. */
function countOf(action: string, ...columns: readonly Uint8Array[]): number {
  const length = columns[0].length;
  const odd = columns.find((column) => column.length % U256_BYTES > 0 || column.length !== length);
  if (odd === undefined) return length / U256_BYTES;
  const lengths = columns.map((column) => column.length).join(", ");
  throw new CairnError(
    "argument_invalid",
    `Cannot ${action} as U256: the columns have ${lengths} bytes. Pass columns of one length, a ` +
      `multiple of ${U256_BYTES} bytes.`,
  );
}
