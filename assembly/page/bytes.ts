/**
 * Comparing and copying short byte strings. Loads may reach up to 7 bytes past the end of a string.
 */

/** Byte order; a proper prefix comes first. Negative, 0 or positive. */
export function compareBytes(a: usize, aBytes: u32, b: usize, bBytes: u32): i32 {
  let left = min(aBytes, bBytes);
  while (left >= 8) {
    const x = load<u64>(a);
    const y = load<u64>(b);
    if (x != y) return bswap(x) < bswap(y) ? -1 : 1;
    a += 8;
    b += 8;
    left -= 8;
  }
  if (left > 0) {
    const drop = <u64>(64 - (left << 3));
    const x = bswap(load<u64>(a)) >> drop;
    const y = bswap(load<u64>(b)) >> drop;
    if (x != y) return x < y ? -1 : 1;
  }
  return <i32>aBytes - <i32>bBytes;
}

/** How many leading bytes both have in common. */
export function commonBytes(a: usize, aBytes: u32, b: usize, bBytes: u32): u32 {
  const most = min(aBytes, bBytes);
  let at: u32 = 0;
  while (at + 8 <= most) {
    const difference = load<u64>(a + at) ^ load<u64>(b + at);
    if (difference != 0) return at + <u32>(ctz(difference) >> 3);
    at += 8;
  }
  while (at < most && load<u8>(a + at) == load<u8>(b + at)) at++;
  return at;
}

/** True if all of [at, at + bytes) is zero. */
export function isZero(at: usize, bytes: u32): bool {
  const end = at + bytes;
  while (at + 8 <= end) {
    if (load<u64>(at) != 0) return false;
    at += 8;
  }
  while (at < end) if (load<u8>(at++) != 0) return false;
  return true;
}

/** The first four bytes as a number that orders like the bytes; missing ones count as zero. */
export function headOf(at: usize, bytes: u32): u32 {
  const head = bswap(load<u32>(at));
  return bytes >= 4 ? head : bytes == 0 ? 0 : head & (0xffff_ffff << ((4 - bytes) << 3));
}

/**
 * memory.copy is a call into the engine; short runs are cheaper word by word. The last word may
 * cover bytes that an earlier one has copied already. The two must not overlap.
 */
export function copyBytes(target: usize, source: usize, bytes: u32): void {
  if (bytes >= 16) {
    if (bytes > 256) {
      memory.copy(target, source, bytes);
      return;
    }
    const last = bytes - 16;
    for (let at: u32 = 0; at < last; at += 16) {
      v128.store(target + at, v128.load(source + at));
    }
    v128.store(target + last, v128.load(source + last));
  } else if (bytes >= 8) {
    const last = load<u64>(source + bytes - 8);
    store<u64>(target, load<u64>(source));
    store<u64>(target + bytes - 8, last);
  } else if (bytes >= 4) {
    const last = load<u32>(source + bytes - 4);
    store<u32>(target, load<u32>(source));
    store<u32>(target + bytes - 4, last);
  } else {
    for (let at: u32 = 0; at < bytes; at++) store<u8>(target + at, load<u8>(source + at));
  }
}
