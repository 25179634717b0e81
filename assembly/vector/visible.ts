/** Which nodes may be results: those that are alive at the search's seq, and in the filter. */
import { OUT_OF_MEMORY } from "./errors";
import { allocate, release, wordAt } from "./memory";
import { ALIVE } from "./record";
import { recordOf } from "./shape";

let bitmap: usize = 0;
let words: u32 = 0;
let capacity: u32 = 0;
export let hasFilter: bool = false;
/** Bits that are set in the filter. */
export let filterCount: u32 = 0;

/** The seq of the running search; `NOW` sees what is alive. */
export const NOW: u64 = ALIVE - 1;
let seq: u64 = NOW;

export function setSeq(ofSearch: u64): void {
  seq = ofSearch;
}

export function passes(slot: u32): bool {
  const record = recordOf(slot);
  if (load<u64>(record, 8) > seq || seq >= load<u64>(record, 16)) return false;
  return !hasFilter || isAllowed(load<u32>(record));
}

export function isAllowed(label: u32): bool {
  const word = label >>> 5;
  return word < words && ((load<u32>(wordAt(bitmap, word)) >>> (label & 31)) & 1) != 0;
}

/** Room for a bitmap of `wanted` words, to be filled by the host; its address. */
export function reserveFilter(wanted: u32): i32 {
  if (wanted > capacity) {
    const next = allocate((<usize>wanted) << 2);
    if (next == 0) return OUT_OF_MEMORY;
    release(bitmap, (<usize>capacity) << 2);
    bitmap = next;
    capacity = wanted;
  }
  words = wanted;
  return 0;
}

export function filterAddress(): usize {
  return bitmap;
}

/** Begins to use the bitmap; answers how many bits are set. */
export function useFilter(): u32 {
  hasFilter = true;
  filterCount = 0;
  const end = wordAt(bitmap, words);
  for (let at = bitmap; at < end; at += 4) filterCount += popcnt<u32>(load<u32>(at));
  return filterCount;
}

export function clearFilter(): void {
  hasFilter = false;
}

export function filterWords(): u32 {
  return words;
}
export function filterWord(index: u32): u32 {
  return load<u32>(wordAt(bitmap, index));
}
