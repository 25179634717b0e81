/** Decimal ASCII text: digits only; no sign, point, exponent, space or separator. */
import { OVERFLOW, TEXT_INVALID } from "../errors";
import { divideByDigit } from "./divide";
import { assertRange, U256 } from "./layout";

/** Characters of the longest decimal text, that of 2^256 - 1. */
export const U256_DECIMAL_BYTES: usize = 78;

const DIGITS: i32 = 8;
/** Decimal digits handled at once, and their power of ten: the largest that fits into 32 bits. */
const CHUNK: usize = 9;
const CHUNK_POWER: u32 = 1000000000;
const ZERO: u32 = 48;

/** The value being taken apart or put together, as u32 digits, least significant first. */
const digits: usize = memory.data(32, 16);
/** Nine whole chunks, filled from the end. */
const text: usize = memory.data(81, 16);

/**
 * Reads `length` characters at `pointer` into `out`. Leading zeros are allowed, at any length.
 * 0, TEXT_INVALID (empty, or a character that is no digit) or OVERFLOW (2^256 or more).
 */
export function u256ParseDecimal(pointer: usize, length: usize, out: usize): i32 {
  assertRange(pointer, length);
  if (length == 0) return TEXT_INVALID;
  const end = pointer + length;
  for (let at = pointer; at < end; at++) {
    if (<u32>load<u8>(at) - ZERO > 9) return TEXT_INVALID;
  }
  while (pointer < end - 1 && load<u8>(pointer) == ZERO) pointer++;

  U256.at(digits).set(0, 0, 0, 0);
  let used = 0;
  while (pointer < end) {
    // The first chunk takes what is left over by whole ones.
    const whole = (end - pointer) % CHUNK;
    const stop = pointer + (whole == 0 ? CHUNK : whole);
    let chunk: u64 = 0;
    for (; pointer < stop; pointer++) chunk = chunk * 10 + load<u8>(pointer) - ZERO;
    for (let i = 0; i < used; i++) {
      const place = digits + ((<usize>i) << 2);
      const part = <u64>load<u32>(place) * CHUNK_POWER + chunk;
      store<u32>(place, <u32>part);
      chunk = part >>> 32;
    }
    if (chunk == 0) continue;
    if (used == DIGITS) return OVERFLOW;
    store<u32>(digits + ((<usize>used) << 2), <u32>chunk);
    used++;
  }
  U256.at(out).copy(U256.at(digits));
  return 0;
}

/** Writes `value` to `out`, which has room for U256_DECIMAL_BYTES; the number of characters. */
export function u256PrintDecimal(value: usize, out: usize): i32 {
  assertRange(out, U256_DECIMAL_BYTES);
  U256.at(digits).copy(U256.at(value));
  let used = DIGITS;
  let at = text + CHUNK * 9;
  do {
    while (used > 1 && load<u32>(digits + ((<usize>used - 1) << 2)) == 0) used--;
    let chunk = divideByDigit(digits, used, CHUNK_POWER);
    for (let i: usize = 0; i < CHUNK; i++) {
      store<u8>(--at, <u8>(ZERO + (chunk % 10)));
      chunk /= 10;
    }
  } while (used > 1 || load<u32>(digits) != 0);
  const end = text + CHUNK * 9;
  while (at < end - 1 && load<u8>(at) == ZERO) at++;
  memory.copy(out, at, end - at);
  return <i32>(end - at);
}
