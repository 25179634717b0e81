/**
 * A U256 in memory: 32 bytes, four u64 limbs, least significant first, at any alignment.
 *
 *     offset   0        8        16       24       32
 *              | limb0  | limb1  | limb2  | limb3  |
 *     weight     1        2^64     2^128    2^192
 *
 * The functions of this folder take the addresses of their operands. All operands are read before
 * a result is written, so a result may replace an operand. A negative result leaves memory as it
 * was, except in batches (batch.ts).
 */

export const U256_BYTES: usize = 32;

/** asc puts nothing below: static data begins at 8 without optimisation, at 1,024 with it. */
const MEMORY_START: usize = 8;

@unmanaged
export class U256 {
  limb0: u64;
  limb1: u64;
  limb2: u64;
  limb3: u64;

  /** The value at `pointer`. The checked build stops at an address that cannot hold one. */
  @inline static at(pointer: usize): U256 {
    assertRange(pointer, U256_BYTES);
    return changetype<U256>(pointer);
  }

  @inline set(limb0: u64, limb1: u64, limb2: u64, limb3: u64): void {
    this.limb0 = limb0;
    this.limb1 = limb1;
    this.limb2 = limb2;
    this.limb3 = limb3;
  }

  @inline copy(from: U256): void {
    this.set(from.limb0, from.limb1, from.limb2, from.limb3);
  }
}

/** Stops the checked build unless `length` bytes at `pointer` can be data; nothing in release. */
export function assertRange(pointer: usize, length: u64): void {
  assert(pointer >= MEMORY_START, "u256: null or unset address");
  assert(<u64>pointer + length <= (<u64>memory.size()) << 16, "u256: address outside the memory");
}

/** Two columns may be one and the same or lie apart; an overlap would be read half written. */
export function assertSameOrApart(left: usize, right: usize, length: usize): void {
  assert(
    left == right || left + length <= right || right + length <= left,
    "u256: columns overlap in part",
  );
}
