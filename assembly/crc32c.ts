// CRC-32C (Castagnoli), the check of every page and every log frame: polynomial 0x1EDC6F41,
// bits reflected, register inverted before and after (RFC 3720, appendix B.4).
//
// Read the input as a polynomial over GF(2) in y = x^8, first byte at the highest power. The
// checksum is its remainder modulo P, so any multiple of P may be added to it. This one has six
// terms (found by search; multiples with fewer terms span more than 5,000 bytes):
//
//     y^209 + y^144 + y^54 + y^39 + y^14 + 1 = 0 (mod P)
//
// Adding it at byte p clears that byte and changes the bytes 65, 155, 170, 195 and 209 further on.
// Clearing all bytes from the first on leaves a remainder of 209 bytes with the same checksum:
//
//     cleared[p] = input[p] ^ cleared[p - 65] ^ cleared[p - 155] ^ ... ^ cleared[p - 209]
//
// That is plain xor, 16 bytes at a time, without tables. Squaring keeps a multiple of P a multiple
// and doubles its distances. Longer distances read bytes whose store is long finished, which is
// faster, but leave a longer remainder. (The idea: K. Russell, "Chorba", arXiv 2412.16398.)
//
//     shorter than NEAR_BYTES_MIN   slicing tables, 16 bytes a step
//     shorter than FAR_BYTES_MIN    distances doubled once: leaves 432 bytes for the tables
//     longer                        doubled thrice: leaves 1,680 bytes for the way above
//
// The input is only read, at any alignment, and never beyond its end.

const TABLES: usize = 16;
const TABLE_BYTES: usize = 256 * 4;
/** tables[k][b]: the register after byte b and k zero bytes. */
const tables: usize = memory.data(<i32>(TABLES * TABLE_BYTES), 16);

const NEAR: usize = 2;
const NEAR_BYTES_MIN: usize = 512;
const NEAR_WINDOW: usize = 209 * NEAR;
/** The window rounded up to whole vectors: what clearing leaves. */
const NEAR_REST: usize = 432;
const FAR: usize = 8;
const FAR_BYTES_MIN: usize = 16384;
const FAR_WINDOW: usize = 209 * FAR;
const FAR_REST: usize = 1680;
const FAR_BLOCK: usize = 8192;

// Cleared bytes, written behind one window of zeros that stands for the bytes before the first.
// One call writes all it reads, except those zeros: of nearCleared nothing ever writes them.
const nearCleared: usize = memory.data(<i32>(NEAR_WINDOW + FAR_BYTES_MIN + NEAR_REST), 16);
const nearRest: usize = memory.data(<i32>NEAR_REST, 16);
const farCleared: usize = memory.data(<i32>(FAR_WINDOW + FAR_BLOCK + FAR_REST), 16);
const farRest: usize = memory.data(<i32>FAR_REST, 16);

/**
 * CRC-32C of `length` bytes at `pointer`. `seed` is the CRC of the bytes before them, 0 for none:
 * crc32c(b, crc32c(a, 0)) = crc32c(a followed by b). Read the result in JavaScript with `>>> 0`.
 */
export function crc32c(pointer: usize, length: usize, seed: u32): u32 {
  assert(
    <u64>pointer + <u64>length <= (<u64>memory.size()) << 16,
    "crc32c: the input lies outside the memory",
  );
  let register = ~seed;
  let done: usize = 0;
  if (length >= FAR_BYTES_MIN) {
    done = length & ~15;
    register = far(pointer, done, register);
  } else if (length >= NEAR_BYTES_MIN) {
    done = length & ~15;
    register = near(pointer, done, register);
  }
  return ~sliced(pointer + done, length - done, register);
}

function entry(table: usize, byte: u32): u32 {
  return load<u32>(tables + table * TABLE_BYTES + ((<usize>byte) << 2));
}

/** The register after `length` bytes, by table lookups that depend on one another 4 in 16. */
function sliced(pointer: usize, length: usize, register: u32): u32 {
  for (; length >= 16; length -= 16, pointer += 16) {
    const first = load<u32>(pointer) ^ register;
    register =
      entry(15, first & 255) ^
      entry(14, (first >>> 8) & 255) ^
      entry(13, (first >>> 16) & 255) ^
      entry(12, first >>> 24);
    register ^= entry(11, load<u8>(pointer, 4)) ^ entry(10, load<u8>(pointer, 5));
    register ^= entry(9, load<u8>(pointer, 6)) ^ entry(8, load<u8>(pointer, 7));
    register ^= entry(7, load<u8>(pointer, 8)) ^ entry(6, load<u8>(pointer, 9));
    register ^= entry(5, load<u8>(pointer, 10)) ^ entry(4, load<u8>(pointer, 11));
    register ^= entry(3, load<u8>(pointer, 12)) ^ entry(2, load<u8>(pointer, 13));
    register ^= entry(1, load<u8>(pointer, 14)) ^ entry(0, load<u8>(pointer, 15));
  }
  for (; length >= 4; length -= 4, pointer += 4) {
    const word = load<u32>(pointer) ^ register;
    register =
      entry(3, word & 255) ^
      entry(2, (word >>> 8) & 255) ^
      entry(1, (word >>> 16) & 255) ^
      entry(0, word >>> 24);
  }
  for (; length > 0; length--, pointer++) {
    register = (register >>> 8) ^ entry(0, (register ^ load<u8>(pointer)) & 255);
  }
  return register;
}

/** `length`: a multiple of 16, at least NEAR_REST and at most FAR_BYTES_MIN. */
function near(pointer: usize, length: usize, register: u32): u32 {
  const end = pointer + length - NEAR_REST;
  // `behind` points one window before the place of the bytes at `pointer`.
  let behind = nearCleared;
  let at = pointer;
  if (at < end) {
    v128.store(behind, withRegister(at, register), NEAR_WINDOW);
    register = 0;
    for (at += 16, behind += 16; at < end; at += 16, behind += 16) {
      v128.store(behind, nearTerms(at, behind), NEAR_WINDOW);
    }
  }
  // The rest is not cleared: zeros stand for it, so that its terms come from before it only.
  for (let offset: usize = 0; offset < NEAR_REST; offset += 16) {
    v128.store(behind + offset, i64x2.splat(0), NEAR_WINDOW);
  }
  for (let offset: usize = 0; offset < NEAR_REST; offset += 16) {
    v128.store(nearRest + offset, nearTerms(at + offset, behind + offset));
  }
  return sliced(nearRest, NEAR_REST, register);
}

function nearTerms(pointer: usize, behind: usize): v128 {
  return v128.xor(
    v128.xor(
      v128.xor(v128.load(pointer), v128.load(behind, NEAR_WINDOW - 65 * NEAR)),
      v128.load(behind, NEAR_WINDOW - 155 * NEAR),
    ),
    v128.xor(
      v128.load(behind, NEAR_WINDOW - 170 * NEAR),
      v128.xor(v128.load(behind, NEAR_WINDOW - 195 * NEAR), v128.load(behind)),
    ),
  );
}

/** `length`: a multiple of 16, at least FAR_BYTES_MIN less 15. */
function far(pointer: usize, length: usize, register: u32): u32 {
  const end = pointer + length - FAR_REST;
  let at = pointer;
  let behind = farCleared;
  memory.fill(farCleared, 0, FAR_WINDOW);
  v128.store(behind, withRegister(at, register), FAR_WINDOW);
  at += 16;
  behind += 16;
  let stop = min(end, pointer + FAR_BLOCK);
  while (true) {
    for (; at < stop; at += 16, behind += 16) {
      v128.store(behind, farTerms(at, behind), FAR_WINDOW);
    }
    if (at == end) break;
    // The block is full: its last window becomes what lies before the next one.
    memory.copy(farCleared, farCleared + FAR_BLOCK, FAR_WINDOW);
    behind = farCleared;
    stop = min(end, at + FAR_BLOCK);
  }
  memory.fill(behind + FAR_WINDOW, 0, FAR_REST);
  for (let offset: usize = 0; offset < FAR_REST; offset += 16) {
    v128.store(farRest + offset, farTerms(at + offset, behind + offset));
  }
  return near(farRest, FAR_REST, 0);
}

function farTerms(pointer: usize, behind: usize): v128 {
  return v128.xor(
    v128.xor(
      v128.xor(v128.load(pointer), v128.load(behind, FAR_WINDOW - 65 * FAR)),
      v128.load(behind, FAR_WINDOW - 155 * FAR),
    ),
    v128.xor(
      v128.load(behind, FAR_WINDOW - 170 * FAR),
      v128.xor(v128.load(behind, FAR_WINDOW - 195 * FAR), v128.load(behind)),
    ),
  );
}

/** The first 16 bytes with the register added: it counts as the checksum of nothing before them. */
function withRegister(pointer: usize, register: u32): v128 {
  return v128.xor(v128.load(pointer), i32x4(register, 0, 0, 0));
}

function fillTables(): void {
  for (let byte: u32 = 0; byte < 256; byte++) {
    let register = byte;
    for (let bit = 0; bit < 8; bit++) {
      register = (register >>> 1) ^ (0x82f63b78 & (0 - (register & 1)));
    }
    store<u32>(tables + ((<usize>byte) << 2), register);
  }
  for (let table: usize = 1; table < TABLES; table++) {
    for (let byte: u32 = 0; byte < 256; byte++) {
      const before = entry(table - 1, byte);
      store<u32>(
        tables + table * TABLE_BYTES + ((<usize>byte) << 2),
        (before >>> 8) ^ entry(0, before & 255),
      );
    }
  }
}

fillTables();
