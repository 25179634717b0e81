/**
 * A set of slots, one bit each, for work that looks at every link: small enough to stay in the
 * caches, where a byte of each record would not. A handle is the block's address: its bytes, then
 * the bits.
 */
import { allocate, release } from "./memory";

/** An empty set for slots below `slots`; 0 when there is no memory. */
export function makeMarks(slots: u32): usize {
  const bytes = (<usize>(slots >>> 3) + 8) & ~7;
  const at = allocate(bytes + 8);
  if (at != 0) store<u32>(at, <u32>bytes);
  return at;
}

export function dropMarks(marks: usize): void {
  if (marks != 0) release(marks, <usize>load<u32>(marks) + 8);
}

export function clearMarks(marks: usize): void {
  memory.fill(marks + 8, 0, <usize>load<u32>(marks));
}

export function setMark(marks: usize, slot: u32): void {
  const at = marks + 8 + <usize>(slot >>> 3);
  store<u8>(at, load<u8>(at) | <u8>((<u32>1) << (slot & 7)));
}

/** Whether the slot, which may lie beyond the set, is in it. */
export function hasMark(marks: usize, slot: u32): bool {
  const byte = slot >>> 3;
  if (byte >= load<u32>(marks)) return false;
  return ((load<u8>(marks + 8 + <usize>byte) >>> (slot & 7)) & 1) != 0;
}
