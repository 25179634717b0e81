/**
 * Unsigned 64-bit fields as exact numbers: seqs, times, offsets and lengths never pass 2^53 - 1.
 * Two 32-bit halves, because `getBigUint64` allocates.
 */
const half = 0x1_0000_0000;

/** Little-endian. `value` must be an integer from 0 to 2^53 - 1. */
export function writeU64(view: DataView, at: number, value: number): void {
  view.setUint32(at, value >>> 0, true);
  view.setUint32(at + 4, (value / half) >>> 0, true);
}

/** Little-endian. A stored value above 2^53 - 1 comes back as a number that is not safe. */
export function readU64(view: DataView, at: number): number {
  return view.getUint32(at, true) + view.getUint32(at + 4, true) * half;
}

/** True for the integers that a u64 field may hold: 0 to 2^53 - 1. */
export function isU64(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}
