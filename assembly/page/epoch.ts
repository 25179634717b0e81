/**
 * Epochs: copy on write, rollback, and when a page can be freed.
 *
 * Every envelope is an epoch. A page is changed in place only by the epoch that created it; any
 * other is copied, and the old one is *superseded*. `commitEpoch` decides about superseded pages,
 * `rollbackEpoch` forgets the new ones.
 *
 * A superseded page has a birth b and a death d (the epoch that replaced it). It is still needed if
 * an epoch e with b <= e < d is pinned. Pins are few and sorted, and death is always now, so only
 * the newest pin below d can matter: if it is >= b the page waits in that pin's list, otherwise it
 * is freed at once. When a pin goes, its list is handed to the next older pin by the same rule. The
 * published epoch, snapshots and the checkpoint that is being written are all just pins.
 *
 * Pages that come in a row, as those of a long value do, are born, superseded and freed as one run
 * (slot.ts), so that no list outgrows the frames that an operation may take.
 *
 * A pin record is 24 bytes: u64 epoch, u32 references, u32 waiting (a list of run, birth).
 */
import { OUT_OF_MEMORY, TABLE_FULL } from "../errors";
import { PAGE_BODY_BYTES, reserveTable } from "../memory";
import { birthOf, giveFrame, idOf, markDirty, occupyFrame, takeFrame } from "./frame";
import { entriesEndOf, formatPage, heapStartOf } from "./header";
import { freeList, lastFirst, lastSecond, popPair, pushPair } from "./list";
import {
  firstOf,
  giveSlots,
  isOpen,
  pagesDied,
  pagesOf,
  runFirst,
  runOf,
  takeRun,
  takeSlot,
} from "./slot";
import { findPage, insertPage, removePage } from "./table";

const PINS_MAX: u32 = 65536;

let pins: usize = 0;
let pinCount: u32 = 0;
/** The epoch that changes are made in; between epochs, the last one. */
export let epoch: u64 = 0;
let born: usize = 0;
let superseded: usize = 0;

export function initializeEpochs(): i32 {
  pins = reserveTable(<usize>24 * PINS_MAX);
  return pins == 0 ? OUT_OF_MEMORY : 0;
}

export function beginEpoch(): void {
  assert(born == 0 && superseded == 0, "epochs do not nest");
  epoch++;
}

/** A new page of this epoch. */
export function createPage(kind: u32, level: u32, tree: u32): usize {
  const page = takeFrame();
  adopt(page, takeSlot());
  formatPage(page, kind, level, tree);
  return page;
}

function adopt(page: usize, id: u64): void {
  bearPage(page, id);
  born = pushPair(born, id, 0);
}

/** Gives a frame to a page of this epoch whose id was reserved before. */
export function bearPage(page: usize, id: u64): void {
  occupyFrame(page, id, epoch, true);
  insertPage(id, page);
}

/** Reserves ids in a row, at most `wanted`; how many. The first one is `runFirst`. */
export function reserveRun(wanted: u32): u32 {
  const count = takeRun(wanted);
  born = pushPair(born, runOf(runFirst, count), 0);
  return count;
}

/** The page itself if this epoch created it, else a copy of it under a new id. */
export function writable(page: usize): usize {
  const birth = birthOf(page);
  if (birth == epoch) {
    markDirty(page);
    return page;
  }
  const copy = takeFrame();
  copyContent(copy, page);
  adopt(copy, takeSlot());
  superseded = pushPair(superseded, idOf(page), birth);
  return copy;
}

/** Copies all but the gap, which is a third of a page as trees fill them. */
function copyContent(target: usize, page: usize): void {
  const end = entriesEndOf(page);
  const start = heapStartOf(page);
  if (end >= start) {
    memory.copy(target, page, PAGE_BODY_BYTES);
    return;
  }
  memory.copy(target, page, end);
  memory.copy(target + start, page + start, PAGE_BODY_BYTES - start);
}

/** The page leaves its tree. */
export function dropPage(id: u64): void {
  dropRun(id, 1);
}
/** Pages in a row, born together, leave their tree. */
export function dropRun(first: u64, pages: u32): void {
  superseded = pushPair(superseded, runOf(first, pages), birthOfRun(first));
}
/** The birth stands in the frame; it is unknown (0) if the first page is not resident. */
function birthOfRun(first: u64): u64 {
  const page = findPage(first);
  return page == 0 ? 0 : birthOf(page);
}

/** Frees a run that nothing can reach. */
function erase(run: u64): void {
  const pages = pagesOf(run);
  for (let index: u32 = 0; index < pages; index++) {
    const page = removePage(firstOf(run) + index);
    if (page != 0) giveFrame(page);
  }
  giveSlots(run);
}

/** The index of the newest pin below `limit`, or -1. */
function newestPinBelow(limit: u64): i32 {
  let index = <i32>pinCount - 1;
  while (index >= 0 && load<u64>(pins + <usize>index * 24) >= limit) index--;
  return index;
}

/** Frees a run, or lets it wait for the pin at `index`, the newest one below its death. */
function retire(run: u64, birth: u64, index: i32): void {
  if (index >= 0) {
    const pin = pins + <usize>index * 24;
    if (load<u64>(pin) >= birth) {
      store<u32>(pin, pushPair(load<u32>(pin, 12), run, birth), 12);
      return;
    }
  }
  erase(run);
}

/**
 * Pages of a subtree that was cut off at `death`; for subtrees that are reclaimed after their
 * commit. The checkpoint that closed their blob may name the subtree in its queue and not have
 * written them yet. It is a pin, and for that one they die only now.
 */
export function reclaimRun(first: u64, pages: u32, death: u64): void {
  const run = runOf(first, pages);
  pagesDied(run);
  retire(run, birthOfRun(first), newestPinBelow(isOpen(first) ? death : epoch + 1));
}

/** Makes the epoch's changes final. Superseded pages are dead from now on. */
export function commitEpoch(): void {
  const index = newestPinBelow(epoch);
  while (superseded != 0) {
    const run = lastFirst(superseded);
    const birth = lastSecond(superseded);
    superseded = popPair(superseded);
    pagesDied(run);
    retire(run, birth, index);
  }
  freeList(born);
  born = 0;
}

/** Forgets every page that the epoch created. Tree roots are restored by the caller. */
export function rollbackEpoch(): void {
  freeList(superseded);
  superseded = 0;
  while (born != 0) {
    const run = lastFirst(born);
    born = popPair(born);
    pagesDied(run);
    erase(run);
  }
}

/**
 * Keeps every page that is reachable at `at`, which must be the newest epoch, pinned already, or
 * that of the last checkpoint: what of it is gone from memory is in blobs that a root names.
 */
export function pinEpoch(at: u64): i32 {
  let index = newestPinBelow(at + 1);
  if (index >= 0 && load<u64>(pins + <usize>index * 24) == at) {
    const pin = pins + <usize>index * 24;
    store<u32>(pin, load<u32>(pin, 8) + 1, 8);
    return 0;
  }
  if (pinCount == PINS_MAX) return TABLE_FULL;
  index++;
  const pin = pins + <usize>index * 24;
  memory.copy(pin + 24, pin, (<usize>pinCount - index) * 24);
  pinCount++;
  store<u64>(pin, at);
  store<u32>(pin, 1, 8);
  store<u32>(pin, 0, 12);
  return 0;
}

export function unpinEpoch(at: u64): void {
  const index = newestPinBelow(at + 1);
  assert(index >= 0, "the epoch is pinned");
  const pin = pins + <usize>index * 24;
  assert(load<u64>(pin) == at, "the epoch is pinned");
  const references = load<u32>(pin, 8) - 1;
  store<u32>(pin, references, 8);
  if (references > 0) return;
  let waiting: usize = load<u32>(pin, 12);
  pinCount--;
  memory.copy(pin, pin + 24, (<usize>pinCount - index) * 24);
  while (waiting != 0) {
    const run = lastFirst(waiting);
    const birth = lastSecond(waiting);
    waiting = popPair(waiting);
    retire(run, birth, index - 1);
  }
}

/** The index of the newest pin; the index of the next older one is one less, and -1 is none. */
export function newestPin(): i32 {
  return <i32>pinCount - 1;
}
export function pinAt(index: i32): u64 {
  return load<u64>(pins + <usize>index * 24);
}

/** The oldest pinned epoch; the newest epoch when nothing is pinned. */
export function oldestPin(): u64 {
  return pinCount == 0 ? epoch : load<u64>(pins);
}
