/**
 * Slotted pages: the layout that leaves and branches share.
 *
 *     | header 32 | slots, 8 bytes each, in key order -> |   gap   | <- cells, prefix | check |
 *
 * A slot is u32 head, u16 offset, u16 suffixLength. The head is the first four bytes of the key's
 * suffix as a number, so that most comparisons end without touching the cell. A cell is the suffix
 * (the key without the page's prefix) followed by its tail:
 *
 *     branch tail    id 6, count 6              child page, records below it
 *     leaf tail      flags 1, seq 6, [expiresAt 6], valueLength 2, value
 *
 * All keys of a page share its prefix. Entry 0 of a branch counts as minus infinity when searching.
 */
import {
  INLINE_BYTES_MAX,
  INLINE_VALUE_ALWAYS,
  KEY_BYTES_MAX,
  PAGE_BODY_BYTES,
  PAGE_BYTES,
} from "../memory";
import { commonBytes, compareBytes, copyBytes, headOf, isZero } from "./bytes";
import { isDescriptor } from "./extent";
import {
  HEADER_BYTES,
  KIND_BRANCH,
  KIND_LEAF,
  countOf,
  garbageOf,
  heapStartOf,
  isPageId,
  kindOf,
  levelOf,
  loadId,
  prefixLengthOf,
  prefixOf,
  setCount,
  setGarbage,
  setHeapStart,
  setPrefix,
} from "./header";

export const SLOT_BYTES: u32 = 8;
export const BRANCH_TAIL_BYTES: u32 = 12;
const LEAF_TAIL_BYTES_MIN: u32 = 9;
/** More levels than 2^48 pages could need. */
const LEVEL_MAX: u32 = 15;

/** Leaf tail flags. */
export const RECORD_EXPIRES: u32 = 1;
export const RECORD_OVERFLOW: u32 = 2;

const rebuilt: usize = memory.data(4096, 16);

function slotAt(page: usize, index: u32): usize {
  return page + HEADER_BYTES + <usize>(index << 3);
}
export function suffixLengthAt(page: usize, index: u32): u32 {
  return load<u16>(slotAt(page, index), 6);
}
export function cellAt(page: usize, index: u32): usize {
  return page + load<u16>(slotAt(page, index), 4);
}
/** Where the tail of an entry stands. */
export function tailAt(page: usize, index: u32): usize {
  const slot = slotAt(page, index);
  return page + load<u16>(slot, 4) + load<u16>(slot, 6);
}
export function keyLengthAt(page: usize, index: u32): u32 {
  return prefixLengthOf(page) + suffixLengthAt(page, index);
}
/** Copies an entry's whole key to `target`; its length. */
export function copyKey(page: usize, index: u32, target: usize): u32 {
  const prefix = prefixLengthOf(page);
  const suffix = suffixLengthAt(page, index);
  copyBytes(target, prefixOf(page), prefix);
  copyBytes(target + prefix, cellAt(page, index), suffix);
  return prefix + suffix;
}

/** Bytes of a leaf tail, from its own fields. */
export function leafTailBytes(tail: usize): u32 {
  const fixed: u32 = 7 + (load<u8>(tail) & RECORD_EXPIRES ? 6 : 0);
  return fixed + 2 + load<u16>(tail + fixed);
}
export function tailBytesAt(page: usize, index: u32): u32 {
  return levelOf(page) > 0 ? BRANCH_TAIL_BYTES : leafTailBytes(tailAt(page, index));
}

/** The index of the key, or ~(the index where it belongs). */
export function search(page: usize, key: usize, keyLength: u32): i32 {
  const count = countOf(page);
  const prefix = prefixLengthOf(page);
  if (prefix > 0) {
    const order = compareBytes(key, min(keyLength, prefix), prefixOf(page), prefix);
    if (order != 0) return order < 0 ? ~0 : ~(<i32>count);
  }
  const suffix = key + prefix;
  const suffixLength = keyLength - prefix;
  const head = headOf(suffix, suffixLength);
  let low = searchHead(page, 0, count, head);
  if (low == count || headAt(page, low) != head) return ~(<i32>low);
  // Few entries share a head, as a rule, and one alone must still be compared.
  let high = low + 1;
  if (high < count && headAt(page, high) == head) {
    high = head == u32.MAX_VALUE ? count : searchHead(page, high, count, head + 1);
  }
  while (low < high) {
    const middle = (low + high) >>> 1;
    const slot = slotAt(page, middle);
    const order = compareBytes(page + load<u16>(slot, 4), load<u16>(slot, 6), suffix, suffixLength);
    if (order == 0) return <i32>middle;
    if (order < 0) low = middle + 1;
    else high = middle;
  }
  return ~(<i32>low);
}

/**
 * Begins to fetch the slots of a page that is likely not in the cache, all at once instead of one
 * after the other as a search would. Enough for records of 100 bytes and more.
 */
export function touchSlots(page: usize): void {
  touched = load<u8>(page, 64) | load<u8>(page, 128) | load<u8>(page, 192) | load<u8>(page, 256);
}
/**
 * Begins to fetch the cells of up to `most` entries of [from, to), from its low or its high end.
 */
export function touchCells(page: usize, from: u32, to: u32, fromEnd: bool, most: u32): void {
  const count = min(to - from, most);
  let slot = slotAt(page, fromEnd ? to - count : from);
  let sum: u32 = 0;
  for (let index: u32 = 0; index < count; index++) {
    const cell = page + load<u16>(slot, 4);
    sum |= load<u8>(cell) | load<u8>(cell, 64);
    slot += SLOT_BYTES;
  }
  touched = sum;
}
/** Where touched bytes go, so that the loads are not left out. */
let touched: u32 = 0;

function headAt(page: usize, index: u32): u32 {
  return load<u32>(slotAt(page, index));
}

/** The first entry of [from, to) whose head is not below `head`, else `to`. Without branches. */
function searchHead(page: usize, from: u32, to: u32, head: u32): u32 {
  if (from == to) return to;
  let slot = slotAt(page, from);
  let left = to - from;
  while (left > 1) {
    const half = left >>> 1;
    slot += (half << 3) & -u32(load<u32>(slot + (half << 3) - SLOT_BYTES) < head);
    left -= half;
  }
  return <u32>((slot - slotAt(page, 0)) >>> 3) + u32(load<u32>(slot) < head);
}

/** Order of an entry's key against `key`. */
export function compareAt(page: usize, index: u32, key: usize, keyLength: u32): i32 {
  const prefix = prefixLengthOf(page);
  if (prefix > 0) {
    const most = min(keyLength, prefix);
    const order = compareBytes(prefixOf(page), prefix, key, most);
    // Shorter keys end inside the prefix: then the entry, which is longer, comes after.
    if (order != 0) return order;
  }
  return compareBytes(
    cellAt(page, index),
    suffixLengthAt(page, index),
    key + prefix,
    keyLength - prefix,
  );
}

/** Bytes between the slots and the cells. */
function gapOf(page: usize): u32 {
  return heapStartOf(page) - HEADER_BYTES - countOf(page) * SLOT_BYTES;
}

/** Bytes that entries could take, holes included. */
export function freeBytesOf(page: usize): u32 {
  return gapOf(page) + garbageOf(page);
}

/** True when the key begins with the page's prefix. */
export function sharesPrefix(page: usize, key: usize, keyLength: u32): bool {
  const prefix = prefixLengthOf(page);
  return (
    prefix == 0 || (keyLength >= prefix && compareBytes(key, prefix, prefixOf(page), prefix) == 0)
  );
}

/** Puts an entry at `index`. False, and nothing done, when it does not fit with this prefix. */
export function insertAt(
  page: usize,
  index: u32,
  key: usize,
  keyLength: u32,
  tail: usize,
  tailBytes: u32,
): bool {
  if (countOf(page) == 0) resetPrefix(page);
  else if (!sharesPrefix(page, key, keyLength)) {
    if (!shortenPrefix(page, commonBytes(prefixOf(page), prefixLengthOf(page), key, keyLength))) {
      return false;
    }
  }
  const prefix = prefixLengthOf(page);
  const suffixLength = keyLength - prefix;
  const need = SLOT_BYTES + suffixLength + tailBytes;
  if (need > gapOf(page)) {
    if (need > freeBytesOf(page)) return false;
    compact(page, rebuilt);
    memory.copy(page, rebuilt, PAGE_BODY_BYTES);
  }
  const count = countOf(page);
  const slot = slotAt(page, index);
  memory.copy(slot + SLOT_BYTES, slot, <usize>((count - index) << 3));
  const offset = heapStartOf(page) - suffixLength - tailBytes;
  store<u32>(slot, headOf(key + prefix, suffixLength));
  store<u16>(slot, offset, 4);
  store<u16>(slot, suffixLength, 6);
  copyBytes(page + offset, key + prefix, suffixLength);
  copyBytes(page + offset + suffixLength, tail, tailBytes);
  setHeapStart(page, offset);
  setCount(page, count + 1);
  return true;
}

/** Takes an entry out; its cell becomes garbage until the page is compacted. */
export function removeAt(page: usize, index: u32): void {
  const count = countOf(page);
  const bytes = suffixLengthAt(page, index) + tailBytesAt(page, index);
  const slot = slotAt(page, index);
  memory.copy(slot, slot + SLOT_BYTES, <usize>((count - index - 1) << 3));
  setCount(page, count - 1);
  setGarbage(page, garbageOf(page) + bytes);
}

/** An empty page needs no prefix. */
function resetPrefix(page: usize): void {
  setHeapStart(page, PAGE_BODY_BYTES);
  setGarbage(page, 0);
  setPrefix(page, 0, 0);
}

/** Gives every entry back the bytes of the prefix beyond `length`. False when they do not fit. */
function shortenPrefix(page: usize, length: u32): bool {
  const count = countOf(page);
  const prefix = prefixLengthOf(page);
  // Each entry grows by what the prefix loses; the prefix itself shrinks once.
  if ((prefix - length) * count > freeBytesOf(page) + (prefix - length)) return false;
  begin(rebuilt, page, length, prefixOf(page));
  appendRange(rebuilt, page, 0, count);
  memory.copy(page, rebuilt, PAGE_BODY_BYTES);
  return true;
}

/** Starts an empty page at `target` with the header of `like` and a prefix. */
export function begin(target: usize, like: usize, prefixLength: u32, prefix: usize): void {
  memory.copy(target, like, HEADER_BYTES);
  const offset = PAGE_BODY_BYTES - prefixLength;
  copyBytes(target + offset, prefix, prefixLength);
  setHeapStart(target, offset);
  setPrefix(target, offset, prefixLength);
  setCount(target, 0);
  setGarbage(target, 0);
}

/** Appends an entry behind all others. The key begins with the page's prefix, and it fits. */
export function append(page: usize, key: usize, keyLength: u32, tail: usize, tailBytes: u32): void {
  const prefix = prefixLengthOf(page);
  const suffixLength = keyLength - prefix;
  const count = countOf(page);
  const offset = heapStartOf(page) - suffixLength - tailBytes;
  assert(offset >= HEADER_BYTES + (count + 1) * SLOT_BYTES, "the entry fits");
  const slot = slotAt(page, count);
  store<u32>(slot, headOf(key + prefix, suffixLength));
  store<u16>(slot, offset, 4);
  store<u16>(slot, suffixLength, 6);
  copyBytes(page + offset, key + prefix, suffixLength);
  copyBytes(page + offset + suffixLength, tail, tailBytes);
  setHeapStart(page, offset);
  setCount(page, count + 1);
}

const keyScratch: usize = memory.data(2048, 16);

/** Appends entries [from, to) of another page, whose keys all begin with this page's prefix. */
export function appendRange(page: usize, source: usize, from: u32, to: u32): void {
  const sourcePrefix = prefixLengthOf(source);
  const prefix = prefixLengthOf(page);
  for (let index = from; index < to; index++) {
    const tail = tailAt(source, index);
    const tailBytes = tailBytesAt(source, index);
    if (prefix >= sourcePrefix) {
      // The suffix alone holds all that is needed: hand it over as if the prefix stood before it.
      const drop = prefix - sourcePrefix;
      const suffix = cellAt(source, index) + drop;
      append(page, suffix - prefix, suffixLengthAt(source, index) + sourcePrefix, tail, tailBytes);
    } else {
      append(page, keyScratch, copyKey(source, index, keyScratch), tail, tailBytes);
    }
  }
}

/** Writes the page to `target` without holes, cells in entry order, unused bytes zero. */
export function compact(page: usize, target: usize): void {
  begin(target, page, prefixLengthOf(page), prefixOf(page));
  const count = countOf(page);
  appendRange(target, page, 0, count);
  const slotsEnd = HEADER_BYTES + count * SLOT_BYTES;
  memory.fill(target + slotsEnd, 0, heapStartOf(target) - slotsEnd);
}

/** True if a record with such a key and value stands in its leaf whole. */
export function fitsInline(keyLength: u32, valueBytes: u32): bool {
  return valueBytes <= INLINE_VALUE_ALWAYS || keyLength + valueBytes <= INLINE_BYTES_MAX;
}

/**
 * True if the page is in canonical form: every offset inside, entries in order, cells without gaps,
 * unused bytes zero, and every key, value and reference of a possible size. All code that changes
 * pages relies on it, so a page that does not pass never gets into a tree.
 */
export function validateSlotted(page: usize): bool {
  const level = levelOf(page);
  const count = countOf(page);
  if (kindOf(page) != (level == 0 ? KIND_LEAF : KIND_BRANCH) || level > LEVEL_MAX) return false;
  if (count == 0 || garbageOf(page) != 0 || !isZero(page + 16, 16)) return false;
  const prefix = prefixLengthOf(page);
  const heapStart = heapStartOf(page);
  const slotsEnd = HEADER_BYTES + count * SLOT_BYTES;
  if (slotsEnd > heapStart || heapStart > PAGE_BODY_BYTES) return false;
  if (<u32>(prefixOf(page) - page) + prefix != PAGE_BODY_BYTES) return false;
  let end = PAGE_BODY_BYTES - prefix;
  for (let index: u32 = 0; index < count; index++) {
    const cell = cellAt(page, index);
    const offset = <u32>(cell - page);
    const suffix = suffixLengthAt(page, index);
    if (offset < heapStart || offset + suffix + LEAF_TAIL_BYTES_MIN > end) return false;
    if (offset + suffix + tailBytesAt(page, index) != end) return false;
    const tail = tailAt(page, index);
    if (level > 0 ? !isPageId(loadId(tail)) : !isRecord(tail, prefix + suffix)) return false;
    if (prefix + suffix > KEY_BYTES_MAX || headOf(cell, suffix) != headAt(page, index))
      return false;
    if (index > 0 && !isInOrder(page, index)) return false;
    end = offset;
  }
  return end == heapStart && isZero(page + slotsEnd, heapStart - slotsEnd);
}

/** True if the entry's key is above that of the one before it. */
function isInOrder(page: usize, index: u32): bool {
  const before = headAt(page, index - 1);
  const head = headAt(page, index);
  if (before != head) return before < head;
  const order = compareBytes(
    cellAt(page, index - 1),
    suffixLengthAt(page, index - 1),
    cellAt(page, index),
    suffixLengthAt(page, index),
  );
  return order < 0;
}

/** True if a leaf tail, whose length is known to be right, can belong to a key of that length. */
export function isRecord(tail: usize, keyLength: u32): bool {
  const flags: u32 = load<u8>(tail);
  if (flags > (RECORD_EXPIRES | RECORD_OVERFLOW)) return false;
  const value = tail + 9 + (flags & RECORD_EXPIRES ? 6 : 0);
  const bytes: u32 = load<u16>(value - 2);
  return flags & RECORD_OVERFLOW
    ? isDescriptor(value, bytes, keyLength)
    : fitsInline(keyLength, bytes);
}

assert(PAGE_BYTES > PAGE_BODY_BYTES);
