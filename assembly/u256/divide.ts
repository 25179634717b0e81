/**
 * Division, long-hand in base 2^32 (Knuth, The Art of Computer Programming, volume 2, 4.3.1,
 * algorithm D). Works on copies in static space, so results may replace operands.
 */
import { DIVIDE_BY_ZERO } from "../errors";
import { compareLimbs } from "./add";
import { assertSameOrApart, U256, U256_BYTES } from "./layout";

const DIGITS: i32 = 8;
const BASE: u64 = 1 << 32;

/** u32 digits, least significant first. The dividend has one more, for what scaling pushes out. */
const dividend: usize = memory.data(40, 16);
const divisor: usize = memory.data(32, 16);
const quotient: usize = memory.data(32, 16);
const remainder: usize = memory.data(32, 16);

/** out = left / right, rounded down; 0 or DIVIDE_BY_ZERO. */
export function u256Divide(left: usize, right: usize, out: usize): i32 {
  const status = divide(left, right);
  if (status == 0) U256.at(out).copy(U256.at(quotient));
  return status;
}

/** out = left modulo right; 0 or DIVIDE_BY_ZERO. */
export function u256Remainder(left: usize, right: usize, out: usize): i32 {
  const status = divide(left, right);
  if (status == 0) U256.at(out).copy(U256.at(remainder));
  return status;
}

/** Both results of one division, at two different addresses; 0 or DIVIDE_BY_ZERO. */
export function u256DivideRemainder(
  left: usize,
  right: usize,
  outQuotient: usize,
  outRemainder: usize,
): i32 {
  assert(outQuotient != outRemainder, "u256: quotient and remainder at one address");
  assertSameOrApart(outQuotient, outRemainder, U256_BYTES);
  const status = divide(left, right);
  if (status == 0) {
    U256.at(outQuotient).copy(U256.at(quotient));
    U256.at(outRemainder).copy(U256.at(remainder));
  }
  return status;
}

/** Fills `quotient` and `remainder`; 0 or DIVIDE_BY_ZERO. */
function divide(left: usize, right: usize): i32 {
  const a = U256.at(left);
  const b = U256.at(right);
  const q = U256.at(quotient);
  const r = U256.at(remainder);
  if ((b.limb0 | b.limb1 | b.limb2 | b.limb3) == 0) return DIVIDE_BY_ZERO;
  if (compareLimbs(left, right) < 0) {
    q.set(0, 0, 0, 0);
    r.copy(a);
  } else if ((a.limb1 | a.limb2 | a.limb3) == 0) {
    q.set(a.limb0 / b.limb0, 0, 0, 0);
    r.set(a.limb0 % b.limb0, 0, 0, 0);
  } else if ((b.limb1 | b.limb2 | b.limb3) == 0 && b.limb0 < BASE) {
    q.copy(a);
    r.set(divideByDigit(quotient, DIGITS, <u32>b.limb0), 0, 0, 0);
  } else {
    divideLong(a, b);
  }
  return 0;
}

/** Divides the `count` digits at `digits` in place and returns the remainder. */
export function divideByDigit(digits: usize, count: i32, by: u32): u32 {
  let rest: u64 = 0;
  for (let i = count - 1; i >= 0; i--) {
    const part = (rest << 32) | digit(digits, i);
    const result = part / by;
    setDigit(digits, i, result);
    rest = part - result * by;
  }
  return <u32>rest;
}

/** a >= b, and b has at least two digits. */
function divideLong(a: U256, b: U256): void {
  U256.at(divisor).copy(b);
  const divisorDigits = countDigits(divisor);
  const shift = clz<u32>(load<u32>(divisor + ((<usize>divisorDigits - 1) << 2)));
  U256.at(dividend).copy(a);
  const dividendDigits = countDigits(dividend);
  // Scaled until the divisor's first bit is set, so that its first two digits predict each digit
  // of the quotient to within one.
  setDigit(dividend, dividendDigits, shiftLeft(dividend, dividendDigits, shift));
  shiftLeft(divisor, divisorDigits, shift);

  U256.at(quotient).set(0, 0, 0, 0);
  for (let at = dividendDigits - divisorDigits; at >= 0; at--) {
    const guess = guessDigit(at, divisorDigits);
    const exact = subtractProduct(at, divisorDigits, guess) ? guess - 1 : guess;
    setDigit(quotient, at, exact);
  }

  const rest = U256.at(remainder);
  rest.set(0, 0, 0, 0);
  for (let i = 0; i < divisorDigits; i++) {
    const upper = digit(dividend, i + 1) << 32;
    setDigit(remainder, i, (upper | digit(dividend, i)) >>> shift);
  }
}

/** The quotient's digit at `at`, or one more. */
function guessDigit(at: i32, divisorDigits: i32): u64 {
  const first = digit(divisor, divisorDigits - 1);
  const second = digit(divisor, divisorDigits - 2);
  const top = (digit(dividend, at + divisorDigits) << 32) | digit(dividend, at + divisorDigits - 1);
  const next = digit(dividend, at + divisorDigits - 2);
  let guess = top / first;
  let rest = top - guess * first;
  while (guess >= BASE || guess * second > ((rest << 32) | next)) {
    guess--;
    rest += first;
    if (rest >= BASE) break;
  }
  return guess;
}

/** dividend -= guess * divisor, from digit `at` on. True when guess was one too many: undone. */
function subtractProduct(at: i32, divisorDigits: i32, guess: u64): bool {
  let carry: u64 = 0;
  let borrow: u64 = 0;
  for (let i = 0; i < divisorDigits; i++) {
    const product = guess * digit(divisor, i) + carry;
    carry = product >>> 32;
    const difference = digit(dividend, at + i) - (product & 0xffffffff) - borrow;
    setDigit(dividend, at + i, difference);
    borrow = difference >>> 63;
  }
  const last = digit(dividend, at + divisorDigits) - carry - borrow;
  setDigit(dividend, at + divisorDigits, last);
  if (last >>> 63 == 0) return false;

  carry = 0;
  for (let i = 0; i < divisorDigits; i++) {
    const sum = digit(dividend, at + i) + digit(divisor, i) + carry;
    setDigit(dividend, at + i, sum);
    carry = sum >>> 32;
  }
  setDigit(dividend, at + divisorDigits, digit(dividend, at + divisorDigits) + carry);
  return true;
}

/** Shifts `count` digits by less than 32 bits in place and returns what left at the top. */
function shiftLeft(digits: usize, count: i32, shift: u32): u64 {
  let carry: u64 = 0;
  for (let i = 0; i < count; i++) {
    const shifted = (digit(digits, i) << shift) | carry;
    setDigit(digits, i, shifted);
    carry = shifted >>> 32;
  }
  return carry;
}

function countDigits(digits: usize): i32 {
  let count = DIGITS;
  while (count > 1 && digit(digits, count - 1) == 0) count--;
  return count;
}

function digit(digits: usize, index: i32): u64 {
  return load<u32>(digits + ((<usize>index) << 2));
}

function setDigit(digits: usize, index: i32, value: u64): void {
  store<u32>(digits + ((<usize>index) << 2), <u32>value);
}
