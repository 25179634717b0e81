/**
 * From labels to slots: open addressing over u32 entries, slot plus 1. The label itself is in the
 * slot's record. Removal shifts later entries back, so there are no tombstones.
 */
import { OUT_OF_MEMORY } from "./errors";
import { allocate, release, wordAt } from "./memory";
import { labelOf } from "./record";
import { NONE } from "./shape";

const ENTRIES_FIRST: u32 = 1024;

let table: usize = 0;
let bits: u32 = 0;
let count: u32 = 0;

function home(label: u32): u32 {
  return (label * 0x9e3779b1) >>> (32 - bits);
}

/** Makes room for one more label; call before `addLabel`. */
export function reserveLabel(): i32 {
  const capacity: u32 = bits == 0 ? 0 : 1 << bits;
  // At most three quarters full.
  if (count + 1 <= capacity - (capacity >>> 2)) return 0;
  const nextBits = bits == 0 ? 31 - clz<u32>(ENTRIES_FIRST) : bits + 1;
  const next = allocate((<usize>4) << nextBits);
  if (next == 0) return OUT_OF_MEMORY;
  const old = table;
  table = next;
  bits = nextBits;
  count = 0;
  for (let index: u32 = 0; index < capacity; index++) {
    const entry = load<u32>(wordAt(old, index));
    if (entry != 0) addLabel(labelOf(entry - 1), entry - 1);
  }
  release(old, (<usize>capacity) << 2);
  return 0;
}

export function addLabel(label: u32, slot: u32): void {
  const mask: u32 = (1 << bits) - 1;
  let index = home(label);
  while (load<u32>(wordAt(table, index)) != 0) index = (index + 1) & mask;
  store<u32>(wordAt(table, index), slot + 1);
  count++;
}

/** The slot of a label, NONE when there is none. */
export function slotOf(label: u32): u32 {
  if (count == 0) return NONE;
  const mask: u32 = (1 << bits) - 1;
  let index = home(label);
  while (true) {
    const entry = load<u32>(wordAt(table, index));
    if (entry == 0) return NONE;
    if (labelOf(entry - 1) == label) return entry - 1;
    index = (index + 1) & mask;
  }
}

/** Removes a label that is there; its record must still hold it. */
export function removeLabel(label: u32, slot: u32): void {
  const mask: u32 = (1 << bits) - 1;
  let hole = home(label);
  while (load<u32>(wordAt(table, hole)) != slot + 1) hole = (hole + 1) & mask;
  let index = hole;
  while (true) {
    index = (index + 1) & mask;
    const entry = load<u32>(wordAt(table, index));
    if (entry == 0) break;
    // It may move back to the hole unless its home lies behind the hole, cyclically.
    const distance = (index - home(labelOf(entry - 1))) & mask;
    if (distance >= ((index - hole) & mask)) {
      store<u32>(wordAt(table, hole), entry);
      hole = index;
    }
  }
  store<u32>(wordAt(table, hole), 0);
  count--;
}
