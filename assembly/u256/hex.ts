/** Hexadecimal ASCII text, most significant digit first, with or without a leading "0x". */
import { OVERFLOW, TEXT_INVALID } from "../errors";
import { assertRange, U256, U256_BYTES } from "./layout";

/** Characters of the longest hexadecimal text: "0x" and 64 digits. */
export const U256_HEX_BYTES: usize = 66;

const DIGITS: usize = U256_BYTES * 2;
const PREFIX: u16 = 0x7830; // "0x", read as one little-endian u16
const ZERO: u32 = 48;
const LOWER_A: u32 = 97;

const value: usize = memory.data(32, 16);

/**
 * Reads `length` characters at `pointer` into `out`: digits of either case, leading zeros allowed.
 * 0, TEXT_INVALID (no digit, or a character that is none) or OVERFLOW (2^256 or more).
 */
export function u256ParseHex(pointer: usize, length: usize, out: usize): i32 {
  assertRange(pointer, length);
  const end = pointer + length;
  if (length >= 2 && load<u16>(pointer) == PREFIX) pointer += 2;
  if (pointer == end) return TEXT_INVALID;
  for (let at = pointer; at < end; at++) {
    if (digitOf(load<u8>(at)) > 15) return TEXT_INVALID;
  }
  while (pointer < end && load<u8>(pointer) == ZERO) pointer++;
  if (end - pointer > DIGITS) return OVERFLOW;

  U256.at(value).set(0, 0, 0, 0);
  let shift: u32 = 0;
  let byte = value;
  for (let at = end; at > pointer; at--) {
    store<u8>(byte, <u8>(load<u8>(byte) | (digitOf(load<u8>(at - 1)) << shift)));
    byte += shift >>> 2;
    shift ^= 4;
  }
  U256.at(out).copy(U256.at(value));
  return 0;
}

/**
 * Writes "0x" and the digits of `from`, lower case and without leading zeros (zero is "0x0"), to
 * `out`, which has room for U256_HEX_BYTES; the number of characters.
 */
export function u256PrintHex(from: usize, out: usize): i32 {
  assertRange(out, U256_HEX_BYTES);
  U256.at(value).copy(U256.at(from));
  let index: usize = DIGITS - 1;
  while (index > 0 && nibble(index) == 0) index--;
  store<u16>(out, PREFIX);
  const length = index + 3;
  for (let at = out + 2; at < out + length; at++, index--) {
    const digit = nibble(index);
    store<u8>(at, <u8>(digit < 10 ? ZERO + digit : LOWER_A - 10 + digit));
  }
  return <i32>length;
}

/** Hexadecimal digit `index` of the copied value, 0 the least significant. */
function nibble(index: usize): u32 {
  return (<u32>load<u8>(value + (index >>> 1)) >>> ((<u32>index & 1) << 2)) & 15;
}

/** 0 to 15, or more for a character that is no digit. */
function digitOf(character: u32): u32 {
  const decimal = character - ZERO;
  if (decimal < 10) return decimal;
  const letter = (character | 32) - LOWER_A;
  return letter < 6 ? letter + 10 : 16;
}
