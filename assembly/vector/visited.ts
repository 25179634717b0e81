/**
 * Which slots a walk has seen: a byte for each slot holds the number of the last walk that did. So
 * beginning a walk is adding one; only every 255th clears the bytes.
 */
import { allocate, release } from "./memory";

export let visited: usize = 0;
let capacity: u32 = 0;
export let epoch: u32 = 0;

/** Room for slots below `slots`; false when there is no memory. */
export function reserveVisited(slots: u32): bool {
  if (slots <= capacity) return true;
  const wanted = max<u32>(max<u32>(slots, capacity + (capacity >>> 1)), 1024);
  const next = allocate(<usize>wanted);
  if (next == 0) return false;
  release(visited, <usize>capacity);
  visited = next;
  capacity = wanted;
  epoch = 0;
  return true;
}

export function beginVisits(): void {
  if (++epoch < 256) return;
  memory.fill(visited, 0, <usize>capacity);
  epoch = 1;
}

/** Marks the slot; true when it was not marked yet. */
export function visit(slot: u32): bool {
  const at = visited + <usize>slot;
  if (load<u8>(at) == epoch) return false;
  store<u8>(at, <u8>epoch);
  return true;
}

export function isVisited(slot: u32): bool {
  return load<u8>(visited + <usize>slot) == epoch;
}
