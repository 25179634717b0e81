/**
 * Finds the nodes that no path from the entry point reaches, and links them again. In slices: a
 * stack of slots and a set of those that were reached are the state between them.
 */
import { OUT_OF_MEMORY } from "./errors";
import { queryNode } from "./kernel";
import { addLink, choose, connect, rowCount, rowRoom } from "./link";
import { allocate, release, wordAt } from "./memory";
import { entrySlot, slotCount } from "./nodes";
import { entryAt, poolSize, reservePool, setEntry, setPoolSize, slotOfEntry } from "./pool";
import { changeInLinks, STATE_LINKED, stateOf } from "./record";
import { clearMarks, dropMarks, hasMark, makeMarks, setMark } from "./marks";
import { codeOf, connections, efConstruction, linkBytes, linksOf, NONE } from "./shape";
import { descend, walk } from "./walk";

const STEP_IDLE: u32 = 0;
const STEP_REACH: u32 = 1;
const STEP_RELINK: u32 = 2;
/** Relinking can cut another path, so it is looked again; each time fewer are left. */
/** Of the budget: as many nodes' links are looked at in the time. */
const RELINK_COST: i32 = 128;
const ROUNDS_MAX: u32 = 16;

let step: u32 = STEP_IDLE;
let cursor: u32 = 0;
let stack: usize = 0;
let reached: usize = 0;
let stackRoom: u32 = 0;
let stackSize: u32 = 0;
let rounds: u32 = 0;
let relinked: u32 = 0;

export function isAuditing(): bool {
  return step != STEP_IDLE;
}

/** Begins, anew if one is under way. No purge is. */
export function beginAudit(): i32 {
  endAudit();
  if (entrySlot == NONE) return 0;
  if (!reservePool(efConstruction)) return OUT_OF_MEMORY;
  stackRoom = slotCount;
  stack = allocate((<usize>stackRoom) << 2);
  reached = makeMarks(stackRoom);
  if (stack == 0 || reached == 0) {
    endAudit();
    return OUT_OF_MEMORY;
  }
  rounds = 0;
  beginRound();
  return 0;
}

function beginRound(): void {
  clearMarks(reached);
  step = STEP_REACH;
  cursor = 0;
  stackSize = 0;
  relinked = 0;
  push(entrySlot);
}

/** Looks at up to `budget` nodes; what is left of the budget. */
export function continueAudit(budget: i32): i32 {
  while (budget > 0 && step != STEP_IDLE) {
    if (step == STEP_REACH) budget = reach(budget);
    else budget = relink(budget);
  }
  return budget;
}

function push(slot: u32): void {
  setMark(reached, slot);
  store<u32>(wordAt(stack, stackSize++), slot);
}

function reach(budget: i32): i32 {
  while (budget > 0 && stackSize > 0) {
    const slot = load<u32>(wordAt(stack, --stackSize));
    let row = linksOf(slot);
    for (const end = row + linkBytes; row < end; row += 4) {
      const other = load<u32>(row);
      if (other == NONE) break;
      if (!hasMark(reached, other)) push(other);
    }
    budget--;
  }
  if (stackSize == 0) step = STEP_RELINK;
  return budget;
}

/** Goes on to the next node that was not reached, links it, and reaches on from there. */
function relink(budget: i32): i32 {
  while (budget > 0 && cursor < stackRoom) {
    const slot = cursor++;
    if ((cursor & 31) == 0) budget--;
    if (stateOf(slot) != STATE_LINKED || hasMark(reached, slot)) continue;
    relinkNode(slot);
    relinked++;
    push(slot);
    step = STEP_REACH;
    return budget - RELINK_COST;
  }
  if (cursor < stackRoom) return budget;
  if (relinked > 0 && ++rounds < ROUNDS_MAX) {
    beginRound();
    return budget;
  }
  endAudit();
  return budget;
}

/** Ends one that is under way, if any is. */
export function endAudit(): void {
  step = STEP_IDLE;
  release(stack, (<usize>stackRoom) << 2);
  stack = 0;
  dropMarks(reached);
  reached = 0;
}

/** Links a node that was not reached from the nearest nodes that were. */
function relinkNode(slot: u32): void {
  queryNode(codeOf(slot));
  walk(descend(0), 0, efConstruction);
  keepReached();
  if (rowCount(linksOf(slot), rowRoom(0)) == 0) {
    choose(slot, connections);
    connect(slot, 0);
  }
  for (let index: u32 = 0; index < poolSize; index++) {
    const other = slotOfEntry(entryAt(index));
    if (!isLinked(other, slot)) addLink(other, slot, 0);
    if (isLinked(other, slot)) return;
  }
  replaceLastLink(entrySlot, slot);
}

/** Takes the nodes that were not reached out of the pool. */
function keepReached(): void {
  let kept: u32 = 0;
  for (let index: u32 = 0; index < poolSize; index++) {
    const entry = entryAt(index);
    if (hasMark(reached, slotOfEntry(entry))) setEntry(kept++, entry);
  }
  setPoolSize(kept);
}

function isLinked(from: u32, to: u32): bool {
  const row = linksOf(from);
  const count = rowCount(row, rowRoom(0));
  for (let index: u32 = 0; index < count; index++) {
    if (load<u32>(wordAt(row, index)) == to) return true;
  }
  return false;
}

/** The last resort: each link of every near node is the only one to its node. */
function replaceLastLink(from: u32, to: u32): void {
  const row = linksOf(from);
  const count = rowCount(row, rowRoom(0));
  const place = count < rowRoom(0) ? count : count - 1;
  const lost = load<u32>(wordAt(row, place));
  if (lost != NONE) changeInLinks(lost, -1);
  store<u32>(wordAt(row, place), to);
  changeInLinks(to, 1);
}
