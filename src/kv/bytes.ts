/**
 * Takes values out of the engine's memory. What is quick depends on the length (nanoseconds a
 * value, V8 12.4): up to 64 bytes `slice` takes 30 because such arrays live on V8's own heap,
 * above it takes 230, so medium values are copied into a slab that they share, word by word (43 for
 * 100 bytes) or with `set` (57, and 137 for 400).
 */

const sliceBytesMax = 64;
const wordwiseBytesMax = 192;
const slabBytes = 65_536;
/** Longer values have memory of their own, so that keeping one does not keep a slab. */
const sharedBytesMax = 4_096;

let slab: Uint8Array = new Uint8Array(0);
let slabBuffer: ArrayBuffer = new ArrayBuffer(0);
let slabWords: Int32Array = new Int32Array(slabBuffer);
let slabUsed = slabBytes;

/** A copy of `memory[at, at + length)`. Small ones may share an ArrayBuffer. */
export type CopyBytes = (memory: Uint8Array, at: number, length: number) => Uint8Array;

/**
 * A {@link CopyBytes} for one keyspace. It remembers the memory it saw last, which must not outlive
 * the database; the slab is everybody's.
 */
export function bytesCopier(): CopyBytes {
  let memoryBefore: Uint8Array = slab;
  let words: Int32Array = slabWords;
  return (memory, at, length) => {
    if (length <= sliceBytesMax || length > sharedBytesMax) return memory.slice(at, at + length);
    if (slabUsed + length > slabBytes) beginSlab();
    const target = slabUsed;
    // Whole words: the next copy begins aligned.
    slabUsed += (length + 7) & ~7;
    // The engine hands short values out at an aligned place of its whole memory.
    if (length <= wordwiseBytesMax && (at & 3) === 0 && hasWords(memory, at + length)) {
      // It is the same array until the memory grows.
      if (memory !== memoryBefore) {
        words = new Int32Array(memory.buffer, 0, memory.length >> 2);
        memoryBefore = memory;
      }
      copyWords(words, at >> 2, target >> 2, (length + 3) >> 2);
    } else slab.set(memory.subarray(at, at + length), target);
    return new Uint8Array(slabBuffer, target, length);
  };
}

/** True when whole words from the memory's first byte on reach `end`: memory may end within one. */
function hasWords(memory: Uint8Array, end: number): boolean {
  return memory.byteOffset === 0 && end <= (memory.length & ~3);
}

/** A view of `memory[at, at + length)`; half the time of `subarray`. */
export function viewBytes(memory: Uint8Array, at: number, length: number): Uint8Array {
  return new Uint8Array(memory.buffer, memory.byteOffset + at, length);
}

function beginSlab(): void {
  slabBuffer = new ArrayBuffer(slabBytes);
  slab = new Uint8Array(slabBuffer);
  slabWords = new Int32Array(slabBuffer);
  slabUsed = 0;
}

/** Up to three bytes behind the value come along; the next value overwrites them. */
function copyWords(from: Int32Array, source: number, target: number, count: number): void {
  const to = slabWords;
  let index = 0;
  for (; index + 4 <= count; index += 4) {
    to[target + index] = from[source + index];
    to[target + index + 1] = from[source + index + 1];
    to[target + index + 2] = from[source + index + 2];
    to[target + index + 3] = from[source + index + 3];
  }
  for (; index < count; index++) to[target + index] = from[source + index];
}
