/**
 * Ordered trees: rows of a range, in columns.
 *
 * A scan keeps no cursor: every batch descends from the root of its epoch to where the last one
 * ended. Pages may be evicted between batches, and a batch costs one descent more than it must.
 *
 * OUTPUT holds, for up to ROWS_MAX rows:
 *
 *           0  u32 x 4096   where each row's key ends in the key column
 *      16 KiB  u32 x 4096   where each row's value ends in the value column
 *      32 KiB  u8  x 4096   record flags
 *      36 KiB  f64 x 4096   seq of last change
 *      68 KiB  f64 x 4096   expiresAt, 0 for never
 *     128 KiB  keys, 256 KiB
 *     384 KiB  values, 640 KiB; for overflow records the descriptor instead of the value
 */
import { PAGE_MISS } from "../errors";
import {
  OUTPUT,
  STATUS,
  STATUS_KEY_BYTES,
  STATUS_MORE,
  STATUS_VALUES_BYTES,
} from "../memory";
import { copyBytes } from "../page/bytes";
import { countOf, levelOf, loadId, kindOf, KIND_BRANCH, KIND_LEAF } from "../page/header";
import { REASON_LEVEL, corrupt } from "../page/image";
import { RECORD_EXPIRES, copyKey, keyLengthAt, search, tailAt } from "../page/slotted";
import { findPage } from "../page/table";
import { rootAt } from "../tree/tree";
import { childAt, childIndex, miss } from "./path";

export const ROWS_MAX: u32 = 4096;
export const KEY_ENDS: usize = 0;
export const VALUE_ENDS: usize = 16 * 1024;
export const FLAGS: usize = 32 * 1024;
export const SEQS: usize = 36 * 1024;
export const EXPIRES: usize = 68 * 1024;
export const KEYS: usize = 128 * 1024;
export const VALUES: usize = 384 * 1024;
const KEYS_BYTES: u32 = 256 * 1024;
const VALUES_BYTES: u32 = 640 * 1024;

export const SCAN_REVERSE: u32 = 1;
export const SCAN_AFTER_LOW: u32 = 2;
export const SCAN_THROUGH_HIGH: u32 = 4;
export const SCAN_KEYS: u32 = 8;
export const SCAN_VALUES: u32 = 16;
export const SCAN_META: u32 = 32;

export let rows: u32 = 0;
let keyBytes: u32 = 0;
let valueBytes: u32 = 0;

export function beginRows(): void {
  rows = 0;
  keyBytes = 0;
  valueBytes = 0;
}

export function endRows(more: bool): i32 {
  store<u32>(STATUS, keyBytes, STATUS_KEY_BYTES);
  store<u32>(STATUS, valueBytes, STATUS_VALUES_BYTES);
  store<u32>(STATUS, u32(more), STATUS_MORE);
  return <i32>rows;
}

/** Room in the key column for a row that is being written. */
export function keyRoom(length: u32): usize {
  return keyBytes + length > KEYS_BYTES ? 0 : OUTPUT + KEYS + keyBytes;
}

/** Writes the row whose key, if wanted, was put at `keyRoom`. False when the columns are full. */
export function pushRow(keyLength: u32, tail: usize, columns: u32): bool {
  const flags: u32 = load<u8>(tail);
  let offset: u32 = 7;
  let expiresAt: f64 = 0;
  if (flags & RECORD_EXPIRES) {
    expiresAt = <f64>loadId(tail + offset);
    offset += 6;
  }
  const at = <usize>rows;
  if (columns & SCAN_VALUES) {
    const bytes: u32 = load<u16>(tail + offset);
    if (valueBytes + bytes > VALUES_BYTES) return false;
    copyBytes(OUTPUT + VALUES + valueBytes, tail + offset + 2, bytes);
    valueBytes += bytes;
    store<u32>(OUTPUT + VALUE_ENDS + (at << 2), valueBytes);
  }
  store<u8>(OUTPUT + FLAGS + at, flags);
  if (columns & SCAN_META) {
    store<f64>(OUTPUT + SEQS + (at << 3), <f64>loadId(tail + 1));
    store<f64>(OUTPUT + EXPIRES + (at << 3), expiresAt);
  }
  keyBytes += keyLength;
  store<u32>(OUTPUT + KEY_ENDS + (at << 2), keyBytes);
  rows++;
  return true;
}

/** Flags of a row that only says how far a batch has come: everything up to its key has expired. */
export const ROW_SKIPPED: u32 = 254;
/** Flags of a row for a key that has no record. */
export const ROW_ABSENT: u32 = 255;

/** A row without a value. */
export function pushMarker(flags: u32, keyLength: u32): void {
  const at = <usize>rows;
  keyBytes += keyLength;
  store<u8>(OUTPUT + FLAGS + at, flags);
  store<u32>(OUTPUT + KEY_ENDS + (at << 2), keyBytes);
  store<u32>(OUTPUT + VALUE_ENDS + (at << 2), valueBytes);
  store<f64>(OUTPUT + SEQS + (at << 3), 0);
  store<f64>(OUTPUT + EXPIRES + (at << 3), 0);
  rows++;
}

export function isExpired(tail: usize, now: f64): bool {
  return (load<u8>(tail) & RECORD_EXPIRES) != 0 && <f64>loadId(tail + 7) <= now;
}

const branches: usize = memory.data(16 * 4, 16);
const indexes: usize = memory.data(16 * 4, 16);
let height: u32 = 0;
let leaf: usize = 0;

function stackPage(level: u32): usize {
  return load<u32>(branches + (<usize>level << 2));
}
function stackIndex(level: u32): u32 {
  return load<u32>(indexes + (<usize>level << 2));
}
function push(page: usize, index: u32): void {
  store<u32>(branches + (<usize>height << 2), page);
  store<u32>(indexes + (<usize>height << 2), index);
  height++;
}

/** Which child to enter on the way down. */
const TO_KEY: u32 = 0;
const TO_FIRST: u32 = 1;
const TO_LAST: u32 = 2;

/** Descends from `id` to a leaf, pushing branches. 0, PAGE_MISS or CORRUPT. */
function enter(id: u64, where: u32, key: usize, keyLength: u32): i32 {
  let expected: u32 = height == 0 ? 16 : levelOf(stackPage(height - 1)) - 1;
  while (true) {
    const page = findPage(id);
    if (page == 0) return miss(id);
    const level = levelOf(page);
    if (expected != 16 && level != expected) return corrupt(id, REASON_LEVEL);
    if (level == 0) {
      leaf = page;
      return kindOf(page) == KIND_LEAF ? 0 : corrupt(id, REASON_LEVEL);
    }
    if (kindOf(page) != KIND_BRANCH) return corrupt(id, REASON_LEVEL);
    const index =
      where == TO_KEY ? childIndex(page, key, keyLength) : where == TO_FIRST ? 0 : countOf(page) - 1;
    push(page, index);
    expected = level - 1;
    id = childAt(page, index);
  }
}

/** Moves to the neighbouring leaf: 1 moved, 0 there is none, or a negative code. */
function step(reverse: bool): i32 {
  while (height > 0) {
    const page = stackPage(height - 1);
    const index = stackIndex(height - 1);
    const canMove = reverse ? index > 0 : index + 1 < countOf(page);
    if (canMove) {
      const next = reverse ? index - 1 : index + 1;
      store<u32>(indexes + (<usize>(height - 1) << 2), next);
      const entered = enter(childAt(page, next), reverse ? TO_LAST : TO_FIRST, 0, 0);
      return entered < 0 ? entered : 1;
    }
    height--;
  }
  return 0;
}

/** First index of the leaf with key >= `key`, or > `key`. */
function lowerBound(key: usize, keyLength: u32, after: bool): u32 {
  const found = search(leaf, key, keyLength);
  return <u32>(found < 0 ? ~found : after ? found + 1 : found);
}

/**
 * Rows between low and high, from the low end or (SCAN_REVERSE) from the high end. Lengths of -1
 * mean no bound. Returns the rows in OUTPUT; STATUS_MORE tells whether the range may hold more.
 */
export function scan(
  tree: usize,
  at: u64,
  flags: u32,
  low: usize,
  lowLength: i32,
  high: usize,
  highLength: i32,
  now: f64,
  limit: u32,
): i32 {
  beginRows();
  const root = rootAt(tree, at);
  if (root == 0) return endRows(false);
  const reverse = (flags & SCAN_REVERSE) != 0;
  const start = reverse ? high : low;
  const startLength = reverse ? highLength : lowLength;
  height = 0;
  const where = startLength >= 0 ? TO_KEY : reverse ? TO_LAST : TO_FIRST;
  let moved = enter(root, where, start, <u32>startLength);
  if (moved < 0) return moved;
  const most = min(limit, ROWS_MAX);
  const afterLow = (flags & SCAN_AFTER_LOW) != 0;
  const throughHigh = (flags & SCAN_THROUGH_HIGH) != 0;
  let hops: u32 = 0;
  while (true) {
    const count = countOf(leaf);
    const from = lowLength < 0 ? 0 : lowerBound(low, lowLength, afterLow);
    const to = highLength < 0 ? count : lowerBound(high, highLength, throughHigh);
    if (from < to) {
      if (!emit(from, to, reverse, flags, now, most)) return endRows(true);
    }
    // The leaf holds a key beyond the range: nothing further can be inside.
    if (reverse ? from > 0 : to < count) return endRows(false);
    moved = step(reverse);
    if (moved == PAGE_MISS && rows == 0 && hops > 0) {
      // Nothing but expired records so far: say how far, or the next try would begin again.
      pushMarker(ROW_SKIPPED, copyKey(leaf, reverse ? 0 : count - 1, OUTPUT + KEYS));
    }
    if (moved < 0) return rows > 0 && moved == PAGE_MISS ? endRows(true) : moved;
    hops++;
    if (moved == 0) return endRows(false);
    if (rows == most) return endRows(true);
  }
}

/** Writes rows [from, to) of the leaf. False when the limit or the columns are full. */
function emit(from: u32, to: u32, reverse: bool, flags: u32, now: f64, most: u32): bool {
  let left = to - from;
  let index = reverse ? to - 1 : from;
  while (left-- > 0) {
    if (rows == most) return false;
    const tail = tailAt(leaf, index);
    if (!isExpired(tail, now)) {
      let length: u32 = 0;
      if (flags & SCAN_KEYS) {
        length = keyLengthAt(leaf, index);
        const room = keyRoom(length);
        if (room == 0) return false;
        copyKey(leaf, index, room);
      }
      if (!pushRow(length, tail, flags)) return false;
    }
    index = reverse ? index - 1 : index + 1;
  }
  return true;
}
