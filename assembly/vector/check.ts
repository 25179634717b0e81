/** Looks at every link and counts what is wrong. For tests and for `check()`; not in slices. */
import { rowCount, rowOf, rowRoom } from "./link";
import { allocate, release, wordAt } from "./memory";
import { entryLevel, entrySlot, slotCount } from "./nodes";
import { inLinksOf, levelOf, STATE_LINKED, stateOf } from "./record";
import { linkBytes, linksOf, NONE } from "./shape";
import { beginVisits, isVisited, visit } from "./visited";

export let unreachableCount: u32 = 0;
export let badLinkCount: u32 = 0;
export let badCountCount: u32 = 0;

/** Counts; false when there is no memory for it. */
export function check(): bool {
  unreachableCount = 0;
  badLinkCount = 0;
  badCountCount = 0;
  const bytes = (<usize>slotCount) << 2;
  const counts = allocate(bytes);
  if (counts == 0) return false;
  checkRows(counts);
  for (let slot: u32 = 0; slot < slotCount; slot++) {
    if (stateOf(slot) != STATE_LINKED) continue;
    if (load<u32>(wordAt(counts, slot)) != inLinksOf(slot)) badCountCount++;
  }
  countUnreachable(counts);
  release(counts, bytes);
  return true;
}

function checkRows(counts: usize): void {
  for (let slot: u32 = 0; slot < slotCount; slot++) {
    if (stateOf(slot) != STATE_LINKED) continue;
    const level = levelOf(slot);
    if (entrySlot == NONE || level > entryLevel) badLinkCount++;
    for (let at: u32 = 0; at <= level; at++) checkRow(counts, slot, at);
  }
}

function checkRow(counts: usize, slot: u32, level: u32): void {
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
    if (other >= slotCount || stateOf(other) != STATE_LINKED || levelOf(other) < level) {
      badLinkCount++;
      continue;
    }
    if (!visit(other)) badLinkCount++;
    if (level > 0) continue;
    const counter = wordAt(counts, other);
    store<u32>(counter, load<u32>(counter) + 1);
  }
}

/** Walks through all links from the entry point; `stack` has room for every slot. */
function countUnreachable(stack: usize): void {
  beginVisits();
  let size: u32 = 0;
  if (entrySlot != NONE) {
    visit(entrySlot);
    store<u32>(stack, entrySlot);
    size = 1;
  }
  while (size > 0) {
    let row = linksOf(load<u32>(wordAt(stack, --size)));
    for (const end = row + linkBytes; row < end; row += 4) {
      const other = load<u32>(row);
      if (other == NONE) break;
      if (other < slotCount && visit(other)) store<u32>(wordAt(stack, size++), other);
    }
  }
  for (let slot: u32 = 0; slot < slotCount; slot++) {
    if (stateOf(slot) == STATE_LINKED && !isVisited(slot)) unreachableCount++;
  }
}
