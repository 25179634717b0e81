/** Appended nodes that are not linked yet, in the order in which they will be. */
import { allocate, release, wordAt } from "./memory";

let queue: usize = 0;
let capacity: u32 = 0;
let first: u32 = 0;
let end: u32 = 0;

export function queuedCount(): u32 {
  return end - first;
}

export function queuedAt(index: u32): u32 {
  return load<u32>(queue + ((<usize>(first + index)) << 2));
}

/** Room for one more; false when there is no memory. */
export function reserveQueue(): bool {
  if (end < capacity) return true;
  const count = end - first;
  if (count <= capacity >>> 1 && capacity > 0) {
    memory.copy(queue, wordAt(queue, first), (<usize>count) << 2);
  } else {
    const wanted = max<u32>(capacity << 1, 256);
    const next = allocate((<usize>wanted) << 2);
    if (next == 0) return false;
    memory.copy(next, wordAt(queue, first), (<usize>count) << 2);
    release(queue, (<usize>capacity) << 2);
    queue = next;
    capacity = wanted;
  }
  first = 0;
  end = count;
  return true;
}

export function enqueue(slot: u32): void {
  store<u32>(wordAt(queue, end++), slot);
}

export function dequeue(): u32 {
  const slot = load<u32>(wordAt(queue, first++));
  if (first == end) {
    first = 0;
    end = 0;
  }
  return slot;
}

/** Keeps the first `count`. */
export function truncateQueue(count: u32): void {
  end = first + count;
}

export function setQueued(index: u32, slot: u32): void {
  store<u32>(queue + ((<usize>(first + index)) << 2), slot);
}
