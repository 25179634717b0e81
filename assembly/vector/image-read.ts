/**
 * Loads an image in slices; image.ts has its bytes. It arrives as units (head, means, nodes, rows),
 * each put together here before it is looked at. `verify` follows every link once all have arrived;
 * until it is done there is no entry point, so nothing walks.
 */
import { IMAGE_INVALID, OUT_OF_MEMORY } from "./errors";
import { HEADER_BYTES, hasShape, imageNodeBytes, meansBytes, NODE_HEAD_BYTES } from "./image";
import { zeroPoint } from "./kernel";
import { addLabel, slotOf } from "./labels";
import { rowOf, rowRoom } from "./link";
import { allocate } from "./memory";
import {
  levelFor,
  LEVEL_MAX,
  reserveSlot,
  setCounts,
  setEntryPoint,
  slotCount,
  takeSlot,
} from "./nodes";
import { forgetBounds, means, setBounds, setEncoded } from "./quantiser";
import { enqueue } from "./queue";
import {
  ALIVE,
  changeInLinks,
  levelOf,
  setDied,
  STATE_LINKED,
  STATE_UNLINKED,
  writeRecord,
} from "./record";
import {
  codeBytes,
  codeOf,
  dimensions,
  keepsVectors,
  linkBytes,
  linksOf,
  NONE,
  PRECISION_INT8,
  precision,
  SLOTS_MAX,
  upperLinkBytes,
  vectorBytes,
  vectorOf,
} from "./shape";
import { writeSketch } from "./sketch";
import { addUpperRows } from "./upper";
import { beginVisits, visit } from "./visited";

const STEP_HEAD: u32 = 0;
const STEP_MEANS: u32 = 1;
const STEP_NODES: u32 = 2;
const STEP_UPPER: u32 = 3;
const STEP_VERIFY: u32 = 4;
const STEP_READY: u32 = 5;
const STEP_FAILED: u32 = 6;

/** Holds the largest unit: a node of 4,096 dimensions with its vector. */
const UNIT_BYTES: usize = 65536;
const PART_BYTES: usize = 65536;
const SEQ_MAX: u64 = 0x1fffffffffffff;

let step: u32 = STEP_HEAD;
let unit: usize = 0;
let unitFilled: usize = 0;
let part: usize = 0;

let nodes: u32 = 0;
let linked: u32 = 0;
let entry: u32 = NONE;
let upperRows: u32 = 0;
let upperSeen: u32 = 0;
let dead: u32 = 0;
let bornMax: u64 = 0;
let cursor: u32 = 0;
let upperLevel: u32 = 0;
let levelMost: u32 = 0;

/** Where the host writes the next part of the image, at most `partBytes()`; 0 without memory. */
export function partAddress(): usize {
  if (part == 0) {
    part = allocate(PART_BYTES);
    unit = allocate(UNIT_BYTES);
  }
  return unit == 0 ? 0 : part;
}

export function partBytes(): u32 {
  return <u32>PART_BYTES;
}

/** Takes the part that the host wrote. 0, or why not. */
export function readPart(bytes: u32): i32 {
  let at = part;
  const end = part + <usize>bytes;
  while (at < end) {
    const wanted = unitBytes();
    if (wanted == 0) return fail();
    const taken = min(wanted - unitFilled, end - at);
    memory.copy(unit + unitFilled, at, taken);
    unitFilled += taken;
    at += taken;
    if (unitFilled < wanted) continue;
    unitFilled = 0;
    const status = takeUnit();
    if (status == OUT_OF_MEMORY) return status;
    if (status < 0) return fail();
  }
  return 0;
}

function fail(): i32 {
  step = STEP_FAILED;
  return IMAGE_INVALID;
}

/** Bytes of the unit that comes next; 0 when none may come. */
function unitBytes(): usize {
  if (step == STEP_HEAD) return HEADER_BYTES;
  if (step == STEP_MEANS) return meansBytes();
  if (step == STEP_NODES) return imageNodeBytes();
  return step == STEP_UPPER ? upperLinkBytes : 0;
}

function takeUnit(): i32 {
  if (step == STEP_HEAD) return takeHead();
  if (step == STEP_MEANS) return takeMeans();
  return step == STEP_NODES ? takeNode() : takeUpper();
}

function takeHead(): i32 {
  if (!hasShape(unit)) return IMAGE_INVALID;
  nodes = load<u32>(unit, 40);
  linked = load<u32>(unit, 44);
  entry = load<u32>(unit, 48);
  upperRows = load<u32>(unit, 52);
  bornMax = load<u64>(unit, 72);
  if (nodes > SLOTS_MAX || linked > nodes || bornMax > SEQ_MAX) return IMAGE_INVALID;
  if (linked == 0 ? entry != NONE : entry >= linked) return IMAGE_INVALID;
  const low = load<f32>(unit, 56);
  const scale = load<f32>(unit, 60);
  const trained = load<u32>(unit, 64);
  if (trained > 1 || (nodes > 0 && precision == PRECISION_INT8 && trained == 0)) {
    return IMAGE_INVALID;
  }
  if (!setBounds(low, scale)) return IMAGE_INVALID;
  if (trained == 0) forgetBounds();
  setEncoded(load<u64>(unit, 80), load<u64>(unit, 88));
  step = STEP_MEANS;
  return 0;
}

function takeMeans(): i32 {
  for (let at = (<usize>dimensions) << 2; at < meansBytes(); at += 4) {
    if (load<u32>(unit + at) != 0) return IMAGE_INVALID;
  }
  memory.copy(means, unit, meansBytes());
  step = nodes > 0 ? STEP_NODES : STEP_VERIFY;
  return nodes > 0 || upperRows == 0 ? 0 : IMAGE_INVALID;
}

function takeNode(): i32 {
  const label = load<u32>(unit);
  const level = load<u32>(unit, 4);
  const born = load<u64>(unit, 8);
  const died = load<u64>(unit, 16);
  const isLinked = slotCount < linked;
  if (level > LEVEL_MAX || level != (isLinked ? levelFor(label) : 0)) return IMAGE_INVALID;
  if (born > bornMax || (died != ALIVE && died > SEQ_MAX)) return IMAGE_INVALID;
  if (slotOf(label) != NONE) return IMAGE_INVALID;
  const links = unit + NODE_HEAD_BYTES;
  if (!areLinks(links, linkBytes, isLinked ? linked : 0, slotCount)) return IMAGE_INVALID;
  if (precision == PRECISION_INT8 && !isCode(links + linkBytes)) return IMAGE_INVALID;
  const status = reserveSlot();
  if (status < 0) return status;
  const slot = takeSlot();
  writeRecord(slot, label, born, level, isLinked ? STATE_LINKED : STATE_UNLINKED);
  memory.copy(linksOf(slot), links, linkBytes);
  memory.copy(codeOf(slot), links + linkBytes, codeBytes);
  writeSketch(slot);
  if (keepsVectors) memory.copy(vectorOf(slot), links + linkBytes + codeBytes, vectorBytes);
  if (died != ALIVE) {
    dead++;
    setDied(slot, died);
  }
  addLabel(label, slot);
  if (!isLinked) enqueue(slot);
  upperSeen += level;
  levelMost = max(levelMost, level);
  if (level > 0 && addUpperRows(slot, level) < 0) return OUT_OF_MEMORY;
  if (slotCount == nodes) endNodes();
  return upperSeen <= upperRows && (slotCount < nodes || upperSeen == upperRows)
    ? 0
    : IMAGE_INVALID;
}

function endNodes(): void {
  cursor = 0;
  upperLevel = 1;
  step = upperRows > 0 ? STEP_UPPER : STEP_VERIFY;
  setCounts(nodes, dead, bornMax);
}

/** Whether a row holds places below `most`, not its own one, and then only NONE. */
function areLinks(row: usize, bytes: usize, most: u32, own: u32): bool {
  let ended = false;
  for (const end = row + bytes; row < end; row += 4) {
    const other = load<u32>(row);
    if (other == NONE) ended = true;
    else if (ended || other >= most || other == own) return false;
  }
  return true;
}

/** Whether all components have 7 bits, and the padding is that of an encoded vector. */
function isCode(code: usize): bool {
  const high = i8x16.splat(-128);
  for (let at: usize = 0; at < codeBytes; at += 16) {
    if (v128.any_true(v128.and(v128.load(code + at), high))) return false;
  }
  for (let at = <usize>dimensions; at < codeBytes; at++) {
    if (load<u8>(code + at) != <u8>zeroPoint) return false;
  }
  return true;
}

function takeUpper(): i32 {
  while (upperLevel > levelOf(cursor)) {
    cursor++;
    upperLevel = 1;
  }
  if (!areLinks(unit, upperLinkBytes, linked, cursor)) return IMAGE_INVALID;
  memory.copy(rowOf(cursor, upperLevel++), unit, upperLinkBytes);
  if (--upperSeen == 0) {
    cursor = 0;
    step = STEP_VERIFY;
  }
  return 0;
}

/** Follows the links of up to `budget` nodes. 1 when the graph is ready, 0 when not yet. */
export function verify(budget: u32): i32 {
  if (step == STEP_READY) return 1;
  if (step != STEP_VERIFY || unitFilled != 0) return fail();
  for (; budget > 0 && cursor < linked; budget--) {
    const slot = cursor++;
    const level = levelOf(slot);
    for (let at: u32 = 0; at <= level; at++) {
      if (!verifyRow(slot, at)) return fail();
    }
  }
  if (cursor < linked) return 0;
  if (linked > 0) {
    if (levelOf(entry) != levelMost) return fail();
    setEntryPoint(entry, levelMost);
  }
  step = STEP_READY;
  return 1;
}

/** Whether the links of a row are different, and lead to nodes of that level; counts them. */
function verifyRow(slot: u32, level: u32): bool {
  const row = rowOf(slot, level);
  const end = row + ((<usize>rowRoom(level)) << 2);
  beginVisits();
  for (let at = row; at < end; at += 4) {
    const other = load<u32>(at);
    if (other == NONE) return true;
    if (levelOf(other) < level || !visit(other)) return false;
    if (level == 0) changeInLinks(other, 1);
  }
  return true;
}
