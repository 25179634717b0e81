/**
 * The same over columns: `count` values side by side, 32 bytes each. The first failure ends a batch
 * and is its result; `u256FailedIndex` tells where. Elements before it are written, that one and
 * those after it are not. Columns may be the same or lie apart, never overlap in part.
 */
import { OVERFLOW } from "../errors";
import { u256Add, u256Subtract, u256Transfer } from "./add";
import { assertRange, assertSameOrApart, U256, U256_BYTES } from "./layout";
import { u256Multiply } from "./multiply";

let failedIndex: u32 = 0;

/** Index of the element that ended the last batch; meaningless after one that succeeded. */
export function u256FailedIndex(): u32 {
  return failedIndex;
}

/** out[i] = left[i] + right[i]; 0 or OVERFLOW. */
export function u256AddEach(left: usize, right: usize, out: usize, count: u32): i32 {
  assertColumns(left, right, out, count);
  for (let i: u32 = 0; i < count; i++) {
    const offset = <usize>i * U256_BYTES;
    const status = u256Add(left + offset, right + offset, out + offset);
    if (status < 0) return fail(i, status);
  }
  return 0;
}

/** out[i] = left[i] - right[i]; 0 or UNDERFLOW. */
export function u256SubtractEach(left: usize, right: usize, out: usize, count: u32): i32 {
  assertColumns(left, right, out, count);
  for (let i: u32 = 0; i < count; i++) {
    const offset = <usize>i * U256_BYTES;
    const status = u256Subtract(left + offset, right + offset, out + offset);
    if (status < 0) return fail(i, status);
  }
  return 0;
}

/** out[i] = left[i] * right[i]; 0 or OVERFLOW. */
export function u256MultiplyEach(left: usize, right: usize, out: usize, count: u32): i32 {
  assertColumns(left, right, out, count);
  for (let i: u32 = 0; i < count; i++) {
    const offset = <usize>i * U256_BYTES;
    const status = u256Multiply(left + offset, right + offset, out + offset);
    if (status < 0) return fail(i, status);
  }
  return 0;
}

/** Transfers amounts[i] from sources[i] to targets[i], in order; 0, UNDERFLOW or OVERFLOW. */
export function u256TransferEach(sources: usize, targets: usize, amounts: usize, count: u32): i32 {
  assertColumns(sources, targets, amounts, count);
  for (let i: u32 = 0; i < count; i++) {
    const offset = <usize>i * U256_BYTES;
    const status = u256Transfer(sources + offset, targets + offset, amounts + offset);
    if (status < 0) return fail(i, status);
  }
  return 0;
}

/** out = the sum of `count` values, zero for none; 0 or OVERFLOW (of the whole: no index). */
export function u256Sum(values: usize, count: u32, out: usize): i32 {
  assertRange(values, <u64>count * U256_BYTES);
  let sum0: u64 = 0;
  let sum1: u64 = 0;
  let sum2: u64 = 0;
  let sum3: u64 = 0;
  let lost: u64 = 0;
  const end = values + <usize>count * U256_BYTES;
  for (let at = values; at < end; at += U256_BYTES) {
    const value = changetype<U256>(at);
    const limb0 = value.limb0;
    sum0 += limb0;
    const half1 = sum1 + value.limb1;
    const next1 = half1 + u64(sum0 < limb0);
    const half2 = sum2 + value.limb2;
    const next2 = half2 + (u64(half1 < sum1) | u64(next1 < half1));
    const half3 = sum3 + value.limb3;
    const next3 = half3 + (u64(half2 < sum2) | u64(next2 < half2));
    lost |= u64(half3 < sum3) | u64(next3 < half3);
    sum1 = next1;
    sum2 = next2;
    sum3 = next3;
  }
  if (lost != 0) return OVERFLOW;
  U256.at(out).set(sum0, sum1, sum2, sum3);
  return 0;
}

function fail(index: u32, status: i32): i32 {
  failedIndex = index;
  return status;
}

function assertColumns(first: usize, second: usize, third: usize, count: u32): void {
  assertRange(first, <u64>count * U256_BYTES);
  assertRange(second, <u64>count * U256_BYTES);
  assertRange(third, <u64>count * U256_BYTES);
  const length = <usize>count * U256_BYTES;
  assertSameOrApart(first, second, length);
  assertSameOrApart(first, third, length);
  assertSameOrApart(second, third, length);
}
