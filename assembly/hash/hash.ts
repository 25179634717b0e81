/**
 * The hash of a key: 64 bits, seeded per database, so that keys which collide in one database do
 * not in another. It is part of the format: pages are found by its bits, taken from the top.
 *
 * fold(a, b) is the upper half of the 128-bit product a x b, xor its lower half. Words are
 * little-endian, `length` counts bytes, and secrets 0 to 3 are drawn from the seed by splitmix64:
 *
 *     h = secret0
 *     while more than 16 bytes are left:  h = fold(word ^ secret1, next word ^ h); skip 16 bytes
 *     a, b = the last 16 bytes of the key           (length >= 16)
 *            its first 8 bytes, its last 8 bytes    (8 to 15)
 *            the key padded with zeros, 0           (below 8)
 *     hash = fold(fold(a ^ secret2, b ^ h) ^ secret3, secret1 ^ length)
 */

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
const LOW_HALF: u64 = 0xffff_ffff;

let secret0: u64 = 0;
let secret1: u64 = 0;
let secret2: u64 = 0;
let secret3: u64 = 0;
let mask: u64 = 0xffff_ffff_ffff_ffff;

/** The random number of this database. Set before any page of a hashed tree is used. */
export function setHashSeed(seed: u64): void {
  secret0 = draw(seed + GOLDEN);
  secret1 = draw(seed + GOLDEN * 2);
  secret2 = draw(seed + GOLDEN * 3);
  secret3 = draw(seed + GOLDEN * 4);
}

/** Output function of splitmix64 (Steele, Lea, Flood 2014). */
function draw(state: u64): u64 {
  let z = state;
  z = (z ^ (z >> 30)) * 0xbf58_476d_1ce4_e5b9;
  z = (z ^ (z >> 27)) * 0x94d0_49bb_1331_11eb;
  return z ^ (z >> 31);
}

/** For tests: only these bits of every hash count, the others are 0. */
export function setHashMask(bits: u64): void {
  mask = bits;
}

@unmanaged
class Word {
  @inline static fold(a: u64, b: u64): u64 {
    const aLow = a & LOW_HALF;
    const aHigh = a >> 32;
    const bLow = b & LOW_HALF;
    const bHigh = b >> 32;
    const middle = aHigh * bLow;
    const other = aLow * bHigh;
    const carried = ((aLow * bLow) >> 32) + (middle & LOW_HALF) + (other & LOW_HALF);
    return (aHigh * bHigh + (middle >> 32) + (other >> 32) + (carried >> 32)) ^ (a * b);
  }
}

/** Reads up to 7 bytes past the end of a key, but does not depend on them. */
export function hashBytes(key: usize, length: u32): u64 {
  let h = secret0;
  let a: u64 = 0;
  let b: u64 = 0;
  if (length >= 8) {
    let at = key;
    const last = key + length - 16;
    while (at < last) {
      h = Word.fold(load<u64>(at) ^ secret1, load<u64>(at, 8) ^ h);
      at += 16;
    }
    a = load<u64>(length >= 16 ? last : key);
    b = load<u64>(last, 8);
  } else if (length > 0) {
    a = load<u64>(key) & (~(<u64>0) >> ((8 - length) << 3));
  }
  return Word.fold(Word.fold(a ^ secret2, b ^ h) ^ secret3, secret1 ^ length) & mask;
}
