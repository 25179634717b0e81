/**
 * Searches. Walks and scans fill the pool by codes; `rank` orders the best of it by exact
 * distances, where the vectors are kept, and writes the results.
 */
import { OPTION_INVALID, OUT_OF_MEMORY } from "./errors";
import { exactDistance, floatOfDistance, hasExact } from "./exact";
import {
  batchAddresses,
  batchSlots,
  measureBatch,
  ordered,
  queryCode,
  querySketches,
  signedBytes,
  touchBatch,
  unordered,
  usesSignedQuery,
} from "./kernel";
import { allocate, release, wordAt } from "./memory";
import { bornMax, deadCount, entrySlot, nodeCount, slotCount } from "./nodes";
import {
  clearPool,
  distanceOfEntry,
  entryAt,
  insertEntry,
  passing,
  PASSES,
  pool,
  poolSize,
  reservePool,
  setEntry,
  slotOfEntry,
  sortEntries,
} from "./pool";
import { encode, encodeSigned, input, normalise } from "./quantiser";
import { queuedAt, queuedCount } from "./queue";
import { labelOf, STATE_FREE, stateOf } from "./record";
import {
  dimensions,
  EF_MAX,
  floatBytes,
  METRIC_HAMMING,
  metric,
  NONE,
  PRECISION_BINARY,
  precision,
  sketchBytes,
  vectorOf,
  walkedOf,
} from "./shape";
import { beginSearch, filterCount, hasFilter, passes, slotWord, slotWords } from "./visible";
import { descend, takeBatch, takePlain, walk, walkFiltered } from "./walk";

const STRATEGY_WALK: u32 = 0;
const STRATEGY_HOP: u32 = 1;
const STRATEGY_SCAN: u32 = 2;
const STRATEGY_EXACT: u32 = 3;

/** A filtered walk keeps this many times `ef` nodes in all. */
const ROOM_FACTOR: u32 = 4;
const ROOM_MIN: u32 = 256;

/** So many times k candidates by codes are ranked by exact distances, and at least so many. */
const RANK_FACTOR: u32 = 2;
const RANK_MIN: u32 = 24;
/** The same by sketches. */
const RANK_SKETCH_FACTOR: u32 = 3;
const RANK_SKETCH_MIN: u32 = 32;
/** Codes are compared in batches of so many where all are. */
const SCAN_BATCH: u32 = 128;
const RANK_ALL_DIMENSIONS: u32 = 16;

/** Results: labels and f32 distances. */
export let resultLabels: usize = 0;
export let resultDistances: usize = 0;
let resultRoom: u32 = 0;

const queryBytes: usize = memory.data(16384, 64);

/** Finds the `k` nearest to the input; how many. */
export function search(k: u32, ef: u32, seq: u64, strategy: u32): i32 {
  const limit = min(max(k, ef), EF_MAX);
  const room = max(limit * ROOM_FACTOR, ROOM_MIN);
  if (!reservePool(room) || !reserveResults(min(k, EF_MAX))) return OUT_OF_MEMORY;
  normalise(input);
  const isAllSeen = deadCount == 0 && seq >= bornMax;
  if (!beginSearch(seq, isAllSeen, slotCount)) return OUT_OF_MEMORY;
  if (strategy == STRATEGY_EXACT && metric != METRIC_HAMMING) {
    return hasExact() ? searchExact(min(k, EF_MAX), 0, slotCount) : OPTION_INVALID;
  }
  prepareQuery();
  const isRestricted = hasFilter || !isAllSeen;
  clearPool();
  if (strategy < STRATEGY_SCAN) {
    if (entrySlot != NONE) {
      const start = descend(0);
      if (!isRestricted) walk(start, 0, limit);
      else walkFiltered(start, limit, room, hasFilter && strategy == STRATEGY_HOP);
    }
    scanQueue(isRestricted, limit, room);
    const found = isRestricted ? passing : poolSize;
    const most = hasFilter ? min(filterCount, nodeCount()) : nodeCount();
    if (found >= min(k, most)) return rank(k, isRestricted);
    clearPool();
  }
  if (hasFilter) scanFilter(limit);
  else scanAll(limit, 0, slotCount);
  return rank(k, true);
}

function prepareQuery(): void {
  if (usesSignedQuery()) {
    encodeSigned();
    queryCode(signedBytes());
    return;
  }
  encode(input, queryBytes, false);
  if (sketchBytes > 0) querySketches(queryBytes);
  else queryCode(queryBytes);
}

/** Nodes that are not linked yet are compared one by one. */
function scanQueue(isRestricted: bool, limit: u32, room: u32): void {
  const count = queuedCount();
  let waiting: u32 = 0;
  for (let index: u32 = 0; index < count; index++) {
    const slot = queuedAt(index);
    if (isRestricted && !passes(slot)) continue;
    waiting = addToBatch(waiting, slot);
    if (waiting == SCAN_BATCH) waiting = flush(waiting, isRestricted, limit, room);
  }
  flush(waiting, isRestricted, limit, room);
}

function addToBatch(count: u32, slot: u32): u32 {
  store<u32>(wordAt(batchSlots, count), slot);
  store<u32>(wordAt(batchAddresses, count), <u32>walkedOf(slot));
  return count + 1;
}

/** Measures the batch into the pool; an empty batch's count. */
function flush(count: u32, isRestricted: bool, limit: u32, room: u32): u32 {
  touchBatch(count);
  measureBatch(count);
  if (isRestricted) takeBatch(count, limit, room);
  else takePlain(count, limit);
  return 0;
}

function scanAll(limit: u32, first: u32, end: u32): void {
  let waiting: u32 = 0;
  for (let slot = first; slot < end; slot++) {
    if (stateOf(slot) == STATE_FREE || !passes(slot)) continue;
    waiting = addToBatch(waiting, slot);
    if (waiting == SCAN_BATCH) waiting = flush(waiting, true, limit, limit);
  }
  flush(waiting, true, limit, limit);
}

function scanFilter(limit: u32): void {
  let waiting: u32 = 0;
  for (let index: u32 = 0; index < slotWords; index++) {
    for (let word = slotWord(index); word != 0; word &= word - 1) {
      const slot = (index << 5) + ctz<u32>(word);
      if (!passes(slot)) continue;
      waiting = addToBatch(waiting, slot);
      if (waiting == SCAN_BATCH) waiting = flush(waiting, true, limit, limit);
    }
  }
  flush(waiting, true, limit, limit);
}

/** Writes the `k` nearest of the pool to the results, ordered exactly where that is possible. */
function rank(k: u32, isRestricted: bool): i32 {
  const isExact = hasExact();
  let most = k;
  if (isExact && sketchBytes > 0) most = max(k * RANK_SKETCH_FACTOR, RANK_SKETCH_MIN);
  else if (isExact) most = max(k * RANK_FACTOR, RANK_MIN);
  // Single bits, or so few components of 7 bits, tell near nodes apart badly.
  const isCoarse = precision == PRECISION_BINARY || dimensions < RANK_ALL_DIMENSIONS;
  if (isExact && isCoarse) most = EF_MAX;
  let count: u32 = 0;
  const size = poolSize;
  for (let index: u32 = 0; index < size && count < most; index++) {
    const entry = entryAt(index);
    if (isRestricted && (entry & PASSES) == 0) continue;
    setEntry(count++, entry);
  }
  if (isExact) touchVectors(count);
  for (let index: u32 = 0; index < count; index++) {
    const entry = entryAt(index);
    const slot = slotOfEntry(entry);
    const distance = isExact
      ? ordered(exactDistance(input, vectorOf(slot)))
      : distanceOfEntry(entry);
    setEntry(index, ((<u64>distance) << 32) | <u64>labelOf(slot));
  }
  sortEntries(pool, count);
  return writeResults(min(k, count), isExact);
}

/** Loads a word of each line of the vectors in the pool, so that their cache misses overlap. */
function touchVectors(count: u32): void {
  let sum: u32 = 0;
  for (let index: u32 = 0; index < count; index++) {
    const vector = vectorOf(slotOfEntry(entryAt(index)));
    for (let line: usize = 0; line < floatBytes; line += 64) sum ^= load<u32>(vector + line);
  }
  touched = sum;
}
let touched: u32 = 0;
/** Exported, so that the loads above are not removed. */
export function touchedVectorWords(): u32 {
  return touched;
}

/** The pool holds distances and labels. */
function writeResults(count: u32, isExact: bool): i32 {
  for (let index: u32 = 0; index < count; index++) {
    const entry = entryAt(index);
    const distance = <u32>(entry >>> 32);
    const at = (<usize>index) << 2;
    store<u32>(resultLabels + at, <u32>entry);
    store<f32>(resultDistances + at, isExact ? unordered(distance) : floatOfDistance(distance));
  }
  return count;
}

/** Room for `count` results; false when there is no memory. */
function reserveResults(count: u32): bool {
  if (count <= resultRoom) return true;
  const room = max<u32>(count, 256);
  const next = allocate((<usize>room) << 3);
  if (next == 0) return false;
  release(resultLabels, (<usize>resultRoom) << 3);
  resultLabels = next;
  resultDistances = wordAt(next, room);
  resultRoom = room;
  return true;
}

/**
 * A part of an exact search: the `k` nearest among the slots from `first` on and below `end`. How
 * many.
 */
export function searchSlots(k: u32, seq: u64, first: u32, end: u32): i32 {
  const most = min(k, EF_MAX);
  if (!reservePool(max(most, ROOM_MIN)) || !reserveResults(most)) return OUT_OF_MEMORY;
  if (!beginSearch(seq, deadCount == 0 && seq >= bornMax, slotCount)) return OUT_OF_MEMORY;
  normalise(input);
  const last = min(end, slotCount);
  if (metric != METRIC_HAMMING) return hasExact() ? searchExact(most, first, last) : OPTION_INVALID;
  // Codes of bits are all there is to know.
  prepareQuery();
  clearPool();
  scanAll(most, first, last);
  return rank(k, true);
}

/** Compares f32 vectors of slots from `first` on and below `end`. */
function searchExact(k: u32, first: u32, end: u32): i32 {
  clearPool();
  for (let slot = first; slot < end; slot++) {
    if (hasFilter && (slot & 31) == 0 && slotWord(slot >>> 5) == 0) slot += 31;
    else if (stateOf(slot) != STATE_FREE) takeExact(slot, k);
  }
  return writeResults(poolSize, true);
}

function takeExact(slot: u32, k: u32): void {
  if (!passes(slot)) return;
  const distance = ordered(exactDistance(input, vectorOf(slot)));
  insertEntry(((<u64>distance) << 32) | <u64>labelOf(slot), k);
}
