/**
 * Looks at every link and counts what is wrong, in slices. Linking and purging end one that is
 * under way; everything else may come between.
 *
 *     rows     every link leads to a linked node of its level, and to none twice
 *     counts   nodes know how many links lead to them
 *     reach    which nodes a path from the entry point leads to
 *     missed   those that none does
 */
import { rowCount, rowOf, rowRoom } from "./link";
import { dropMarks, hasMark, makeMarks, setMark } from "./marks";
import { allocate, release, wordAt } from "./memory";
import { entryLevel, entrySlot, slotCount } from "./nodes";
import { inLinksOf, levelOf, STATE_LINKED, stateOf } from "./record";
import { linkBytes, linksOf, NONE } from "./shape";
import { beginVisits, visit } from "./visited";

export let unreachableCount: u32 = 0;
export let badLinkCount: u32 = 0;
export let badCountCount: u32 = 0;

const STEP_IDLE: u32 = 0;
const STEP_ROWS: u32 = 1;
const STEP_COUNTS: u32 = 2;
const STEP_REACH: u32 = 3;
const STEP_MISSED: u32 = 4;

let step: u32 = STEP_IDLE;
let cursor: u32 = 0;
/** Slots that there were when it began. */
let slots: u32 = 0;
/** In-links by slot; then the stack of nodes whose links are still to be followed. */
let counts: usize = 0;
let stackSize: u32 = 0;
let reached: usize = 0;

export function isChecking(): bool {
  return step != STEP_IDLE;
}

/** Begins; false when there is no memory for it. */
export function beginCheck(): bool {
  endCheck();
  unreachableCount = 0;
  badLinkCount = 0;
  badCountCount = 0;
  slots = slotCount;
  counts = allocate(((<usize>slots) << 2) + 4);
  reached = makeMarks(slots);
  step = STEP_ROWS;
  cursor = 0;
  if (counts != 0 && reached != 0) return true;
  endCheck();
  return false;
}

/** Ends one that is under way, if any is. */
export function endCheck(): void {
  step = STEP_IDLE;
  release(counts, ((<usize>slots) << 2) + 4);
  counts = 0;
  dropMarks(reached);
  reached = 0;
}

/** Looks at the rows of up to `budget` nodes. */
export function continueCheck(budget: i32): void {
  while (budget > 0 && step != STEP_IDLE) {
    if (step == STEP_REACH) {
      budget = reach(budget);
      continue;
    }
    if (cursor == slots) {
      next();
      continue;
    }
    const slot = cursor++;
    // Where only a record is looked at, that is many times as quick.
    if (step == STEP_ROWS || (cursor & 31) == 0) budget--;
    if (stateOf(slot) == STATE_LINKED) checkNode(slot);
  }
}

function next(): void {
  cursor = 0;
  if (step == STEP_ROWS) {
    step = STEP_COUNTS;
  } else if (step == STEP_COUNTS) {
    step = STEP_REACH;
    stackSize = 0;
    if (entrySlot != NONE) push(entrySlot);
  } else {
    endCheck();
  }
}

function checkNode(slot: u32): void {
  if (step == STEP_COUNTS) {
    if (load<u32>(wordAt(counts, slot)) != inLinksOf(slot)) badCountCount++;
    return;
  }
  if (step == STEP_MISSED) {
    if (!hasMark(reached, slot)) unreachableCount++;
    return;
  }
  const level = levelOf(slot);
  if (entrySlot == NONE || level > entryLevel) badLinkCount++;
  for (let at: u32 = 0; at <= level; at++) checkRow(slot, at);
}

function checkRow(slot: u32, level: u32): void {
  const room = rowRoom(level);
  const row = rowOf(slot, level);
  const count = rowCount(row, room);
  beginVisits();
  visit(slot);
  for (let index: u32 = 0; index < room; index++) {
    const other = load<u32>(wordAt(row, index));
    if (index >= count) {
      if (other != NONE) badLinkCount++;
      continue;
    }
    if (other >= slots || stateOf(other) != STATE_LINKED || levelOf(other) < level) {
      badLinkCount++;
      continue;
    }
    if (!visit(other)) badLinkCount++;
    if (level > 0) continue;
    const counter = wordAt(counts, other);
    store<u32>(counter, load<u32>(counter) + 1);
  }
}

function push(slot: u32): void {
  setMark(reached, slot);
  store<u32>(wordAt(counts, stackSize++), slot);
}

function reach(budget: i32): i32 {
  while (budget > 0 && stackSize > 0) {
    let row = linksOf(load<u32>(wordAt(counts, --stackSize)));
    for (const end = row + linkBytes; row < end; row += 4) {
      const other = load<u32>(row);
      if (other == NONE) break;
      if (other < slots && !hasMark(reached, other)) push(other);
    }
    budget--;
  }
  if (stackSize == 0) {
    step = STEP_MISSED;
    cursor = 0;
  }
  return budget;
}
