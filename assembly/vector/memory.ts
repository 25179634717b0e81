/**
 * Memory of the instance: blocks that are taken from the end, and those that were given back.
 *
 * Blocks are 128-byte aligned and zeroed. Nodes never move; only tables that double in size are
 * given back, and the next blocks are cut from what they leave.
 */

const ALIGNMENT: usize = 128;
const PAGE_BYTES: usize = 65536;
/** Free blocks that are remembered, as pairs of address and bytes. More are forgotten. */
const FREE_MAX: u32 = 64;
const freeBlocks: usize = memory.data(512, 16);

let freeCount: u32 = 0;
let top: usize = 0;

/** The address of a u32 or f32 in an array. */
export function wordAt(base: usize, index: u32): usize {
  return base + ((<usize>index) << 2);
}

export function roundUp(value: usize, unit: usize): usize {
  return ((value + unit - 1) / unit) * unit;
}

/** A zeroed block; 0 when the memory cannot grow that far. */
export function allocate(wanted: usize): usize {
  const bytes = roundUp(wanted, ALIGNMENT);
  const reused = takeFree(bytes);
  if (reused != 0) {
    memory.fill(reused, 0, bytes);
    return reused;
  }
  if (top == 0) top = roundUp(__heap_base, ALIGNMENT);
  const at = top;
  if (bytes > 0xffff0000 - at) return 0;
  const have = (<usize>memory.size()) << 16;
  if (at + bytes > have) {
    const missing = (at + bytes - have + PAGE_BYTES - 1) / PAGE_BYTES;
    // A growth costs the host up to half a millisecond, so there are few, and little is unused.
    const step = <usize>memory.size() / 16;
    if (step <= missing || memory.grow(<i32>step) < 0) {
      if (memory.grow(<i32>missing) < 0) return 0;
    }
  }
  top = at + bytes;
  return at;
}

/** Gives back a block of `allocate(wanted)`. */
export function release(at: usize, wanted: usize): void {
  if (at == 0 || freeCount == FREE_MAX) return;
  setFree(freeCount++, at, roundUp(wanted, ALIGNMENT));
}

/** The smallest free block that is large enough; the rest of it stays free. */
function takeFree(bytes: usize): usize {
  let best = FREE_MAX;
  let bestBytes: usize = usize.MAX_VALUE;
  for (let index: u32 = 0; index < freeCount; index++) {
    const have = <usize>load<u32>(freeBlocks + ((<usize>index) << 3), 4);
    if (have >= bytes && have < bestBytes) {
      best = index;
      bestBytes = have;
    }
  }
  if (best == FREE_MAX) return 0;
  const at = <usize>load<u32>(freeBlocks + ((<usize>best) << 3));
  if (bestBytes > bytes) {
    setFree(best, at + bytes, bestBytes - bytes);
  } else {
    store<u64>(
      freeBlocks + ((<usize>best) << 3),
      load<u64>(freeBlocks + ((<usize>--freeCount) << 3)),
    );
  }
  return at;
}

function setFree(index: u32, at: usize, bytes: usize): void {
  store<u32>(freeBlocks + ((<usize>index) << 3), <u32>at);
  store<u32>(freeBlocks + ((<usize>index) << 3), <u32>bytes, 4);
}

/** Bytes between the end of the last block and the end of memory. */
export function unusedBytes(): usize {
  return ((<usize>memory.size()) << 16) - top;
}
