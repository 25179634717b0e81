/**
 * Hashed trees: all rows, in columns (page/rows.ts), in the order of hash, then key.
 *
 * A scan keeps no state: the key of the last row says where it is, whatever has been inserted,
 * deleted, split or merged since. Every bucket is found by a descent of its own from the root, to
 * the hash behind the last one's.
 */
import { miss } from "../btree/path";
import { CORRUPT, PAGE_MISS, UNORDERED } from "../errors";
import { OUTPUT } from "../memory";
import { copyBytes } from "../page/bytes";
import { KIND_DIRECTORY, countOf, depthOf, hashOf } from "../page/header";
import {
  KEYS,
  ROWS_MAX,
  ROW_SKIPPED,
  SCAN_KEYS,
  SCAN_REVERSE,
  beginRows,
  endRows,
  isExpired,
  keyRoom,
  pushMarker,
  pushRow,
  rows,
} from "../page/rows";
import { findPage } from "../page/table";
import { rootAt, treeId } from "../tree/tree";
import { bucketCellAt, bucketKeyLengthAt } from "./bucket";
import { DIRECTORY_ENTRIES, entryAt, entryIndex, hashBehind, hashOfEntry } from "./directory";
import { hashBytes } from "./hash";
import {
  beginCollect,
  collect,
  collected,
  collectedCell,
  collectedHash,
  collectedKeyLength,
  compareHashed,
  endCollect,
  isPartial,
} from "./order";
import { ABOVE_ROOT, chainLength, chainPage, descendChain, kindFor, startChain } from "./path";

/** Where the scan is: every record below this hash has been seen. */
let position: u64 = 0;
/** The last record that was seen, if `lastLength` >= 0; it may have expired. */
let lastHash: u64 = 0;
let last: usize = 0;
let lastLength: i32 = -1;

/**
 * Finds the first bucket at or behind `position`, and moves there: 1, 0 when there is none,
 * PAGE_MISS or CORRUPT.
 */
function seek(tree: usize, root: u64): i32 {
  const owner = treeId(tree);
  let id = root;
  let above = ABOVE_ROOT;
  while (true) {
    const page = findPage(id);
    if (page == 0) return miss(id);
    const kind = kindFor(page, id, owner, position, above);
    if (kind != KIND_DIRECTORY) {
      startChain(page);
      return kind == CORRUPT ? CORRUPT : 1;
    }
    const depth = depthOf(page);
    const index = entryIndex(position, depth);
    const used = usedEntry(page, index);
    if (used > index) position = hashOfEntry(position, depth, used);
    if (used < DIRECTORY_ENTRIES) {
      id = entryAt(page, used);
      above = <i32>depth;
    } else {
      if (position == 0) return 0;
      id = root;
      above = ABOVE_ROOT;
    }
  }
}

/** The first entry from `index` on that leads somewhere, or DIRECTORY_ENTRIES. */
function usedEntry(directory: usize, index: u32): u32 {
  let at = index;
  while (at < DIRECTORY_ENTRIES && entryAt(directory, at) == 0) at++;
  return at;
}

/** Collects what is left of the bucket at `position`: 1, 0 at the end, PAGE_MISS or CORRUPT. */
function fetch(tree: usize, root: u64): i32 {
  const found = seek(tree, root);
  if (found <= 0) return found;
  let more: i32 = 1;
  while (more > 0) more = descendChain();
  if (more < 0) return more;
  beginCollect();
  for (let index: u32 = 0; index < chainLength; index++) collectBehind(chainPage(index));
  endCollect();
  return 1;
}

function collectBehind(page: usize): void {
  const count = countOf(page);
  for (let index: u32 = 0; index < count; index++) {
    const cell = bucketCellAt(page, index);
    const keyLength = bucketKeyLengthAt(page, index);
    const hash = hashBytes(cell, keyLength);
    if (lastLength < 0 || compareHashed(hash, cell, keyLength, lastHash, last, lastLength) > 0) {
      collect(hash, cell, keyLength);
    }
  }
}

/**
 * Rows behind the record with the key `cursor`, which need not exist any more; a length of -1 means
 * from the first. Returns the rows in OUTPUT; STATUS_MORE tells whether there may be others.
 */
export function hashScan(
  tree: usize,
  at: u64,
  flags: u32,
  cursor: usize,
  cursorLength: i32,
  now: f64,
  limit: u32,
): i32 {
  if (flags & SCAN_REVERSE) return UNORDERED;
  beginRows();
  const root = rootAt(tree, at);
  if (root == 0) return endRows(false);
  last = cursor;
  lastLength = cursorLength;
  lastHash = cursorLength < 0 ? 0 : hashBytes(cursor, cursorLength);
  position = lastHash;
  const most = min(limit, ROWS_MAX);
  while (true) {
    const found = fetch(tree, root);
    if (found == PAGE_MISS && rows == 0 && last != cursor) {
      // Nothing but expired records so far: say how far, or the next try would begin again.
      copyBytes(OUTPUT + KEYS, last, lastLength);
      pushMarker(ROW_SKIPPED, lastLength);
    }
    if (found < 0) return rows > 0 && found == PAGE_MISS ? endRows(true) : found;
    if (found == 0) return endRows(false);
    if (rows == most || !emit(flags, now, most)) return endRows(true);
    if (isPartial) continue;
    const bucket = chainPage(0);
    position = hashBehind(hashOf(bucket), depthOf(bucket));
    if (position == 0) return endRows(false);
  }
}

/** Writes the collected rows. False when the limit or the columns are full. */
function emit(flags: u32, now: f64, most: u32): bool {
  for (let index: u32 = 0; index < collected; index++) {
    if (rows == most) return false;
    const cell = collectedCell(index);
    const keyLength = collectedKeyLength(index);
    const tail = cell + keyLength;
    if (!isExpired(tail, now)) {
      if (flags & SCAN_KEYS) {
        const room = keyRoom(keyLength);
        if (room == 0) return false;
        copyBytes(room, cell, keyLength);
      }
      if (!pushRow(flags & SCAN_KEYS ? keyLength : 0, tail, flags)) return false;
    }
    last = cell;
    lastHash = collectedHash(index);
    lastLength = keyLength;
  }
  return true;
}
