/**
 * Removes nodes that died at or before a seq. In slices, with the graph whole between them:
 *
 *     mark     the nodes that go
 *     sweep    every row that leads to one: those links go, nodes near by take their place
 *     free     the nodes, which nothing leads to any more; their bytes become zero
 *     audit    nodes that only the removed ones led to are linked again
 *
 * The sweep looks at every row, because links have no way back. That costs a few milliseconds
 * for 100,000 nodes, and is paid once for all that died since the last purge.
 */
import { wordAt } from "./memory";
import { beginAudit, continueAudit, isAuditing } from "./audit";
import { OUT_OF_MEMORY } from "./errors";
import { measure, queryNode } from "./kernel";
import { dropMarks, hasMark, makeMarks, setMark } from "./marks";
import { addLink, isCovered, rowCount, rowOf, rowRoom } from "./link";
import { entrySlot, freeNode, setEntryPoint, slotCount } from "./nodes";
import {
  clearPool,
  distanceOfEntry,
  entryAt,
  entryOf,
  insertEntry,
  poolSize,
  reservePool,
  slotOfEntry,
} from "./pool";
import { queuedAt, queuedCount, setQueued, truncateQueue } from "./queue";
import {
  changeInLinks,
  diedOf,
  inLinksOf,
  levelOf,
  STATE_FREE,
  STATE_LINKED,
  stateOf,
} from "./record";
import { codeOf, connections, linkBytes, linksOf, NONE } from "./shape";
import { beginVisits, visit } from "./visited";

const STEP_IDLE: u32 = 0;
const STEP_MARK: u32 = 1;
const STEP_SWEEP: u32 = 2;
const STEP_FREE: u32 = 3;
const STEP_AUDIT: u32 = 4;

/** Nodes near a removed one that may take its place in a row, and removed ones looked behind. */
const CANDIDATES_MAX: u32 = 256;
const BEHIND_MAX: u32 = 64;

let step: u32 = STEP_IDLE;
let cursor: u32 = 0;
let seqMax: u64 = 0;
/** Nodes appended later are not looked at. */
let slotsAtBegin: u32 = 0;
let marked: u32 = 0;
/** The nodes that go. */
let going: usize = 0;
let bestSlot: u32 = NONE;
let bestLevel: u32 = 0;

export function isPurgeRunning(): bool {
  return step != STEP_IDLE;
}

/** Begins a purge, or goes on with the one that runs. 1 when it is done, 0 when not yet. */
export function purge(seq: u64, budget: i32): i32 {
  if (step == STEP_IDLE) {
    if (!reservePool(CANDIDATES_MAX)) return OUT_OF_MEMORY;
    going = makeMarks(slotCount);
    if (going == 0) return OUT_OF_MEMORY;
    step = STEP_MARK;
    cursor = 0;
    slotsAtBegin = slotCount;
    seqMax = seq;
    marked = 0;
  }
  while (budget > 0 && step != STEP_IDLE) {
    if (step == STEP_MARK) budget = mark(budget);
    else if (step == STEP_SWEEP) budget = sweep(budget);
    else if (step == STEP_FREE) budget = free(budget);
    else budget = continueAudit(budget);
    if (step == STEP_AUDIT && !isAuditing()) step = STEP_IDLE;
  }
  if (step == STEP_IDLE) {
    dropMarks(going);
    going = 0;
  }
  return step == STEP_IDLE ? 1 : 0;
}

function mark(budget: i32): i32 {
  while (budget > 0 && cursor < slotsAtBegin) {
    const slot = cursor++;
    if ((cursor & 31) == 0) budget--;
    if (stateOf(slot) == STATE_FREE || diedOf(slot) > seqMax) continue;
    setMark(going, slot);
    marked++;
  }
  if (cursor < slotsAtBegin) return budget;
  cursor = 0;
  bestSlot = NONE;
  dropQueued();
  step = marked == 0 ? STEP_IDLE : STEP_SWEEP;
  return budget;
}

/** Nodes that wait to be linked and are removed leave the queue. */
function dropQueued(): void {
  if (marked == 0) return;
  const count = queuedCount();
  let kept: u32 = 0;
  for (let index: u32 = 0; index < count; index++) {
    const slot = queuedAt(index);
    if (!hasMark(going, slot)) setQueued(kept++, slot);
  }
  truncateQueue(kept);
}

function sweep(budget: i32): i32 {
  while (budget > 0 && cursor < slotCount) {
    const slot = cursor++;
    budget--;
    if (stateOf(slot) != STATE_LINKED || hasMark(going, slot)) continue;
    const level = levelOf(slot);
    if (bestSlot == NONE || level > bestLevel) {
      bestSlot = slot;
      bestLevel = level;
    }
    for (let at: u32 = 0; at <= level; at++) {
      if (leadsToPurged(slot, at)) {
        repair(slot, at);
        budget -= 8;
      }
    }
  }
  if (cursor < slotCount) return budget;
  if (entrySlot != NONE && hasMark(going, entrySlot)) {
    setEntryPoint(bestSlot, bestSlot == NONE ? 0 : bestLevel);
  }
  cursor = 0;
  step = STEP_FREE;
  return budget;
}

function leadsToPurged(slot: u32, level: u32): bool {
  const row = rowOf(slot, level);
  const count = rowCount(row, rowRoom(level));
  for (let index: u32 = 0; index < count; index++) {
    if (hasMark(going, load<u32>(wordAt(row, index)))) return true;
  }
  return false;
}

const kept: usize = memory.data(512, 16);
const behind: usize = memory.data(256, 16);

/** Replaces the links of a row that lead to removed nodes by links to what lies behind those. */
function repair(slot: u32, level: u32): void {
  const row = rowOf(slot, level);
  const room = rowRoom(level);
  const count = rowCount(row, room);
  let keptCount: u32 = 0;
  let behindCount: u32 = 0;
  beginVisits();
  visit(slot);
  for (let index: u32 = 0; index < count; index++) {
    const other = load<u32>(wordAt(row, index));
    visit(other);
    if (!hasMark(going, other)) store<u32>(wordAt(kept, keptCount++), other);
    else if (behindCount < BEHIND_MAX) store<u32>(wordAt(behind, behindCount++), other);
  }
  const lost = count - keptCount;
  memory.fill(row, 0xff, (<usize>room) << 2);
  memory.copy(row, kept, (<usize>keptCount) << 2);
  gatherBehind(slot, level, behindCount);
  let added: u32 = 0;
  for (let index: u32 = 0; index < poolSize && added < lost; index++) {
    const entry = entryAt(index);
    const candidate = slotOfEntry(entry);
    const links = keptCount + added;
    if (isCovered(candidate, distanceOfEntry(entry), kept, links)) continue;
    store<u32>(wordAt(kept, links), candidate);
    added++;
    addLink(slot, candidate, level);
  }
}

/** Puts what the removed nodes link to into the pool; from one to the next when those go too. */
function gatherBehind(slot: u32, level: u32, found: u32): void {
  clearPool();
  queryNode(codeOf(slot));
  const room = rowRoom(level);
  const near = found;
  for (let index: u32 = 0; index < found; index++) {
    // Farther ones are looked behind only where too little is left near by.
    if (index >= near && poolSize >= connections * 8) return;
    const row = rowOf(load<u32>(wordAt(behind, index)), level);
    const count = rowCount(row, room);
    for (let link: u32 = 0; link < count; link++) {
      const other = load<u32>(wordAt(row, link));
      if (!visit(other)) continue;
      if (!hasMark(going, other)) {
        insertEntry(entryOf(measure(codeOf(other)), other), CANDIDATES_MAX);
      } else if (found < BEHIND_MAX) {
        store<u32>(wordAt(behind, found++), other);
      }
    }
  }
}

function free(budget: i32): i32 {
  while (budget > 0 && cursor < slotCount) {
    const slot = cursor++;
    if ((cursor & 31) == 0) budget--;
    if (!hasMark(going, slot)) continue;
    budget--;
    if (stateOf(slot) == STATE_LINKED) releaseLinks(slot);
    freeNode(slot);
  }
  if (cursor < slotCount) return budget;
  const status = beginAudit();
  step = status < 0 || !isAuditing() ? STEP_IDLE : STEP_AUDIT;
  return budget;
}

/**
 * The nodes that a removed one linked to have an in-link less. One that has none left is linked
 * from the nearest of those that it links to; the audit looks only for what is cut off otherwise.
 */
function releaseLinks(slot: u32): void {
  let row = linksOf(slot);
  for (const end = row + linkBytes; row < end; row += 4) {
    const other = load<u32>(row);
    if (other == NONE) return;
    if (hasMark(going, other) || stateOf(other) != STATE_LINKED) continue;
    changeInLinks(other, -1);
    const nearest = load<u32>(linksOf(other));
    if (inLinksOf(other) == 0 && nearest != NONE) addLink(nearest, other, 0);
  }
}
