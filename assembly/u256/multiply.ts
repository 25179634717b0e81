import { OVERFLOW } from "../errors";
import { U256 } from "./layout";

@unmanaged
class Wide {
  /** The upper 64 of the 128 bits of a * b, from four products of halves. */
  @inline static high(a: u64, b: u64): u64 {
    const aLow = a & 0xffffffff;
    const aHigh = a >>> 32;
    const bLow = b & 0xffffffff;
    const bHigh = b >>> 32;
    const middle = aHigh * bLow + ((aLow * bLow) >>> 32);
    const other = aLow * bHigh + (middle & 0xffffffff);
    return aHigh * bHigh + (middle >>> 32) + (other >>> 32);
  }

  /** 1 when `sum`, the wrapped result of adding `term`, lost a carry. */
  @inline static carry(sum: u64, term: u64): u64 {
    return u64(sum < term);
  }
}

/** out = left * right; 0 or OVERFLOW. */
export function u256Multiply(left: usize, right: usize, out: usize): i32 {
  const a = U256.at(left);
  const b = U256.at(right);
  if ((a.limb2 | a.limb3 | b.limb2 | b.limb3) != 0) return multiplyLong(a, b, out);
  const a0 = a.limb0;
  const a1 = a.limb1;
  const b0 = b.limb0;
  const b1 = b.limb1;

  const cross = a0 * b1;
  const half1 = cross + a1 * b0;
  const column1 = half1 + Wide.high(a0, b0);
  const carry1 = Wide.carry(half1, cross) + Wide.carry(column1, half1);

  const low = a1 * b1;
  const highs = Wide.high(a0, b1);
  const half2 = low + highs;
  const most2 = half2 + Wide.high(a1, b0);
  const column2 = most2 + carry1;
  const carry2 = Wide.carry(half2, highs) + Wide.carry(most2, half2) + Wide.carry(column2, most2);

  // Two values below 2^128: the product always fits.
  U256.at(out).set(a0 * b0, column1, column2, Wide.high(a1, b1) + carry2);
  return 0;
}

/**
 * The general case, column by column: limb i times limb j belongs to column i + j, its upper half
 * to the next one. Whatever would belong to column 4 or above is an overflow.
 */
function multiplyLong(a: U256, b: U256, out: usize): i32 {
  const a0 = a.limb0;
  const a1 = a.limb1;
  const a2 = a.limb2;
  const a3 = a.limb3;
  const b0 = b.limb0;
  const b1 = b.limb1;
  const b2 = b.limb2;
  const b3 = b.limb3;
  if (a3 != 0 && (b1 | b2 | b3) != 0) return OVERFLOW;
  if (a2 != 0 && (b2 | b3) != 0) return OVERFLOW;
  if (a1 != 0 && b3 != 0) return OVERFLOW;

  let term = a0 * b1;
  let column1 = term + Wide.high(a0, b0);
  let carry1 = Wide.carry(column1, term);
  term = a1 * b0;
  column1 += term;
  carry1 += Wide.carry(column1, term);

  let column2 = carry1;
  term = Wide.high(a0, b1);
  column2 += term;
  let carry2 = Wide.carry(column2, term);
  term = Wide.high(a1, b0);
  column2 += term;
  carry2 += Wide.carry(column2, term);
  term = a0 * b2;
  column2 += term;
  carry2 += Wide.carry(column2, term);
  term = a1 * b1;
  column2 += term;
  carry2 += Wide.carry(column2, term);
  term = a2 * b0;
  column2 += term;
  carry2 += Wide.carry(column2, term);

  let column3 = carry2;
  term = Wide.high(a0, b2);
  column3 += term;
  let lost = Wide.carry(column3, term);
  term = Wide.high(a1, b1);
  column3 += term;
  lost += Wide.carry(column3, term);
  term = Wide.high(a2, b0);
  column3 += term;
  lost += Wide.carry(column3, term);
  term = a0 * b3;
  column3 += term;
  lost += Wide.carry(column3, term);
  term = a1 * b2;
  column3 += term;
  lost += Wide.carry(column3, term);
  term = a2 * b1;
  column3 += term;
  lost += Wide.carry(column3, term);
  term = a3 * b0;
  column3 += term;
  lost += Wide.carry(column3, term);
  lost |= Wide.high(a0, b3) | Wide.high(a1, b2) | Wide.high(a2, b1) | Wide.high(a3, b0);
  if (lost != 0) return OVERFLOW;
  U256.at(out).set(a0 * b0, column1, column2, column3);
  return 0;
}
