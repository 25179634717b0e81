/**
 * Predicates and sums over the bytes of table rows (src/tables/row.ts), so that rows which are not
 * wanted never leave the core. A program is:
 *
 *     0   u16      layout: rows of other layouts are for the host to judge
 *     2   u8       tests, at most 16; all must hold
 *     3   u8       folds, at most 8; 255 for none, and columns are gathered (gather.ts)
 *     4   16 each  u8 operator, u8 type, u16 null bit (0xffff none), u32 offset, 8 bytes operand
 *     ..  8 each   u8 type, u8 0, u16 null bit, u32 offset
 *
 * A comparison with a null does not hold. What folds have gathered:
 *
 *     0   f64      rows that passed
 *     8   48 each  f64 values that are not null, u64 and i64 low and high half of the sum of whole
 *                  numbers, f64 sum of floats, 8 bytes least, 8 bytes greatest
 */
import { RECORD_EXPIRES, RECORD_OVERFLOW } from "../page/slotted";
import { isGatherFull, takeRow } from "./gather";

const TESTS_MAX: u32 = 16;
const FOLDS_MAX: u32 = 8;
/** Instead of a number of folds. */
const GATHERS: u32 = 255;
const TEST_BYTES: u32 = 16;
const FOLD_BYTES: u32 = 8;
export const RESULT_BYTES: u32 = 48;
const NO_BIT: u32 = 0xffff;

const EQ: u32 = 0;
const NE: u32 = 1;
const LT: u32 = 2;
const LTE: u32 = 3;
const GT: u32 = 4;
const GTE: u32 = 5;
const IS_NULL: u32 = 6;

const TYPE_U8: u32 = 0;
const TYPE_I64: u32 = 1;
const TYPE_U64: u32 = 2;

/** Whether a row passes. */
const FAIL: u32 = 0;
export const PASS: u32 = 1;

const program: usize = memory.data(4 + 16 * 16 + 8 * 8, 16);
export const results: usize = memory.data(8 + 8 * 48, 16);
let layout: u32 = 0;
let tests: u32 = 0;
export let folds: u32 = 0;
let gathers: bool = false;

/** Takes a program of `bytes` at `input`: 0, or -1 where it is malformed. */
export function setProgram(input: usize, bytes: u32): i32 {
  if (bytes < 4) return -1;
  const testCount: u32 = load<u8>(input, 2);
  const isGather = load<u8>(input, 3) == GATHERS;
  const foldCount: u32 = isGather ? 0 : load<u8>(input, 3);
  if (testCount > TESTS_MAX || foldCount > FOLDS_MAX) return -1;
  if (bytes != 4 + testCount * TEST_BYTES + foldCount * FOLD_BYTES) return -1;
  memory.copy(program, input, bytes);
  layout = load<u16>(program);
  tests = testCount;
  folds = foldCount;
  gathers = isGather;
  return 0;
}

/** The address of a row's bytes; 0 for one that is not of the program's layout, or elsewhere. */
export function rowAt(tail: usize): usize {
  const flags: u32 = load<u8>(tail);
  if (flags & RECORD_OVERFLOW) return 0;
  const row = tail + (flags & RECORD_EXPIRES ? 15 : 9);
  return load<u16>(row) == layout ? row : 0;
}

/** FAIL or PASS for a row of the program's layout. */
export function judge(row: usize): u32 {
  let test = program + 4;
  for (let index: u32 = 0; index < tests; index++) {
    if (!holds(test, row)) return FAIL;
    test += TEST_BYTES;
  }
  return PASS;
}

function isNull(row: usize, bit: u32): bool {
  if (bit == NO_BIT) return false;
  return ((load<u8>(row + 2 + (bit >> 3)) >> (bit & 7)) & 1) != 0;
}

function holds(test: usize, row: usize): bool {
  const op: u32 = load<u8>(test);
  const type: u32 = load<u8>(test, 1);
  const nulls = isNull(row, load<u16>(test, 2));
  if (op >= IS_NULL) return nulls == (op == IS_NULL);
  if (nulls) return false;
  const value = row + load<u32>(test, 4);
  if (type == TYPE_I64) return compare<i64>(op, load<i64>(value), load<i64>(test, 8));
  if (type == TYPE_U64) return compare<u64>(op, load<u64>(value), load<u64>(test, 8));
  if (type == TYPE_U8) return compare<u64>(op, <u64>load<u8>(value), load<u64>(test, 8));
  return compare<f64>(op, load<f64>(value), load<f64>(test, 8));
}

function compare<T>(op: u32, left: T, right: T): bool {
  if (op == EQ) return left == right;
  if (op == NE) return left != right;
  if (op == LT) return left < right;
  if (op == LTE) return left <= right;
  if (op == GT) return left > right;
  return left >= right;
}

export function beginFolds(): void {
  memory.fill(results, 0, 8 + FOLDS_MAX * RESULT_BYTES);
}

/** Adds a row that has passed to what is gathered. */
export function fold(row: usize): void {
  if (gathers) {
    takeRow(row);
    return;
  }
  store<f64>(results, load<f64>(results) + 1);
  let from = program + 4 + <usize>(tests * TEST_BYTES);
  let result = results + 8;
  for (let index: u32 = 0; index < folds; index++) {
    if (!isNull(row, load<u16>(from, 2))) gather(load<u8>(from), row + load<u32>(from, 4), result);
    from += FOLD_BYTES;
    result += RESULT_BYTES;
  }
}

/** There may be no room for the rows of another leaf. */
export function isFull(): bool {
  return gathers && isGatherFull();
}

function gather(type: u32, value: usize, result: usize): void {
  const count = load<f64>(result);
  store<f64>(result, count + 1);
  const isFirst = count == 0;
  if (type == TYPE_I64) {
    const number = load<i64>(value);
    addWhole(result, <u64>number, number >> 63);
    keep<i64>(isFirst, number, result);
  } else if (type == TYPE_U64 || type == TYPE_U8) {
    const number = type == TYPE_U8 ? <u64>load<u8>(value) : load<u64>(value);
    addWhole(result, number, 0);
    keep<u64>(isFirst, number, result);
  } else {
    const number = load<f64>(value);
    store<f64>(result, load<f64>(result, 24) + number, 24);
    keep<f64>(isFirst, number, result);
  }
}

function addWhole(result: usize, low: u64, high: i64): void {
  const before = load<u64>(result, 8);
  const sum = before + low;
  store<u64>(result, sum, 8);
  store<i64>(result, load<i64>(result, 16) + high + i64(sum < before), 16);
}

function keep<T>(isFirst: bool, number: T, result: usize): void {
  if (isFirst || number < load<T>(result, 32)) store<T>(result, number, 32);
  if (isFirst || number > load<T>(result, 40)) store<T>(result, number, 40);
}
