/** Walks through the graph: from the entry point down, and then from nearest to nearest. */
import { wordAt } from "./memory";
import {
  batchAddresses,
  batchDistances,
  batchSlots,
  measure,
  measureBatch,
  touchBatch,
} from "./kernel";
import { entryLevel, entrySlot } from "./nodes";
import {
  clearPool,
  entryAt,
  entryOf,
  EXPANDED,
  insertEntry,
  insertFiltered,
  isPoolFull,
  PASSES,
  poolSize,
  setEntry,
  slotOfEntry,
} from "./pool";
import { linkBytes, linksOf, NONE, upperLinkBytes, walkedOf } from "./shape";
import { upperLinksOf } from "./upper";
import { isInFilter, passes } from "./visible";
import { beginVisits, epoch, isVisited, visit, visited } from "./visited";

/** Greedy steps from the entry point to the nearest node that has links on `level`. */
export function descend(level: u32): u32 {
  let slot = entrySlot;
  let nearest = measure(walkedOf(slot));
  for (let at = entryLevel; at > level; at--) {
    let moved = true;
    while (moved) {
      moved = false;
      const count = gatherAll(upperLinksOf(slot, at), upperLinkBytes);
      touchBatch(count);
      measureBatch(count);
      for (let index: u32 = 0; index < count; index++) {
        const distance = load<u32>(wordAt(batchDistances, index));
        if (distance >= nearest) continue;
        nearest = distance;
        slot = load<u32>(wordAt(batchSlots, index));
        moved = true;
      }
    }
  }
  return slot;
}

function gatherAll(row: usize, bytes: usize): u32 {
  let count: usize = 0;
  for (const end = row + bytes; row < end; row += 4) {
    const slot = load<u32>(row);
    if (slot == NONE) break;
    store<u32>(batchSlots + count, slot);
    store<u32>(batchAddresses + count, <u32>walkedOf(slot));
    count += 4;
  }
  return <u32>(count >>> 2);
}

/** The nearest candidates are expanded so many at a time, so that their cache misses overlap. */
const BEAM: usize = 4;
/** Addresses of the rows of the candidates that are being expanded. */
const beamRows: usize = memory.data(16, 16);
let beamBytes: usize = 0;
let cursor: u32 = 0;

/** Marks the nearest candidates that are not expanded yet, and finds their rows; false for none. */
function takeBeam(level: u32): bool {
  let bytes: usize = 0;
  let touched: u32 = 0;
  const last = (level == 0 ? linkBytes : upperLinkBytes) - 4;
  let at = cursor;
  for (; at < poolSize && bytes < BEAM << 2; at++) {
    const entry = entryAt(at);
    if ((entry & EXPANDED) != 0) continue;
    setEntry(at, entry | EXPANDED);
    const slot = slotOfEntry(entry);
    const row = level == 0 ? linksOf(slot) : upperLinksOf(slot, level);
    touched ^= load<u32>(row) ^ load<u32>(row + last);
    store<u32>(beamRows + bytes, <u32>row);
    bytes += 4;
  }
  touchedRows = touched;
  beamBytes = bytes;
  cursor = at;
  return bytes > 0;
}
let touchedRows: u32 = 0;
/** Exported, so that the loads above are not removed. */
export function touchedRowWords(): u32 {
  return touchedRows;
}

/** Puts what the beam links to and was not visited yet into the batch; how many. */
function gatherBeam(bytes: usize): u32 {
  let count: usize = 0;
  for (let at: usize = 0; at < beamBytes; at += 4) {
    count = gather(load<u32>(beamRows + at), bytes, count);
  }
  return addressBatch(count);
}

/** The same for one row; `count` and what it answers are in bytes of the batch. */
function gather(row: usize, bytes: usize, count: usize): usize {
  const seen = visited;
  const mark = epoch;
  for (const end = row + bytes; row < end; row += 4) {
    const slot = load<u32>(row);
    if (slot == NONE) break;
    store<u32>(batchSlots + count, slot);
    const at = seen + <usize>slot;
    count += (<usize>(load<u8>(at) != mark)) << 2;
    store<u8>(at, <u8>mark);
  }
  return count;
}

function addressBatch(bytes: usize): u32 {
  for (let at: usize = 0; at < bytes; at += 4) {
    store<u32>(batchAddresses + at, <u32>walkedOf(load<u32>(batchSlots + at)));
  }
  return <u32>(bytes >>> 2);
}

/** Fills the pool with the `ef` nearest nodes that a walk on `level` from `start` finds. */
export function walk(start: u32, level: u32, ef: u32): void {
  clearPool();
  beginVisits();
  visit(start);
  insertEntry(entryOf(measure(walkedOf(start)), start), ef);
  const bytes = level == 0 ? linkBytes : upperLinkBytes;
  cursor = 0;
  while (takeBeam(level)) {
    const count = gatherBeam(bytes);
    touchBatch(count);
    measureBatch(count);
    cursor = min(cursor, takePlain(count, ef));
  }
}

const near: usize = memory.data(8192, 16);

/** Inserts the batch into a pool of `ef`; the first place that changed. */
export function takePlain(count: u32, ef: u32): u32 {
  let bound = poolSize < ef ? u64.MAX_VALUE : entryAt(poolSize - 1);
  let bytes: usize = 0;
  // Most are too far; they are left out without a branch, which nobody could foresee.
  for (let index: usize = 0; index < (<usize>count) << 2; index += 4) {
    const found = entryOf(load<u32>(batchDistances + index), load<u32>(batchSlots + index));
    store<u64>(near + bytes, found);
    bytes += (<usize>(found < bound)) << 3;
  }
  let next = ef;
  for (let at: usize = 0; at < bytes; at += 8) {
    const found = load<u64>(near + at);
    if (found >= bound) continue;
    next = min(next, insertEntry(found, ef));
    if (poolSize == ef) bound = entryAt(ef - 1);
  }
  return next;
}

/**
 * The same on level 0, for when not every node may be a result: others are walked through, and do
 * not count among the `ef`. With `isHopping`, for filters that few nodes pass: distances are
 * computed only for nodes that pass, and the links of those that do not are followed at once, two
 * hops from a node that was.
 */
export function walkFiltered(start: u32, ef: u32, room: u32, isHopping: bool): void {
  clearPool();
  beginVisits();
  visit(start);
  insertFiltered(marked(measure(walkedOf(start)), start), ef, room);
  cursor = 0;
  while (takeBeam(0)) {
    const count = isHopping ? gatherHops() : gatherBeam(linkBytes);
    touchBatch(count);
    measureBatch(count);
    cursor = min(cursor, takeBatch(count, ef, room));
  }
}

/** Inserts the batch into the pool; the first place that changed. */
export function takeBatch(count: u32, ef: u32, room: u32): u32 {
  let next = room;
  for (let index: usize = 0; index < (<usize>count) << 2; index += 4) {
    const distance = load<u32>(batchDistances + index);
    const slot = load<u32>(batchSlots + index);
    if (isTooFar(entryOf(distance, slot), ef, room)) continue;
    next = min(next, insertFiltered(marked(distance, slot), ef, room));
  }
  return next;
}

function isTooFar(entry: u64, ef: u32, room: u32): bool {
  if (!isPoolFull(ef, room)) return false;
  return entry >= entryAt(poolSize - 1);
}

function marked(distance: u32, slot: u32): u64 {
  return entryOf(distance, slot) | (passes(slot) ? PASSES : 0);
}

/** Links of a node that are not in the filter. */
const refused: usize = memory.data(512, 16);
/** A node's links and theirs are followed until so many were found that pass. */
const HOP_FOUND: usize = 32 << 2;
/** So many rows are touched before the first of them is read. */
const HOP_ROWS: usize = 12 << 2;

/** Puts what passes among the links of the beam, and among their links, into the batch. */
function gatherHops(): u32 {
  let count: usize = 0;
  for (let at: usize = 0; at < beamBytes; at += 4) {
    count = gatherHop(load<u32>(beamRows + at), count);
  }
  return addressBatch(count);
}

function gatherHop(row: usize, count: usize): usize {
  const enough = count + HOP_FOUND;
  let refusedBytes: usize = 0;
  for (const end = row + linkBytes; row < end; row += 4) {
    const slot = load<u32>(row);
    if (slot == NONE) break;
    if (isVisited(slot)) continue;
    const isIn = isInFilter(slot);
    store<u32>(batchSlots + count, slot);
    count += (<usize>isIn) << 2;
    store<u32>(refused + refusedBytes, slot);
    refusedBytes += (<usize>!isIn) << 2;
    if (isIn) visit(slot);
  }
  // The nearest come first. Those that are not come to are met again from elsewhere.
  for (let from: usize = 0; from < refusedBytes && count < enough; from += HOP_ROWS) {
    const end = min(refusedBytes, from + HOP_ROWS);
    touchRows(from, end);
    for (let at = from; at < end && count < enough; at += 4) {
      const slot = load<u32>(refused + at);
      visit(slot);
      count = gatherPassing(linksOf(slot), count);
    }
  }
  return count;
}

function touchRows(from: usize, end: usize): void {
  let touched: u32 = 0;
  for (let at = from; at < end; at += 4) {
    const row = linksOf(load<u32>(refused + at));
    touched ^= load<u32>(row) ^ load<u32>(row + linkBytes - 4);
  }
  touchedRows = touched;
}

/** Both conditions without branches: few pass, and nobody could foresee which. */
function gatherPassing(row: usize, count: usize): usize {
  let passing = count;
  for (const end = row + linkBytes; row < end; row += 4) {
    const slot = load<u32>(row);
    if (slot == NONE) break;
    store<u32>(batchSlots + passing, slot);
    passing += (<usize>isInFilter(slot)) << 2;
  }
  const seen = visited;
  const mark = epoch;
  for (let from = count; from < passing; from += 4) {
    const slot = load<u32>(batchSlots + from);
    store<u32>(batchSlots + count, slot);
    const at = seen + <usize>slot;
    count += (<usize>(load<u8>(at) != mark)) << 2;
    store<u8>(at, <u8>mark);
  }
  return count;
}
