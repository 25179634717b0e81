/**
 * The trees: the newest root of each, and the older roots that pinned epochs still see.
 *
 * A tree record is 64 bytes:
 *
 *      0  u32  id         the tree's id in the log and in page headers
 *      4  u32  kind       1 ordered, 2 hashed; 0 when the record is unused
 *      8  u64  epoch      since when the root is as it is
 *     16  u64  root       page id; 0 when the tree is empty
 *     24  u64  count      records
 *     32  u64  overflow   overflow pages
 *     40  u32  versions   newest older version, 0 when there is none
 *     44  u32  touched    next tree that the open epoch has changed (record address)
 *     48  u64  touchedAt  epoch that last changed it
 *
 * A version is 40 bytes: u32 next, u32 unused, then epoch, root, count, overflow as above. Version
 * v is needed while an epoch e with v.epoch <= e < (the next newer version's epoch) is pinned, or
 * is that of the last checkpoint: its pages stand in sealed blobs, so it costs only the roots.
 */
import { OUT_OF_MEMORY, TABLE_FULL, TREE_UNKNOWN } from "../errors";
import { PAGE_BYTES, reserveTable } from "../memory";
import { epoch, newestPin, pinAt } from "../page/epoch";
import { takeFrame } from "../page/frame";

export const KIND_ORDERED: u32 = 1;
export const KIND_HASHED: u32 = 2;

const TREES_BITS: u32 = 16;
const TREES_MAX: u32 = 1 << TREES_BITS;
const INDEX_MASK: u32 = (TREES_MAX << 1) - 1;
const VERSION_BYTES: u32 = 40;

let trees: usize = 0;
let treeCount: u32 = 0;
let freeTree: usize = 0;
/** id -> record, open addressing: u32 id + 1 (0 empty), u32 record. */
let index: usize = 0;
let freeVersion: usize = 0;
let touched: usize = 0;
/** The epoch of the last checkpoint; no epoch before anybody has said so. */
let rooted: u64 = u64.MAX_VALUE;

export function initializeTrees(): i32 {
  trees = reserveTable((<usize>TREES_MAX) << 6);
  index = reserveTable((<usize>TREES_MAX) << 4);
  return trees == 0 || index == 0 ? OUT_OF_MEMORY : 0;
}

/** The record of a tree, or 0. */
export function findTree(id: u32): usize {
  let at = (id * 0x9e37_79b1) & INDEX_MASK;
  while (true) {
    const entry = index + ((<usize>at) << 3);
    const found = load<u32>(entry);
    if (found == id + 1) return load<u32>(entry, 4);
    if (found == 0) return 0;
    at = (at + 1) & INDEX_MASK;
  }
}

/** Makes a tree. It is empty before the epoch it is made in, so older snapshots see nothing. */
export function createTree(id: u32, kind: u32): i32 {
  if (findTree(id) != 0) return 0;
  let tree = freeTree;
  if (tree != 0) freeTree = load<u32>(tree, 40);
  else if (treeCount == TREES_MAX) return TABLE_FULL;
  else {
    tree = trees + ((<usize>treeCount) << 6);
    treeCount++;
  }
  memory.fill(tree, 0, 64);
  store<u32>(tree, id);
  store<u32>(tree, kind, 4);
  let at = (id * 0x9e37_79b1) & INDEX_MASK;
  while (load<u32>(index + ((<usize>at) << 3)) != 0) at = (at + 1) & INDEX_MASK;
  store<u32>(index + ((<usize>at) << 3), id + 1);
  store<u32>(index + ((<usize>at) << 3), tree, 4);
  return 0;
}

/** Forgets an empty tree that no pinned epoch sees any more. */
export function forgetTree(id: u32): i32 {
  const tree = findTree(id);
  if (tree == 0) return TREE_UNKNOWN;
  let gap = (id * 0x9e37_79b1) & INDEX_MASK;
  while (load<u32>(index + ((<usize>gap) << 3)) != id + 1) gap = (gap + 1) & INDEX_MASK;
  let next = (gap + 1) & INDEX_MASK;
  while (true) {
    const entry = index + ((<usize>next) << 3);
    const found = load<u32>(entry);
    if (found == 0) break;
    const want = ((found - 1) * 0x9e37_79b1) & INDEX_MASK;
    if (((next - want) & INDEX_MASK) >= ((next - gap) & INDEX_MASK)) {
      memory.copy(index + ((<usize>gap) << 3), entry, 8);
      gap = next;
    }
    next = (next + 1) & INDEX_MASK;
  }
  store<u64>(index + ((<usize>gap) << 3), 0);
  let version: usize = load<u32>(tree, 40);
  while (version != 0) {
    const older: usize = load<u32>(version);
    giveVersion(version);
    version = older;
  }
  store<u32>(tree, 0, 4);
  store<u32>(tree, freeTree, 40);
  freeTree = tree;
  return 0;
}

export function treeId(tree: usize): u32 {
  return load<u32>(tree);
}
export function treeKind(tree: usize): u32 {
  return load<u32>(tree, 4);
}
export function rootOf(tree: usize): u64 {
  return load<u64>(tree, 16);
}
export function recordsOf(tree: usize): u64 {
  return load<u64>(tree, 24);
}
export function overflowOf(tree: usize): u64 {
  return load<u64>(tree, 32);
}

/** The fields of the tree as `at` saw them: an address whose +16, +24, +32 are as in a record. */
function versionAt(tree: usize, at: u64): usize {
  if (load<u64>(tree, 8) <= at) return tree;
  let version: usize = load<u32>(tree, 40);
  while (version != 0) {
    if (load<u64>(version, 8) <= at) return version;
    version = load<u32>(version);
  }
  return 0;
}

/** The root as `at` saw it; `at` is the open epoch, or pinned. */
export function rootAt(tree: usize, at: u64): u64 {
  const version = versionAt(tree, at);
  return version == 0 ? 0 : load<u64>(version, 16);
}
export function recordsAt(tree: usize, at: u64): u64 {
  const version = versionAt(tree, at);
  return version == 0 ? 0 : load<u64>(version, 24);
}

/**
 * Remembers the tree as it was before this epoch. Called before every change of a record's field.
 */
function touch(tree: usize): void {
  if (load<u64>(tree, 48) == epoch) return;
  const version = takeVersion();
  store<u32>(version, load<u32>(tree, 40));
  memory.copy(version + 8, tree + 8, 32);
  store<u32>(tree, version, 40);
  store<u64>(tree, epoch, 8);
  store<u64>(tree, epoch, 48);
  store<u32>(tree, touched, 44);
  touched = tree;
}

export function setRoot(tree: usize, root: u64): void {
  touch(tree);
  store<u64>(tree, root, 16);
}
export function addRecords(tree: usize, difference: i64): void {
  touch(tree);
  store<u64>(tree, load<u64>(tree, 24) + difference, 24);
}
export function addOverflow(tree: usize, difference: i64): void {
  touch(tree);
  store<u64>(tree, load<u64>(tree, 32) + difference, 32);
}

/** For opening: the tree as the root names it. */
export function restoreTree(id: u32, root: u64, count: u64, overflow: u64): i32 {
  const tree = findTree(id);
  if (tree == 0) return TREE_UNKNOWN;
  store<u64>(tree, root, 16);
  store<u64>(tree, count, 24);
  store<u64>(tree, overflow, 32);
  return 0;
}

/** Ends the epoch for the trees: drops the versions that no pin can see. */
export function commitTrees(): void {
  while (touched != 0) {
    const tree = touched;
    touched = load<u32>(tree, 44);
    prune(tree);
  }
}

/**
 * The trees as of `at` are in sealed blobs that a root names: their roots are remembered from now
 * on, so that the epoch can be pinned though it was not, and its pages are read from there.
 */
export function rootEpoch(at: u64): void {
  rooted = at;
}

/** Drops older versions that nobody can see: versions and pins are sorted, newest first. */
function prune(tree: usize): void {
  let link = tree + 40;
  let newer = load<u64>(tree, 8);
  let version: usize = load<u32>(link);
  let pin = newestPin();
  while (version != 0) {
    const since = load<u64>(version, 8);
    const older: usize = load<u32>(version);
    while (pin >= 0 && pinAt(pin) >= newer) pin--;
    if ((pin >= 0 && pinAt(pin) >= since) || (rooted >= since && rooted < newer)) {
      link = version;
    } else {
      store<u32>(link, older);
      giveVersion(version);
    }
    newer = since;
    version = older;
  }
}

/** Puts every tree that the epoch has changed back to what it was. */
export function rollbackTrees(): void {
  while (touched != 0) {
    const tree = touched;
    touched = load<u32>(tree, 44);
    const version: usize = load<u32>(tree, 40);
    memory.copy(tree + 8, version + 8, 32);
    store<u32>(tree, load<u32>(version), 40);
    store<u64>(tree, 0, 48);
    giveVersion(version);
  }
}

function takeVersion(): usize {
  if (freeVersion == 0) {
    const frame = takeFrame();
    for (let at: u32 = 0; at + VERSION_BYTES <= PAGE_BYTES; at += VERSION_BYTES) {
      giveVersion(frame + at);
    }
  }
  const version = freeVersion;
  freeVersion = load<u32>(version);
  return version;
}

function giveVersion(version: usize): void {
  store<u32>(version, freeVersion);
  freeVersion = version;
}
