/**
 * Append-only lists of pairs of u64, kept in frames that hold no page.
 *
 * A list is the address of its newest block, 0 when empty. A block:
 *
 *      0  u32  next      older block, 0 at the oldest
 *      4  u32  count     pairs in this block
 *     16  ..   pairs     16 bytes each
 */
import { PAGE_BYTES } from "../memory";
import { giveFrame, takeFrame } from "./frame";

const PAIRS_PER_BLOCK: u32 = (PAGE_BYTES - 16) >>> 4;

/** The list with a pair more. */
export function pushPair(list: usize, first: u64, second: u64): usize {
  let block = list;
  if (block == 0 || load<u32>(block, 4) == PAIRS_PER_BLOCK) {
    block = takeFrame();
    store<u32>(block, list);
    store<u32>(block, 0, 4);
  }
  const count = load<u32>(block, 4);
  const at = block + 16 + ((<usize>count) << 4);
  store<u64>(at, first);
  store<u64>(at, second, 8);
  store<u32>(block, count + 1, 4);
  return block;
}

export function lastFirst(list: usize): u64 {
  return load<u64>(list + ((<usize>load<u32>(list, 4)) << 4));
}
export function lastSecond(list: usize): u64 {
  return load<u64>(list + ((<usize>load<u32>(list, 4)) << 4), 8);
}

export function setLastFirst(list: usize, first: u64): void {
  store<u64>(list + ((<usize>load<u32>(list, 4)) << 4), first);
}

/** The list without its last pair. A block that becomes empty is given back. */
export function popPair(list: usize): usize {
  const count = load<u32>(list, 4) - 1;
  store<u32>(list, count, 4);
  if (count > 0) return list;
  const older = load<u32>(list);
  giveFrame(list);
  return older;
}

export function freeList(list: usize): void {
  let block = list;
  while (block != 0) {
    const older: usize = load<u32>(block);
    giveFrame(block);
    block = older;
  }
}
