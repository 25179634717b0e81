/** Walks through the graph: from the entry point down, and then from nearest to nearest. */
import { wordAt } from "./memory";
import {
  BATCH_MAX,
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
import { passes } from "./visible";
import { codeOf, linkBytes, linksOf, NONE, upperLinkBytes } from "./shape";
import { upperLinksOf } from "./upper";
import { beginVisits, epoch, visit, visited } from "./visited";

/** Greedy steps from the entry point to the nearest node that has links on `level`. */
export function descend(level: u32): u32 {
  let slot = entrySlot;
  let nearest = measure(codeOf(slot));
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
    store<u32>(batchAddresses + count, <u32>codeOf(slot));
    count += 4;
  }
  return <u32>(count >>> 2);
}

/** Puts the links of a row that were not visited yet into the batch. */
function gather(row: usize, bytes: usize): u32 {
  let count: usize = 0;
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
  for (let at: usize = 0; at < count; at += 4) {
    store<u32>(batchAddresses + at, <u32>codeOf(load<u32>(batchSlots + at)));
  }
  return <u32>(count >>> 2);
}

/** Fills the pool with the `ef` nearest nodes that a walk on `level` from `start` finds. */
export function walk(start: u32, level: u32, ef: u32): void {
  clearPool();
  beginVisits();
  visit(start);
  insertEntry(entryOf(measure(codeOf(start)), start), ef);
  let cursor: u32 = 0;
  while (cursor < poolSize) {
    const entry = entryAt(cursor);
    if ((entry & EXPANDED) != 0) {
      cursor++;
      continue;
    }
    setEntry(cursor, entry | EXPANDED);
    const slot = slotOfEntry(entry);
    const count =
      level == 0
        ? gather(linksOf(slot), linkBytes)
        : gather(upperLinksOf(slot, level), upperLinkBytes);
    touchBatch(count);
    measureBatch(count);
    cursor = min(cursor + 1, takePlain(count, ef));
  }
}

/** Inserts the batch into a pool of `ef`; the first place that changed. */
export function takePlain(count: u32, ef: u32): u32 {
  let next = ef;
  let bound = poolSize < ef ? u64.MAX_VALUE : entryAt(poolSize - 1);
  for (let index: usize = 0; index < (<usize>count) << 2; index += 4) {
    const found = entryOf(load<u32>(batchDistances + index), load<u32>(batchSlots + index));
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
  insertFiltered(marked(measure(codeOf(start)), start), ef, room);
  let cursor: u32 = 0;
  while (cursor < poolSize) {
    const entry = entryAt(cursor);
    if ((entry & EXPANDED) != 0) {
      cursor++;
      continue;
    }
    setEntry(cursor, entry | EXPANDED);
    const slot = slotOfEntry(entry);
    const changed = isHopping ? expandHop(slot, ef, room) : expand(slot, ef, room);
    cursor = min(cursor + 1, changed);
  }
}

/** Takes the neighbours of a node into the pool; the first place that changed. */
function expand(from: u32, ef: u32, room: u32): u32 {
  const count = gather(linksOf(from), linkBytes);
  touchBatch(count);
  measureBatch(count);
  return takeBatch(count, ef, room);
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

const refused: usize = memory.data(512, 16);

/** The same for neighbours that pass, and those of the neighbours that do not. */
function expandHop(from: u32, ef: u32, room: u32): u32 {
  let count: usize = 0;
  let refusedCount: usize = 0;
  let row = linksOf(from);
  for (const end = row + linkBytes; row < end; row += 4) {
    const slot = load<u32>(row);
    if (slot == NONE) break;
    if (!visit(slot)) continue;
    if (passes(slot)) {
      store<u32>(batchSlots + count, slot);
      count += 4;
    } else {
      store<u32>(refused + refusedCount, slot);
      refusedCount += 4;
    }
  }
  let next = room;
  for (let index: usize = 0; index < refusedCount; index += 4) {
    row = linksOf(load<u32>(refused + index));
    for (const end = row + linkBytes; row < end; row += 4) {
      const slot = load<u32>(row);
      if (slot == NONE) break;
      if (!passes(slot) || !visit(slot)) continue;
      store<u32>(batchSlots + count, slot);
      count += 4;
      if (count < (<usize>BATCH_MAX) << 2) continue;
      next = min(next, measureSlots(<u32>(count >>> 2), ef, room));
      count = 0;
    }
  }
  return min(next, measureSlots(<u32>(count >>> 2), ef, room));
}

function measureSlots(count: u32, ef: u32, room: u32): u32 {
  for (let at: usize = 0; at < (<usize>count) << 2; at += 4) {
    store<u32>(batchAddresses + at, <u32>codeOf(load<u32>(batchSlots + at)));
  }
  touchBatch(count);
  measureBatch(count);
  return takeBatch(count, ef, room);
}
