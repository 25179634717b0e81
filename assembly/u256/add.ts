import { OVERFLOW, UNDERFLOW } from "../errors";
import { assertSameOrApart, U256, U256_BYTES } from "./layout";

/** The amount of a transfer, held apart because it may be one of the two balances. */
const transferAmount: usize = memory.data(32, 16);

/** out = left + right; 0 or OVERFLOW. */
export function u256Add(left: usize, right: usize, out: usize): i32 {
  const a = U256.at(left);
  const b = U256.at(right);
  const a0 = a.limb0;
  const a1 = a.limb1;
  const a2 = a.limb2;
  const a3 = a.limb3;
  // A limb carries in its first addition or in that of the carry below, never in both.
  const sum0 = a0 + b.limb0;
  const half1 = a1 + b.limb1;
  const sum1 = half1 + u64(sum0 < a0);
  const half2 = a2 + b.limb2;
  const sum2 = half2 + (u64(half1 < a1) | u64(sum1 < half1));
  const half3 = a3 + b.limb3;
  const sum3 = half3 + (u64(half2 < a2) | u64(sum2 < half2));
  if (u32(half3 < a3) | u32(sum3 < half3)) return OVERFLOW;
  U256.at(out).set(sum0, sum1, sum2, sum3);
  return 0;
}

/** out = left - right; 0 or UNDERFLOW. */
export function u256Subtract(left: usize, right: usize, out: usize): i32 {
  const a = U256.at(left);
  const b = U256.at(right);
  const difference0 = a.limb0 - b.limb0;
  const borrow0 = u64(a.limb0 < b.limb0);
  const half1 = a.limb1 - b.limb1;
  const borrow1 = u64(a.limb1 < b.limb1) | u64(half1 < borrow0);
  const half2 = a.limb2 - b.limb2;
  const borrow2 = u64(a.limb2 < b.limb2) | u64(half2 < borrow1);
  const half3 = a.limb3 - b.limb3;
  if (u32(a.limb3 < b.limb3) | u32(half3 < borrow2)) return UNDERFLOW;
  U256.at(out).set(difference0, half1 - borrow0, half2 - borrow1, half3 - borrow2);
  return 0;
}

/**
 * Moves `amount` from the value at `source` to the value at `target`, both or neither.
 * 0, UNDERFLOW (the source holds less) or OVERFLOW (the target would exceed 256 bits). A transfer
 * from a value to itself changes nothing, and still needs the amount.
 */
export function u256Transfer(source: usize, target: usize, amount: usize): i32 {
  assertSameOrApart(source, target, U256_BYTES);
  U256.at(transferAmount).copy(U256.at(amount));
  if (compareLimbs(source, transferAmount) < 0) return UNDERFLOW;
  if (source == target) return 0;
  const status = u256Add(target, transferAmount, target);
  if (status < 0) return status;
  return u256Subtract(source, transferAmount, source);
}

/** -1, 0 or 1 as left is less than, equal to or greater than right. */
export function compareLimbs(left: usize, right: usize): i32 {
  const a = U256.at(left);
  const b = U256.at(right);
  if (a.limb3 != b.limb3) return a.limb3 < b.limb3 ? -1 : 1;
  if (a.limb2 != b.limb2) return a.limb2 < b.limb2 ? -1 : 1;
  if (a.limb1 != b.limb1) return a.limb1 < b.limb1 ? -1 : 1;
  if (a.limb0 != b.limb0) return a.limb0 < b.limb0 ? -1 : 1;
  return 0;
}

/** 0, 1 or 2 as left is less than, equal to or greater than right: negative means an error. */
export function u256Compare(left: usize, right: usize): i32 {
  return compareLimbs(left, right) + 1;
}
