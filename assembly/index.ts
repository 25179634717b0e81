/**
 * The export table of the core: everything the host can call, and nothing else.
 *
 * Numbers only. Epochs, seqs, times and page ids are f64 (they stay below 2^53). A result below 0
 * is a code of errors.ts. `at` is the epoch to read as, 0 for the newest state.
 */
import { apply as applyEffects, clear as clearTree } from "./effect/apply";
import { checkBegin, checkNext } from "./btree/check";
import { getMany as orderedGetMany } from "./btree/many";
import { get as orderedGet, put as orderedPut } from "./btree/put";
import { countRange as orderedCount } from "./btree/range";
import { relocate as orderedRelocate, repack as orderedRepack } from "./btree/repack";
import { fold as orderedFold, scan as orderedScan } from "./btree/scan";
import { copyBytes } from "./page/bytes";
import { NEED_FRAMES, PAGE_MISS, TREE_UNKNOWN, UNORDERED } from "./errors";
import { hashCheckBegin, hashCheckNext } from "./hash/check";
import { setHashMask as setMask, setHashSeed } from "./hash/hash";
import { hashGetMany } from "./hash/many";
import { hashGet, hashPut } from "./hash/put";
import { hashRelocate, hashRepack } from "./hash/repack";
import { hashScan } from "./hash/scan";
import {
  INPUT,
  INPUT_BYTES,
  OUTPUT,
  OUTPUT_BYTES,
  PAGE_BYTES,
  STATUS,
  STATUS_RUN,
  STATUS_CONSUMED,
  STATUS_PAGE,
  STATUS_VALUE,
  STATUS_VALUE_BYTES,
  prepareTables,
} from "./memory";
import * as epochs from "./page/epoch";
import * as extents from "./page/extent";
import * as frame from "./page/frame";
import * as image from "./page/image";
import * as slot from "./page/slot";
import * as table from "./page/table";
import { ROW_ABSENT } from "./page/rows";
import * as header from "./page/header";
import { RECORD_OVERFLOW, copyKey } from "./page/slotted";
import * as reclaiming from "./tree/reclaim";
import { setProgram as takeProgram } from "./tables/program";
import * as trees from "./tree/tree";

export { crc32c } from "./crc32c";
export * from "./u256/index";

// ---- memory

export function statusAddress(): usize {
  return STATUS;
}
export function inputAddress(): usize {
  return INPUT;
}
export function inputBytes(): u32 {
  return INPUT_BYTES;
}
export function outputAddress(): usize {
  return OUTPUT;
}
export function outputBytes(): u32 {
  return OUTPUT_BYTES;
}

/** Sets an instance up, once: its budget, its database's identity, and its first blob number. */
export function configure(
  frames: u32,
  databaseSeed: u32,
  hashSeedLow: u32,
  hashSeedHigh: u32,
  firstBlob: u32,
): i32 {
  // With room for the first frames: each growth is a garbage collection of the host.
  const first = (<usize>min(frames, frame.STEP)) << 12;
  let result = prepareTables(<usize>frames * 40 + 7 * 1024 * 1024 + first);
  if (result == 0) result = frame.initializeRecords(frames);
  if (result == 0) result = table.initializeTable(frames);
  if (result == 0) result = slot.initializeSlots(firstBlob);
  if (result == 0) result = epochs.initializeEpochs();
  if (result == 0) result = trees.initializeTrees();
  if (result == 0) result = frame.beginFrames();
  image.setDatabaseSeed(databaseSeed);
  setHashSeed(join(hashSeedLow, hashSeedHigh));
  return result;
}
/** For tests: keeps only these bits of every hash, so that collisions can be had. */
export function setHashMask(low: u32, high: u32): void {
  setMask(join(low, high));
}
function join(low: u32, high: u32): u64 {
  return <u64>low | ((<u64>high) << 32);
}
export function addFrames(count: u32): i32 {
  return frame.addFrames(count);
}
export function freeFrames(): u32 {
  return frame.freeCount;
}
export function frameCount(): u32 {
  return frame.frameCount;
}
export function dirtyFrames(): u32 {
  return frame.dirtyCount;
}
export function residentPages(): u32 {
  return table.residentCount;
}
export function frameReserve(): u32 {
  return frame.RESERVE;
}

// ---- pages in and out

/** A free frame to read a page into: its address, or NEED_FRAMES. */
export function loadBegin(): i32 {
  if (frame.freeCount <= 8) return NEED_FRAMES;
  return <i32>frame.takeFrame();
}
/**
 * Checks what was read into the frame and makes it page `id`. The frame is free again on failure.
 */
export function loadEnd(page: usize, id: f64): i32 {
  if (table.findPage(<u64>id) != 0) {
    frame.giveFrame(page);
    return 0;
  }
  const result = image.verifyPage(page, <u64>id);
  if (result < 0) {
    frame.giveFrame(page);
    return result;
  }
  frame.occupyFrame(page, <u64>id, 0, false);
  table.insertPage(<u64>id, page);
  return 0;
}
/** Gives a frame from `loadBegin` back unused. */
export function loadAbort(page: usize): void {
  frame.giveFrame(page);
}
export function isResident(id: f64): bool {
  return table.findPage(<u64>id) != 0;
}
export function evictClean(wanted: u32): u32 {
  return table.evictClean(wanted);
}
/**
 * Writes up to `most` dirty pages that were not used lately to OUTPUT, 4 KiB each, and their ids as
 * f64 behind them (at `most` pages). How many. They count as clean from here on: the host writes
 * them.
 */
export function exportUnused(most: u32): u32 {
  let count: u32 = 0;
  while (count < most) {
    const page = table.nextDirty();
    if (page == 0) break;
    exportTo(page, count);
    store<f64>(OUTPUT + <usize>(most * PAGE_BYTES + count * 8), <f64>frame.idOf(page));
    count++;
  }
  return count;
}
function exportTo(page: usize, position: u32): void {
  image.exportPage(page, frame.idOf(page), OUTPUT + <usize>(position * PAGE_BYTES));
  frame.markClean(page);
}
/**
 * Writes the next run of dirty pages in `blob` from `first` on, at most `most`, to OUTPUT. Returns
 * their number, and the first slot in STATUS_CONSUMED. They count as clean from here on.
 */
export function exportRun(blob: u32, first: u32, most: u32): u32 {
  const end = slot.slotsOf(blob);
  let at = first;
  let count: u32 = 0;
  while (at < end && count < most) {
    const page = table.findPage(((<u64>blob) << 16) | at);
    if (page != 0 && frame.isDirty(page)) {
      if (count == 0) store<u32>(STATUS, at, STATUS_CONSUMED);
      exportTo(page, count++);
    } else if (count > 0) break;
    at++;
  }
  return count;
}

/** Keeps the frame that `address` lies in from being evicted, until `unpinFrame`. */
export function pinFrame(address: usize): void {
  const page = address & ~(<usize>(PAGE_BYTES - 1));
  frame.setPins(page, frame.pinsOf(page) + 1);
}
export function unpinFrame(address: usize): void {
  const page = address & ~(<usize>(PAGE_BYTES - 1));
  frame.setPins(page, frame.pinsOf(page) - 1);
}
/**
 * Checks the 4 KiB at `position` pages into INPUT as page `id`. A page of zeros was never written.
 */
export function verifyImage(position: u32, id: f64): i32 {
  const page = INPUT + <usize>(position * PAGE_BYTES);
  let any: u64 = 0;
  for (let at: usize = 0; at < <usize>PAGE_BYTES; at += 8) any |= load<u64>(page + at);
  return any == 0 ? 0 : image.verifyPage(page, <u64>id);
}

// ---- blobs

export function freezeBlobs(): u32 {
  return slot.freezeBlobs();
}
export function currentBlob(): u32 {
  return slot.currentBlob;
}
export function setBlob(number: u32, live: u32, slots: u32): void {
  slot.setBlob(number, live, slots);
}
export function forgetBlob(number: u32): void {
  slot.forgetBlob(number);
}
export function livePages(number: u32): u32 {
  return slot.liveOf(number);
}
export function blobSlots(number: u32): u32 {
  return slot.slotsOf(number);
}
export function seenPages(number: u32): u32 {
  return slot.seenOf(number);
}
export function clearSeen(): void {
  slot.clearSeen();
}

// ---- epochs

/** Begins an epoch: its number, or TABLE_FULL. */
export function beginEpoch(): f64 {
  const room = slot.checkBlobRoom();
  if (room < 0) return room;
  epochs.beginEpoch();
  return <f64>epochs.epoch;
}
export function commitEpoch(): void {
  epochs.commitEpoch();
  trees.commitTrees();
  reclaiming.commitReclaim();
}
export function rollbackEpoch(): void {
  trees.rollbackTrees();
  reclaiming.rollbackReclaim();
  epochs.rollbackEpoch();
}
export function pinEpoch(at: f64): i32 {
  return epochs.pinEpoch(<u64>at);
}
export function unpinEpoch(at: f64): void {
  epochs.unpinEpoch(<u64>at);
}
export function oldestPin(): f64 {
  return <f64>epochs.oldestPin();
}
/** The epoch is that of the last checkpoint: from now on it may be pinned at any time. */
export function rootEpoch(at: f64): void {
  trees.rootEpoch(<u64>at);
}
/** Reclaims up to `pages` pages of detached subtrees: how many items are left. */
export function reclaim(pages: u32): i32 {
  return reclaiming.reclaim(pages);
}
export function reclaimQueue(): u32 {
  return reclaiming.queueCount;
}
/** Copies the queue to OUTPUT, 16 bytes an item; how many. */
export function copyReclaimQueue(): u32 {
  return reclaiming.copyQueue(OUTPUT, OUTPUT_BYTES >>> 4);
}
/** Puts an item of a stored queue back: the 16 bytes at INPUT. */
export function restoreReclaimItem(): void {
  reclaiming.restoreItem(load<u64>(INPUT));
}

// ---- trees

export function createTree(id: u32, kind: u32): i32 {
  return trees.createTree(id, kind);
}
export function forgetTree(id: u32): i32 {
  return trees.forgetTree(id);
}
export function restoreTree(id: u32, root: f64, count: f64, overflow: f64): i32 {
  return trees.restoreTree(id, <u64>root, <u64>count, <u64>overflow);
}
export function treeRoot(id: u32, at: f64): f64 {
  const tree = trees.findTree(id);
  return tree == 0 ? 0 : <f64>trees.rootAt(tree, epochOf(at));
}
export function treeRecords(id: u32, at: f64): f64 {
  const tree = trees.findTree(id);
  return tree == 0 ? 0 : <f64>trees.recordsAt(tree, epochOf(at));
}
export function treeOverflow(id: u32): f64 {
  const tree = trees.findTree(id);
  return tree == 0 ? 0 : <f64>trees.overflowOf(tree);
}

function epochOf(at: f64): u64 {
  return at == 0 ? epochs.epoch : <u64>at;
}

// ---- records. Keys stand at the start of INPUT.

/** Flags of the record, or a code. STATUS tells value address, bytes, seq and expiry. */
export function get(id: u32, at: f64, keyLength: u32, now: f64): i32 {
  const tree = trees.findTree(id);
  if (tree == 0) return TREE_UNKNOWN;
  return trees.treeKind(tree) == trees.KIND_HASHED
    ? hashGet(tree, epochOf(at), INPUT, keyLength, now)
    : orderedGet(tree, epochOf(at), INPUT, keyLength, now);
}

/** Values up to this length are handed out of a fixed, aligned place. */
const COPIED_BYTES_MAX: u32 = 256;

/**
 * The same, with a short value copied to OUTPUT: there the host can take it word by word, and all
 * its cache lines are on their way at once.
 */
export function getCopied(id: u32, at: f64, keyLength: u32, now: f64): i32 {
  const flags = get(id, at, keyLength, now);
  if (flags < 0) return flags;
  const bytes = load<u32>(STATUS, STATUS_VALUE_BYTES);
  if (bytes <= COPIED_BYTES_MAX) {
    copyBytes(OUTPUT, load<u32>(STATUS, STATUS_VALUE), bytes);
    store<u32>(STATUS, OUTPUT, STATUS_VALUE);
  }
  return flags;
}

/**
 * Looks up `count` keys. INPUT holds their lengths, u16 each, and from 8 KiB on the keys. Rows in
 * OUTPUT, ROW_ABSENT where there is none; fewer rows than keys come back when a page is missing or
 * the columns are full.
 */
export function getMany(id: u32, at: f64, count: u32, now: f64, columns: u32): i32 {
  const tree = trees.findTree(id);
  if (tree == 0) return TREE_UNKNOWN;
  return trees.treeKind(tree) == trees.KIND_HASHED
    ? hashGetMany(tree, epochOf(at), INPUT, count, now, columns)
    : orderedGetMany(tree, epochOf(at), INPUT, count, now, columns);
}

/** Low key at INPUT, high key behind it; lengths of -1 mean no bound. See btree/scan.ts. */
export function scan(
  id: u32,
  at: f64,
  flags: u32,
  lowLength: i32,
  highLength: i32,
  now: f64,
  limit: u32,
): i32 {
  const tree = trees.findTree(id);
  if (tree == 0) return TREE_UNKNOWN;
  if (trees.treeKind(tree) == trees.KIND_HASHED) {
    return hashScan(tree, epochOf(at), flags, INPUT, lowLength, now, limit);
  }
  const high = INPUT + <usize>max(lowLength, 0);
  return orderedScan(tree, epochOf(at), flags, INPUT, lowLength, high, highLength, now, limit);
}

/** Takes the program of the next scans and folds from INPUT: 0, or -1. See tables/program.ts. */
export function setProgram(bytes: u32): i32 {
  return takeProgram(INPUT, bytes);
}

/** Gathers over a range instead of handing rows out; bounds as for `scan`. See btree/scan.ts. */
export function fold(id: u32, at: f64, flags: u32, lowLength: i32, highLength: i32): i32 {
  const tree = trees.findTree(id);
  if (tree == 0) return TREE_UNKNOWN;
  if (trees.treeKind(tree) == trees.KIND_HASHED) return UNORDERED;
  const high = INPUT + <usize>max(lowLength, 0);
  return orderedFold(tree, epochOf(at), flags, INPUT, lowLength, high, highLength);
}

/** Counts low <= key < high (empty high: no bound) into STATUS_COUNT. */
export function countRange(id: u32, at: f64, lowLength: u32, highLength: u32): i32 {
  const tree = trees.findTree(id);
  if (tree == 0) return TREE_UNKNOWN;
  if (trees.treeKind(tree) == trees.KIND_HASHED) return UNORDERED;
  return orderedCount(tree, epochOf(at), INPUT, lowLength, INPUT + lowLength, highLength);
}

export function apply(length: u32, seq: f64): i32 {
  return applyEffects(length, <u64>seq);
}
export function clear(id: u32): i32 {
  const tree = trees.findTree(id);
  return tree == 0 ? TREE_UNKNOWN : clearTree(tree);
}

// ---- overflow values

/** Reserves pages in a row for a value: how many; the first id is in STATUS_RUN. */
export function overflowReserve(pages: u32): i32 {
  if (frame.freeCount < frame.RESERVE) return NEED_FRAMES;
  const count = epochs.reserveRun(pages);
  store<f64>(STATUS, <f64>slot.runFirst, STATUS_RUN);
  return <i32>count;
}
export function overflowWrite(tree: u32, id: f64, head: f64, bytes: u32): i32 {
  return extents.writeOverflow(tree, <u64>id, <u64>head, bytes);
}
/** Contents of up to `pages` pages from `id` on to OUTPUT: bytes; pages read in STATUS_CONSUMED. */
export function overflowRead(id: f64, pages: u32): i32 {
  return extents.readOverflow(<u64>id, pages);
}
/** Puts a record whose value is the overflow descriptor that stands behind the key in INPUT. */
export function putDescriptor(
  id: u32,
  keyLength: u32,
  seq: f64,
  expiresAt: f64,
  descriptorBytes: u32,
): i32 {
  const tree = trees.findTree(id);
  if (tree == 0) return TREE_UNKNOWN;
  const value = INPUT + keyLength;
  return trees.treeKind(tree) == trees.KIND_HASHED
    ? hashPut(tree, INPUT, keyLength, RECORD_OVERFLOW, <u64>seq, expiresAt, value, descriptorBytes)
    : orderedPut(
        tree,
        INPUT,
        keyLength,
        RECORD_OVERFLOW,
        <u64>seq,
        expiresAt,
        value,
        descriptorBytes,
      );
}

// ---- compaction and checks

/**
 * Moves a resident page to a new place if the newest version of its tree still holds it: 1 moved, 0
 * it does not. 2 for an overflow page: the host moves whole values; the head page is in STATUS_RUN.
 */
export function relocatePage(id: f64): i32 {
  const page = table.findPage(<u64>id);
  if (page == 0) {
    store<f64>(STATUS, id, STATUS_PAGE);
    return PAGE_MISS;
  }
  const kind = header.kindOf(page);
  if (kind == header.KIND_OVERFLOW) {
    store<f64>(STATUS, <f64>header.hashOf(page), STATUS_RUN);
    return 2;
  }
  const tree = trees.findTree(header.treeOf(page));
  if (tree == 0) return 0;
  if (kind == header.KIND_BUCKET || kind == header.KIND_DIRECTORY) {
    if (trees.treeKind(tree) != trees.KIND_HASHED) return 0;
    return hashRelocate(tree, header.hashOf(page), header.depthOf(page), <u64>id);
  }
  if (trees.treeKind(tree) != trees.KIND_ORDERED) return 0;
  const level = header.levelOf(page);
  return orderedRelocate(tree, INPUT, copyKey(page, 0, INPUT), level, <u64>id);
}
/** The tree that a resident page belongs to; 0 when it is not resident. */
export function pageTree(id: f64): u32 {
  const page = table.findPage(<u64>id);
  return page == 0 ? 0 : header.treeOf(page);
}
/** Rewrites the leaves around the key at INPUT; see btree/repack.ts. */
export function repack(id: u32, keyLength: u32): i32 {
  const tree = trees.findTree(id);
  return tree == 0 ? 0 : orderedRepack(tree, INPUT, keyLength);
}
export function repackHashed(id: u32, hashLow: u32, hashHigh: u32): i32 {
  const tree = trees.findTree(id);
  return tree == 0 ? 0 : hashRepack(tree, join(hashLow, hashHigh));
}
export function checkTreeBegin(id: u32, at: f64): i32 {
  const tree = trees.findTree(id);
  if (tree == 0) return TREE_UNKNOWN;
  if (trees.treeKind(tree) == trees.KIND_HASHED) hashCheckBegin(tree, epochOf(at));
  else checkBegin(tree, epochOf(at));
  return <i32>trees.treeKind(tree);
}
export function checkTreeNext(kind: u32, pages: u32): i32 {
  return kind == trees.KIND_HASHED ? hashCheckNext(pages) : checkNext(pages);
}
