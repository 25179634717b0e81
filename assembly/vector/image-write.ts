/**
 * Writes an image in slices; image.ts has its bytes. First an audit makes sure that every node can
 * be reached; from then on the graph does not change until the last slice.
 */
import { beginAudit, continueAudit, endAudit, isAuditing } from "./audit";
import { IMAGE_OPEN, OUT_OF_MEMORY, PURGE_OPEN } from "./errors";
import {
  HEADER_BYTES,
  imageBytes,
  imageNodeBytes,
  meansBytes,
  NODE_HEAD_BYTES,
  writeShape,
} from "./image";
import { rowOf } from "./link";
import { allocate, release, wordAt } from "./memory";
import { bornMax, entrySlot, nodeCount, slotCount } from "./nodes";
import { isPurgeRunning } from "./purge";
import { clippedCount, encodedCount, means } from "./quantiser";
import { queuedAt, queuedCount } from "./queue";
import { bornOf, diedOf, labelOf, levelOf, STATE_LINKED, stateOf } from "./record";
import {
  codeBytes,
  codeOf,
  keepsVectors,
  linkBytes,
  linksOf,
  NONE,
  upperLinkBytes,
  vectorBytes,
  vectorOf,
} from "./shape";
import { usedRows } from "./upper";

const STEP_CLOSED: u32 = 0;
const STEP_AUDIT: u32 = 1;
const STEP_ORDER: u32 = 2;
const STEP_HEAD: u32 = 3;
const STEP_NODES: u32 = 4;
const STEP_UPPER: u32 = 5;
const STEP_END: u32 = 6;

/** One slice at most. The largest node with its vector takes 21 KiB, the head 17 KiB. */
const SLICE_BYTES: usize = 131072;
/** Nodes that are put in order in one slice. */
const ORDER_NODES: i32 = 4096;

let step: u32 = STEP_CLOSED;
let slice: usize = 0;
/** Slots by place, then places by slot. */
let order: usize = 0;
let places: usize = 0;
let tableBytes: usize = 0;
let ordered: u32 = 0;
let cursor: u32 = 0;
let unseen: u32 = 0;
let upperLevel: u32 = 0;

export function isImageOpen(): bool {
  return step != STEP_CLOSED;
}

export function imageSize(): f64 {
  return imageBytes(nodeCount(), usedRows);
}

export function sliceAddress(): usize {
  return slice;
}

export function openImage(): i32 {
  if (step != STEP_CLOSED) return IMAGE_OPEN;
  if (isPurgeRunning()) return PURGE_OPEN;
  if (slice == 0) slice = allocate(SLICE_BYTES);
  tableBytes = (<usize>slotCount) << 3;
  order = allocate(tableBytes);
  if (slice == 0 || order == 0) return OUT_OF_MEMORY;
  places = wordAt(order, slotCount);
  memory.fill(places, 0xff, (<usize>slotCount) << 2);
  ordered = 0;
  cursor = 0;
  unseen = 0;
  step = STEP_AUDIT;
  return beginAudit();
}

export function closeImage(): void {
  if (step == STEP_CLOSED) return;
  endAudit();
  release(order, tableBytes);
  step = STEP_CLOSED;
}

function place(slot: u32): void {
  store<u32>(wordAt(order, ordered), slot);
  store<u32>(wordAt(places, slot), ordered);
  ordered++;
}

function placeOf(slot: u32): u32 {
  return load<u32>(wordAt(places, slot));
}

function slotAt(at: u32): u32 {
  return load<u32>(wordAt(order, at));
}

/**
 * Writes the next bytes into the slice, at most `bytesMax` or 32 KiB; how many. 0 while nodes are
 * being put in order; -1 when all is written.
 */
export function writeSlice(bytesMax: u32): i32 {
  const room = max<usize>(min<usize>(<usize>bytesMax, SLICE_BYTES), 32768);
  if (step == STEP_AUDIT) {
    continueAudit(ORDER_NODES);
    if (isAuditing()) return 0;
    step = STEP_ORDER;
    if (entrySlot != NONE) place(entrySlot);
  }
  if (step == STEP_ORDER) {
    putInOrder(ORDER_NODES);
    return 0;
  }
  if (step == STEP_HEAD) return <i32>writeHead();
  if (step == STEP_NODES) return <i32>writeNodes(room);
  if (step == STEP_UPPER) {
    const bytes = writeUpper(room);
    if (bytes > 0) return <i32>bytes;
  }
  closeImage();
  return -1;
}

/** Breadth first from the entry point, then what it does not reach, then the waiting ones. */
function putInOrder(budget: i32): void {
  for (; budget > 0; budget--) {
    if (cursor < ordered) {
      let row = linksOf(slotAt(cursor++));
      for (const end = row + linkBytes; row < end; row += 4) {
        const other = load<u32>(row);
        if (other == NONE) break;
        if (placeOf(other) == NONE) place(other);
      }
    } else if (unseen < slotCount) {
      const slot = unseen++;
      if (stateOf(slot) == STATE_LINKED && placeOf(slot) == NONE) place(slot);
    } else {
      const waiting = queuedCount();
      for (let index: u32 = 0; index < waiting; index++) place(queuedAt(index));
      step = STEP_HEAD;
      return;
    }
  }
}

function writeHead(): usize {
  writeShape(slice);
  store<u32>(slice, ordered, 40);
  store<u32>(slice, ordered - queuedCount(), 44);
  store<u32>(slice, entrySlot == NONE ? NONE : placeOf(entrySlot), 48);
  store<u32>(slice, usedRows, 52);
  store<u64>(slice, bornMax, 72);
  store<u64>(slice, clippedCount, 80);
  store<u64>(slice, encodedCount, 88);
  memory.copy(slice + HEADER_BYTES, means, meansBytes());
  cursor = 0;
  step = STEP_NODES;
  return HEADER_BYTES + meansBytes();
}

function writeNodes(room: usize): usize {
  let at = slice;
  const bytes = imageNodeBytes();
  while (cursor < ordered && at + bytes <= slice + room) {
    writeNode(at, slotAt(cursor++));
    at += bytes;
  }
  if (cursor == ordered) {
    cursor = 0;
    upperLevel = 1;
    step = STEP_UPPER;
  }
  return at - slice;
}

function writeNode(at: usize, slot: u32): void {
  store<u32>(at, labelOf(slot));
  store<u32>(at, levelOf(slot), 4);
  store<u64>(at, bornOf(slot), 8);
  store<u64>(at, diedOf(slot), 16);
  at += NODE_HEAD_BYTES;
  writeLinks(at, linksOf(slot), linkBytes);
  at += linkBytes;
  memory.copy(at, codeOf(slot), codeBytes);
  if (keepsVectors) memory.copy(at + codeBytes, vectorOf(slot), vectorBytes);
}

function writeLinks(to: usize, row: usize, bytes: usize): void {
  for (let at: usize = 0; at < bytes; at += 4) {
    const other = load<u32>(row + at);
    store<u32>(to + at, other == NONE ? NONE : placeOf(other));
  }
}

function writeUpper(room: usize): usize {
  let at = slice;
  while (cursor < ordered && at + upperLinkBytes <= slice + room) {
    const slot = slotAt(cursor);
    if (upperLevel > levelOf(slot)) {
      cursor++;
      upperLevel = 1;
      continue;
    }
    writeLinks(at, rowOf(slot, upperLevel++), upperLinkBytes);
    at += upperLinkBytes;
  }
  if (cursor == ordered) step = STEP_END;
  return at - slice;
}
