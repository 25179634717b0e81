/** Nodes: slots given out and taken back, and the counts of the whole graph. */
import { LABEL_TAKEN, LABEL_UNKNOWN, OUT_OF_MEMORY } from "./errors";
import { addLabel, removeLabel, reserveLabel, slotOf } from "./labels";
import { allocate } from "./memory";
import { encode, input, normalise } from "./quantiser";
import { enqueue, reserveQueue } from "./queue";
import {
  ALIVE,
  diedOf,
  labelOf,
  setDied,
  setState,
  setUpper,
  STATE_FREE,
  STATE_UNLINKED,
  upperOf,
  writeRecord,
} from "./record";
import {
  addChunk,
  chunkBytes,
  codeBytes,
  codeOf,
  connections,
  isChunkTableFull,
  keepsVectors,
  linkBytes,
  linksOf,
  NONE,
  recordOf,
  RECORD_BYTES,
  seed,
  sketchBytes,
  sketchOf,
  slotCapacity,
  SLOTS_MAX,
  vectorBytes,
  vectorOf,
} from "./shape";
import { writeSketch } from "./sketch";
import { addUpperRows, freeUpperRows } from "./upper";
import { filterSlot, unfilterSlot } from "./visible";
import { reserveVisited } from "./visited";

export const LEVEL_MAX: u32 = 15;

/** Slots that were ever used: those from here on are not. */
export let slotCount: u32 = 0;
let freeSlot: u32 = 0;
export let freeCount: u32 = 0;
export let deadCount: u32 = 0;
/** No node was born after it. */
export let bornMax: u64 = 0;

/** Where walks begin; NONE while nothing is linked. */
export let entrySlot: u32 = NONE;
export let entryLevel: u32 = 0;

export function setEntryPoint(slot: u32, level: u32): void {
  entrySlot = slot;
  entryLevel = level;
}

export function nodeCount(): u32 {
  return slotCount - freeCount;
}

/** Room for the node with the next slot, in every table that knows slots. */
export function reserveSlot(): i32 {
  if (freeSlot == 0 && slotCount == slotCapacity()) {
    if (isChunkTableFull() || slotCount >= SLOTS_MAX) return OUT_OF_MEMORY;
    const chunk = allocate(chunkBytes());
    if (chunk == 0 || !addChunk(chunk)) return OUT_OF_MEMORY;
  }
  if (!reserveVisited(slotCount + 1) || !reserveQueue()) return OUT_OF_MEMORY;
  return reserveLabel();
}

/** A slot, reserved before. */
export function takeSlot(): u32 {
  if (freeSlot == 0) return slotCount++;
  const slot = freeSlot - 1;
  freeSlot = upperOf(slot);
  freeCount--;
  return slot;
}

/** Empties a slot that nothing links to; every byte of the vector goes. */
export function freeNode(slot: u32): void {
  removeLabel(labelOf(slot), slot);
  unfilterSlot(slot);
  freeUpperRows(slot);
  if (diedOf(slot) != ALIVE) deadCount--;
  memory.fill(linksOf(slot), 0xff, linkBytes);
  memory.fill(codeOf(slot), 0, codeBytes);
  memory.fill(sketchOf(slot), 0, sketchBytes);
  if (keepsVectors) memory.fill(vectorOf(slot), 0, vectorBytes);
  memory.fill(recordOf(slot), 0, RECORD_BYTES);
  setState(slot, STATE_FREE);
  setUpper(slot, freeSlot);
  freeSlot = slot + 1;
  freeCount++;
}

/** Stores the input as a new node that waits to be linked. */
export function appendNode(label: u32, seq: u64): i32 {
  if (slotOf(label) != NONE) return LABEL_TAKEN;
  const status = reserveSlot();
  if (status < 0) return status;
  normalise(input);
  const slot = takeSlot();
  writeRecord(slot, label, seq, 0, STATE_UNLINKED);
  memory.fill(linksOf(slot), 0xff, linkBytes);
  encode(input, codeOf(slot), true);
  writeSketch(slot);
  if (keepsVectors) memory.copy(vectorOf(slot), input, vectorBytes);
  addLabel(label, slot);
  filterSlot(slot, label);
  enqueue(slot);
  if (seq > bornMax) bornMax = seq;
  return 0;
}

export function killNode(label: u32, seq: u64): i32 {
  const slot = slotOf(label);
  if (slot == NONE) return LABEL_UNKNOWN;
  if (diedOf(slot) == ALIVE) deadCount++;
  setDied(slot, seq);
  return 0;
}

/** After an image was loaded. */
export function setCounts(slots: u32, dead: u32, born: u64): void {
  slotCount = slots;
  deadCount = dead;
  bornMax = born;
}

function mix(value: u32): u32 {
  value ^= value >>> 16;
  value *= 0x7feb352d;
  value ^= value >>> 15;
  value *= 0x846ca68b;
  return value ^ (value >>> 16);
}

/** The level of a label: each level holds one of `connections` nodes of the level below. */
export function levelFor(label: u32): u32 {
  const limit = u32.MAX_VALUE / connections;
  let level: u32 = 0;
  let word = mix(label ^ mix(seed));
  while (level < LEVEL_MAX && word < limit) {
    level++;
    word = mix(word + 0x9e3779b9 * level);
  }
  return level;
}

/** Gives a node the rows for its level and writes it into the record. */
export function raise(slot: u32): i32 {
  const level = levelFor(labelOf(slot));
  if (level > 0) {
    const status = addUpperRows(slot, level);
    if (status < 0) return status;
  }
  store<u8>(recordOf(slot), <u8>level, 28);
  return 0;
}
