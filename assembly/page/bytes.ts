/** Comparing and copying short byte strings. Loads may reach up to 7 bytes past the end of a string. */

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

/** The first four bytes as a number that orders like the bytes; missing ones count as zero. */
export function headOf(at: usize, bytes: u32): u32 {
  const head = bswap(load<u32>(at));
  return bytes >= 4 ? head : bytes == 0 ? 0 : head & (0xffff_ffff << ((4 - bytes) << 3));
}

/** memory.copy is a call into the engine; short runs are cheaper word by word. */
export function copyBytes(target: usize, source: usize, bytes: u32): void {
  if (bytes > 128) {
    memory.copy(target, source, bytes);
    return;
  }
  let left = bytes;
  while (left >= 16) {
    v128.store(target, v128.load(source));
    target += 16;
    source += 16;
    left -= 16;
  }
  if (left >= 8) {
    store<u64>(target, load<u64>(source));
    target += 8;
    source += 8;
    left -= 8;
  }
  while (left > 0) {
    store<u8>(target++, load<u8>(source++));
    left--;
  }
}
