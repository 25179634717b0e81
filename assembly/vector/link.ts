/** Linking: which nodes a node links to, and which link it gives up when it has too many. */
import { wordAt } from "./memory";
import { between, queryNode } from "./kernel";
import { entryLevel, entrySlot, raise, setEntryPoint } from "./nodes";
import { entryAt, distanceOfEntry, poolSize, reservePool, slotOfEntry } from "./pool";
import { dequeue, queuedAt } from "./queue";
import { ALIVE, changeInLinks, diedOf, inLinksOf, levelOf, setState, STATE_LINKED } from "./record";
import {
  codeOf,
  connections,
  efConstruction,
  linkBytes,
  linksOf,
  NONE,
  upperLinkBytes,
} from "./shape";
import { OUT_OF_MEMORY } from "./errors";
import { upperLinksOf } from "./upper";
import { descend, walk } from "./walk";

/** Nodes that were selected, nearest first. */
export const chosen: usize = memory.data(512, 16);
let chosenCount: u32 = 0;

export function rowOf(slot: u32, level: u32): usize {
  return level == 0 ? linksOf(slot) : upperLinksOf(slot, level);
}

export function rowRoom(level: u32): u32 {
  return <u32>((level == 0 ? linkBytes : upperLinkBytes) >>> 2);
}

export function rowCount(row: usize, room: u32): u32 {
  let count: u32 = 0;
  while (count < room && load<u32>(wordAt(row, count)) != NONE) count++;
  return count;
}

/** Links the node that has waited longest. */
export function linkNext(): i32 {
  if (!reservePool(efConstruction)) return OUT_OF_MEMORY;
  const slot = queuedAt(0);
  const status = raise(slot);
  if (status < 0) return status;
  dequeue();
  setState(slot, STATE_LINKED);
  const level = levelOf(slot);
  if (entrySlot == NONE) {
    setEntryPoint(slot, level);
    return 0;
  }
  queryNode(codeOf(slot));
  let start = descend(level);
  for (let at = <i32>min(level, entryLevel); at >= 0; at--) {
    walk(start, at, efConstruction);
    start = slotOfEntry(entryAt(0));
    choose(slot, connections);
    connect(slot, at);
  }
  if (inLinksOf(slot) == 0) linkFromAnywhere(slot);
  if (level > entryLevel) setEntryPoint(slot, level);
  return 0;
}

/**
 * Selects up to `most` nodes of the pool that lie in different directions: one that is nearer to a
 * selected node than to `slot` is reached through that one. Nodes that are dead would be
 * links that end soon: they are taken only when nothing else is there.
 */
export function choose(slot: u32, most: u32): void {
  chosenCount = 0;
  chooseAmong(slot, most, false);
  if (chosenCount == 0) chooseAmong(slot, most, true);
}

function chooseAmong(slot: u32, most: u32, dead: bool): void {
  const size = poolSize;
  for (let index: u32 = 0; index < size && chosenCount < most; index++) {
    const entry = entryAt(index);
    const candidate = slotOfEntry(entry);
    if (candidate == slot) continue;
    if (!dead && diedOf(candidate) != ALIVE) continue;
    if (isCovered(candidate, distanceOfEntry(entry), chosen, chosenCount)) continue;
    store<u32>(wordAt(chosen, chosenCount++), candidate);
  }
}

/** Whether one of `count` nodes is nearer to the candidate than `distance`, or equal to it. */
export function isCovered(candidate: u32, distance: u32, nodes: usize, count: u32): bool {
  const code = codeOf(candidate);
  const nearest = max<u32>(distance, 1);
  for (let index: u32 = 0; index < count; index++) {
    const other = load<u32>(wordAt(nodes, index));
    if (between(code, codeOf(other)) < nearest) return true;
  }
  return false;
}

/** Writes the chosen nodes as the links of `slot`, and links them back. */
export function connect(slot: u32, level: u32): void {
  const row = rowOf(slot, level);
  memory.copy(row, chosen, (<usize>chosenCount) << 2);
  for (let index: u32 = 0; index < chosenCount; index++) {
    const other = load<u32>(wordAt(chosen, index));
    if (level == 0) changeInLinks(other, 1);
    addLink(other, slot, level);
  }
}

const HOPS_MAX: u32 = 64;

/**
 * Gives a node that every near row refused a link from one that has room: from the pool, or by
 * wandering away from its nearest. Only among many equal vectors does that come so far.
 */
function linkFromAnywhere(slot: u32): void {
  const room = rowRoom(0);
  for (let index: u32 = 0; index < poolSize; index++) {
    const other = slotOfEntry(entryAt(index));
    if (rowCount(linksOf(other), room) == room) continue;
    addLink(other, slot, 0);
    return;
  }
  let from = slotOfEntry(entryAt(0));
  for (let hop: u32 = 0; hop < HOPS_MAX; hop++) {
    const row = linksOf(from);
    const count = rowCount(row, room);
    if (from != slot && count < room) {
      addLink(from, slot, 0);
      return;
    }
    from = load<u32>(wordAt(row, (slot * 0x9e3779b1 + hop) % count));
  }
}

/** A row and one more. */
const crowded: usize = memory.data(528, 16);

/**
 * Adds a link to a row, which stays ordered by distance. A full row gives up the farthest link that
 * is covered by a nearer one; but a node's last in-link is kept if any other can go.
 */
export function addLink(from: u32, to: u32, level: u32): void {
  const room = rowRoom(level);
  const row = rowOf(from, level);
  const count = rowCount(row, room);
  const place = placeIn(row, count, from, to);
  if (count < room) {
    memory.copy(row + 4 + ((<usize>place) << 2), wordAt(row, place), (<usize>(count - place)) << 2);
    store<u32>(wordAt(row, place), to);
    if (level == 0) changeInLinks(to, 1);
    return;
  }
  memory.copy(crowded, row, (<usize>place) << 2);
  store<u32>(wordAt(crowded, place), to);
  const after = (<usize>(place + 1)) << 2;
  memory.copy(crowded + after, wordAt(row, place), (<usize>(count - place)) << 2);
  if (level == 0) changeInLinks(to, 1);
  const victim = victimOf(from, count + 1, level == 0);
  const lost = load<u32>(wordAt(crowded, victim));
  if (level == 0) changeInLinks(lost, -1);
  memory.copy(row, crowded, (<usize>victim) << 2);
  memory.copy(
    wordAt(row, victim),
    crowded + ((<usize>(victim + 1)) << 2),
    (<usize>(count - victim)) << 2,
  );
}

/** How many links of the row are nearer to `from` than `to` is; equal ones by slot. */
function placeIn(row: usize, count: u32, from: u32, to: u32): u32 {
  const code = codeOf(from);
  const distance = between(code, codeOf(to));
  let low: u32 = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const other = load<u32>(wordAt(row, middle));
    const reach = between(code, codeOf(other));
    if (reach < distance || (reach == distance && other < to)) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The link among `crowded` that goes. */
function victimOf(from: u32, count: u32, isCounted: bool): u32 {
  const code = codeOf(from);
  let farthest = NONE;
  for (let index = count - 1; index > 0; index--) {
    const candidate = load<u32>(wordAt(crowded, index));
    if (isCounted && inLinksOf(candidate) <= 1) continue;
    if (farthest == NONE) farthest = index;
    if (isCovered(candidate, between(code, codeOf(candidate)), crowded, index)) return index;
  }
  return farthest == NONE ? count - 1 : farthest;
}
