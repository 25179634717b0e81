/**
 * Takes values out of the engine's memory. What is quick depends on the length (nanoseconds a
 * value, V8 12.4): up to 64 bytes `slice` takes 30 because such arrays live on V8's own heap,
 * above it takes 300, so medium values are copied into a slab that they share, word by word (55 for
 * 100 bytes) or with `set` (137 for 400).
 */

const sliceBytesMax = 64;
const wordwiseBytesMax = 192;
const slabBytes = 65_536;
/** Longer values have memory of their own, so that keeping one does not keep a slab. */
const sharedBytesMax = 4_096;

let slab: Uint8Array = new Uint8Array(0);
let slabBuffer: ArrayBuffer = new ArrayBuffer(0);
let slabView: DataView = new DataView(slabBuffer);
let slabUsed = slabBytes;

/** A copy of `memory[at, at + length)`. Small ones may share an ArrayBuffer. */
export type CopyBytes = (memory: Uint8Array, at: number, length: number) => Uint8Array;

/**
 * A {@link CopyBytes} for one keyspace. It remembers the memory it saw last, which must not outlive
 * the database; the slab is everybody's.
 */
export function bytesCopier(): CopyBytes {
  let memoryBefore: Uint8Array = slab;
  let memoryView: DataView = slabView;
  return (memory, at, length) => {
    if (length <= sliceBytesMax || length > sharedBytesMax) return memory.slice(at, at + length);
    if (slabUsed + length > slabBytes) beginSlab();
    const target = slabUsed;
    // Whole words: the next copy begins aligned.
    slabUsed += (length + 7) & ~7;
    if (length <= wordwiseBytesMax) {
      // The engine hands out the same array until its memory grows.
      if (memory !== memoryBefore) {
        memoryView = new DataView(memory.buffer, memory.byteOffset, memory.length);
        memoryBefore = memory;
      }
      copyWords(memory, memoryView, at, target, length);
    } else slab.set(memory.subarray(at, at + length), target);
    return new Uint8Array(slabBuffer, target, length);
  };
}

/** A view of `memory[at, at + length)`; half the time of `subarray`. */
export function viewBytes(memory: Uint8Array, at: number, length: number): Uint8Array {
  return new Uint8Array(memory.buffer, memory.byteOffset + at, length);
}

function beginSlab(): void {
  slabBuffer = new ArrayBuffer(slabBytes);
  slab = new Uint8Array(slabBuffer);
  slabView = new DataView(slabBuffer);
  slabUsed = 0;
}

function copyWords(
  memory: Uint8Array,
  from: DataView,
  at: number,
  target: number,
  length: number,
): void {
  const to = slabView;
  let index = 0;
  for (; index + 4 <= length; index += 4) {
    to.setInt32(target + index, from.getInt32(at + index, true), true);
  }
  for (; index < length; index++) slab[target + index] = memory[at + index];
}
