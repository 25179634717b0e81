/**
 * Applies a stream of effects, as they stand in a commit of the log, to the trees.
 *
 * An effect has a header of 16 bytes: u8 op, u8 flags, u16 keyLength, u32 tree, u32 valueLength,
 * u32 reserved; then f64 expiresAt (flag 1), key, value. docs/format.md has the whole story.
 */
import {
  EFFECT_CATALOGUE,
  EFFECT_INVALID,
  EFFECT_LARGE,
  NEED_FRAMES,
  NOT_FOUND,
  TREE_UNKNOWN,
  UNORDERED,
} from "../errors";
import { setKey, toLeaves } from "../btree/many";
import { put } from "../btree/put";
import { removeRange } from "../btree/range";
import { remove } from "../btree/remove";
import { setBucketKey, touchBuckets } from "../hash/many";
import { hashPut } from "../hash/put";
import { hashRemove } from "../hash/remove";
import { INPUT, KEY_BYTES_MAX, STATUS, STATUS_CONSUMED, STATUS_COUNT } from "../memory";
import { RESERVE, freeCount } from "../page/frame";
import { levelOf } from "../page/header";
import { GROUP } from "../page/rows";
import { fitsInline } from "../page/slotted";
import { findPage } from "../page/table";
import { miss } from "../btree/path";
import { detach, detachHashed } from "../tree/reclaim";
import {
  KIND_HASHED,
  addOverflow,
  addRecords,
  findTree,
  overflowOf,
  recordsOf,
  rootOf,
  setRoot,
  treeId,
  treeKind,
} from "../tree/tree";

const HEADER_BYTES: u32 = 16;
const OP_PUT: u32 = 1;
const OP_DELETE: u32 = 2;
const OP_DELETE_RANGE: u32 = 3;
const OP_CLEAR: u32 = 4;
const OP_CREATE_TREE: u32 = 5;
const OP_DROP_TREE: u32 = 6;
const FLAG_EXPIRES: u32 = 1;

/** Records that the stream has removed so far; the host adds it up over calls. */
let removed: f64 = 0;
/** Up to here the pages of the effects have been touched. */
let touchedTo: u32 = 0;

/**
 * Applies the effects in the first `length` bytes of INPUT. STATUS_CONSUMED is where it stopped: at
 * an effect that is not whole (0 is returned), or at the one that the returned code is about.
 */
export function apply(length: u32, seq: u64): i32 {
  let at: u32 = 0;
  let result: i32 = 0;
  removed = 0;
  touchedTo = 0;
  while (at + HEADER_BYTES <= length) {
    const effect = INPUT + at;
    if (at >= touchedTo) touchPages(at, length);
    const flags: u32 = load<u8>(effect, 1);
    const keyLength: u32 = load<u16>(effect, 2);
    const valueLength = load<u32>(effect, 8);
    const op: u32 = load<u8>(effect);
    if (op == OP_CREATE_TREE || op == OP_DROP_TREE) {
      result = EFFECT_CATALOGUE;
      break;
    }
    if (keyLength > KEY_BYTES_MAX || flags > FLAG_EXPIRES || load<u32>(effect, 12) != 0) {
      result = EFFECT_INVALID;
      break;
    }
    const body = HEADER_BYTES + (flags & FLAG_EXPIRES ? 8 : 0) + keyLength;
    if (op == OP_PUT && !fitsInline(keyLength, valueLength)) {
      result = at + body <= length ? EFFECT_LARGE : 0;
      break;
    }
    if (valueLength > length - at || at + body + valueLength > length) break;
    const tree = findTree(load<u32>(effect, 4));
    result = tree == 0 ? TREE_UNKNOWN : applyOne(tree, effect, op, flags, seq);
    if (result < 0) break;
    at += body + valueLength;
  }
  store<u32>(STATUS, at, STATUS_CONSUMED);
  store<f64>(STATUS, removed, STATUS_COUNT);
  return min(result, 0);
}

/**
 * Begins to fetch the pages of the next effects, those that put or delete in one tree. One effect
 * alone is a chain of cache misses; those of a group overlap. Whatever cannot be had is left to the
 * effect itself to find out.
 */
function touchPages(from: u32, length: u32): void {
  const id = load<u32>(INPUT + from, 4);
  const tree = findTree(id);
  let at = from;
  let count: u32 = 0;
  while (tree != 0 && count < GROUP && at + HEADER_BYTES <= length) {
    const effect = INPUT + at;
    const op: u32 = load<u8>(effect);
    const keyLength: u32 = load<u16>(effect, 2);
    const valueLength = load<u32>(effect, 8);
    const key = HEADER_BYTES + (load<u8>(effect, 1) & FLAG_EXPIRES ? 8 : 0);
    if (load<u32>(effect, 4) != id || (op != OP_PUT && op != OP_DELETE)) break;
    if (valueLength > length - at || at + key + keyLength + valueLength > length) break;
    if (treeKind(tree) == KIND_HASHED) setBucketKey(tree, count, effect + key, keyLength);
    else setKey(count, effect + key, keyLength);
    count++;
    at += key + keyLength + valueLength;
  }
  touchedTo = max(at, from + 1);
  if (count < 2) return;
  if (treeKind(tree) == KIND_HASHED) touchBuckets(tree, count);
  else toLeaves(rootOf(tree), treeId(tree), count);
}

function applyOne(tree: usize, effect: usize, op: u32, flags: u32, seq: u64): i32 {
  const keyLength: u32 = load<u16>(effect, 2);
  const valueLength = load<u32>(effect, 8);
  const expires = flags & FLAG_EXPIRES;
  const key = effect + HEADER_BYTES + (expires ? 8 : 0);
  const hashed = treeKind(tree) == KIND_HASHED;
  if (op == OP_PUT) {
    const expiresAt = expires ? load<f64>(effect + HEADER_BYTES) : 0;
    const value = key + keyLength;
    return hashed
      ? hashPut(tree, key, keyLength, 0, seq, expiresAt, value, valueLength)
      : put(tree, key, keyLength, 0, seq, expiresAt, value, valueLength);
  }
  if (op == OP_DELETE) {
    const found = hashed ? hashRemove(tree, key, keyLength) : remove(tree, key, keyLength);
    if (found > 0) removed++;
    return found == NOT_FOUND ? 0 : found;
  }
  if (op == OP_CLEAR) return clear(tree);
  if (op != OP_DELETE_RANGE) return EFFECT_INVALID;
  if (hashed) return UNORDERED;
  const found = removeRange(tree, key, keyLength, key + keyLength, valueLength);
  if (found == 0) removed += load<f64>(STATUS, STATUS_COUNT);
  return found;
}

/** Empties a tree at once; its pages are reclaimed later. */
export function clear(tree: usize): i32 {
  if (freeCount < RESERVE) return NEED_FRAMES;
  const root = rootOf(tree);
  if (root == 0) return 0;
  if (treeKind(tree) == KIND_HASHED) detachHashed(tree, root);
  else {
    const page = findPage(root);
    if (page == 0) return miss(root);
    detach(tree, root, levelOf(page));
  }
  const records = recordsOf(tree);
  removed += <f64>records;
  setRoot(tree, 0);
  addRecords(tree, -(<i64>records));
  addOverflow(tree, -(<i64>overflowOf(tree)));
  return 0;
}
